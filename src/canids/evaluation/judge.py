"""The tables of an evaluation: every detector on every scenario, capture and attack type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from canids.evaluation.curves import RATES, OperatingCurve, operating_curve
from canids.evaluation.events import Drive, drive_of, event_metrics
from canids.evaluation.metrics import window_metrics
from canids.evaluation.thresholds import CUSUM

ALL = "all"


def judge(scores: pl.DataFrame, detectors: Sequence[str], graphs: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Metrics of the test windows (``table``), by attack type too, and of those that calibrate (``validation``).

    Args:
        scores: a row per window, with ``<detector>`` and ``<detector>_alarm`` for each detector.
        graphs: ``graphs.json``, for the captures' attack spans.

    Returns:
        Rows with ``scenario``, ``capture`` (``all`` for the whole scenario), ``detector`` and the metrics; those of
        ``attack_types`` also with ``attack_type``. ``recall_at_<rate>``: recall at so many false alarms per hour over
        the attack-free driving of all test captures.
    """
    tested, calibrate = (scores.filter(pl.col("role") == role) for role in ("test", "calibrate"))
    drives = drives_of(tested, graphs)
    curves = {name: operating_curve(list(drives.values()), scores_of(tested, name)) for name in detectors}
    return {
        "table": [
            {"scenario": scenario, "capture": capture, "detector": name, **_metrics(rows, name, drives, curves[name])}
            for scenario, capture, rows in _groups(tested)
            for name in detectors
        ],
        "attack_types": [
            {
                "scenario": scenario,
                "attack_type": kind,
                "detector": name,
                **_metrics(rows, name, drives, curves[name], kind),
            }
            for scenario, kind, rows in _by_attack_type(tested)
            for name in detectors
        ],
        "validation": [
            {"scenario": ALL, "capture": ALL, "detector": name, **_window_metrics(calibrate, name)}
            for name in detectors
            if len(calibrate)
        ],
    }


def drives_of(tested: pl.DataFrame, graphs: dict[str, Any]) -> dict[str, Drive]:
    """``<scenario>/<capture>`` → drive, of each test capture; its windows in the order of the rows."""
    return {
        f"{scenario}/{capture}": drive_of(windows, graphs["captures"][f"{scenario}/{capture}"])
        for (scenario, capture), windows in _captures(tested)
    }


def scores_of(tested: pl.DataFrame, name: str) -> list[np.ndarray]:
    """A detector's scores of each test capture, in the order of ``drives_of``."""
    return [windows[name].to_numpy() for _, windows in _captures(tested)]


def _captures(rows: pl.DataFrame):
    return rows.group_by(["scenario", "capture"], maintain_order=True)


def _groups(tested: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    for (scenario,), rows in tested.group_by("scenario", maintain_order=True):
        yield scenario, ALL, rows
        for (capture,), some in rows.group_by("capture", maintain_order=True):
            yield scenario, capture, some


def _by_attack_type(tested: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """The captures of a scenario that hold an attack type."""
    for (scenario,), rows in tested.group_by("scenario", maintain_order=True):
        attacked = rows.filter(pl.col("label") == 1)
        for kind in attacked["attack_type"].unique(maintain_order=True):
            holding = attacked.filter(pl.col("attack_type") == kind)["capture"].unique()
            yield scenario, kind, rows.filter(pl.col("capture").is_in(holding.implode()))


def _metrics(
    rows: pl.DataFrame, name: str, drives: dict[str, Drive], curve: OperatingCurve, kind: str | None = None
) -> dict[str, Any]:
    """Metrics of a detector on whole captures; windows of other attack types than ``kind`` are left out."""
    here = {f"{scenario}/{capture}": windows for (scenario, capture), windows in _captures(rows)}
    alarms = [windows[f"{name}_alarm"].to_numpy() for windows in here.values()]
    judged = rows if kind is None else rows.filter((pl.col("label") == 0) | (pl.col("attack_type") == kind))
    attacked = judged.filter(pl.col("label") == 1)[name].to_numpy()
    return {
        **_window_metrics(judged, name),
        **event_metrics([drives[key] for key in here], alarms, kind),
        **{f"recall_at_{rate:g}": _recall(attacked, curve.at(rate)) for rate in RATES},
    }


def _window_metrics(rows: pl.DataFrame, name: str) -> dict[str, Any]:
    metrics = window_metrics(rows["label"].to_numpy(), rows[name].to_numpy(), rows[f"{name}_alarm"].to_numpy())
    # a sum of log-odds is no probability that could be taken at its word
    return {**metrics, "ece": None} if name == CUSUM else metrics


def _recall(attacked: np.ndarray, threshold: float) -> float | None:
    """Share of the attacked windows' scores above a threshold; None without any, or without driving to set it on."""
    return float((attacked > threshold).mean()) if len(attacked) and np.isfinite(threshold) else None
