"""The tables: what was detected, by which detector and scale, in which scenario and capture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from canids.evaluation.statistics import mean_interval
from canids.report.formats import auroc, count, detector_name, rate
from canids.report.inputs import read_metrics

KEYS = ["scale", "scenario", "capture", "detector"]
INTERVALS = ("f1", "auroc")
RANKED = {"f1": max, "auroc": max, "mcc": max, "accuracy": max, "errors": min}


def detection_table(evaluations: Sequence[Path]) -> pd.DataFrame:
    """Every metric of every detector, tidy.

    Args:
        evaluations: evaluation folders, any seeds and scales.

    Returns:
        A row per scale, seed, scenario, capture (``all`` for a scenario as a whole) and detector. Counts ``windows``,
        ``attacked``, ``tp``, ``fp``, ``fn``, ``tn``, ``errors`` (fp + fn), and the metrics, NaN where undefined.

    Raises:
        ArtifactError: a ``metrics.json`` is missing or damaged.
    """
    return tidy(read_metrics(evaluations), "table")


def tidy(metrics: Sequence[dict[str, Any]], part: str) -> pd.DataFrame:
    """The rows of a part (``table``, ``attack_types``, ``validation``) of some ``metrics.json`` as one frame, see
    ``detection_table``."""
    rows = [{"scale": m["scale"], "seed": m["seed"], **row} for m in metrics for row in m[part]]
    frame = pd.DataFrame(rows)
    if frame.empty:
        return frame
    numeric = [name for name in frame.columns if name not in (*KEYS, "attack_type")]
    frame[numeric] = frame[numeric].apply(pd.to_numeric)
    return frame.assign(errors=frame["fp"] + frame["fn"])


def over_seeds(frame: pd.DataFrame, keys: Sequence[str] = KEYS) -> pd.DataFrame:
    """The mean over seeds (of those where a metric is defined), and ``seeds``, how many there are.

    ``f1`` and ``auroc`` come with ``<metric>_reach``, half of the mean's 95 % interval, and ``<metric>_low`` and
    ``<metric>_high``, its ends as far as they are from 0 to 1; NaN for a single seed.
    """
    grouped = frame.groupby(list(keys), sort=False)
    means = grouped.mean(numeric_only=True).drop(columns="seed").join(grouped.agg(seeds=("seed", "nunique")))
    for metric in INTERVALS:
        reach = grouped[metric].apply(lambda values: mean_interval(values).half_width)
        low, high = ((means[metric] + sign * reach).clip(0, 1) for sign in (-1, 1))
        means = means.assign(**{f"{metric}_reach": reach, f"{metric}_low": low, f"{metric}_high": high})
    return means.reset_index()


def with_best(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Adds ``<metric>_best``: whether no row with the same ``by`` is better; False where all are equal."""
    marked = frame.copy()
    for metric, best in RANKED.items():
        groups = frame.groupby(list(by), sort=False)[metric]
        top, varies = groups.transform(best.__name__), groups.transform("nunique") > 1
        marked[f"{metric}_best"] = (frame[metric] == top) & varies
    return marked


def terminal_table(frame: pd.DataFrame, title: str = "") -> Table:
    """A compact table for the terminal: for each scenario a row per scale and detector, the mean over seeds.

    Args:
        frame: what ``detection_table`` gives.
    """
    seeds = frame["seed"].nunique()
    table = Table.grid(padding=0)
    table.title, table.caption = title or None, f"mean of {seeds} seeds" if seeds > 1 else None
    # scenario names are long: each has a line of its own, so that 80 columns hold the rest
    for scenario, rows in over_seeds(frame[frame["capture"] == "all"]).groupby("scenario", sort=False):
        table.add_row(Text(scenario, style="bold"))
        table.add_row(_scenario_rows(rows))
    return table


def _scenario_rows(rows: pd.DataFrame) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True)
    for name in ("scale", "detector"):
        table.add_column(name, no_wrap=True, min_width=8 if name == "scale" else 16)
    for name in ("F1", "errors", "precision", "recall", "AUROC", "FPR"):
        table.add_column(name, justify="right", no_wrap=True, min_width=6)
    for row in rows.itertuples():
        table.add_row(
            row.scale,
            detector_name(row.detector),
            rate(row.f1),
            count(row.errors),
            rate(row.precision),
            rate(row.recall),
            auroc(row.auroc),
            auroc(row.false_positive_rate),
        )
    return table
