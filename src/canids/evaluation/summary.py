"""All evaluations of a dataset in two tables: every metric, and what lies between the fusion and everything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from canids.artifacts import atomic_path, read_json
from canids.errors import ArtifactError
from canids.evaluation.judge import ALL
from canids.evaluation.statistics import Resamples, f1_difference, resample

HEADLINE = "fusion"
KEYS = ["scenario", "capture", "position"]


def summarise(
    evaluations: Sequence[Path], graphs: Path, dataset: str, training_data: str, summary: Path, comparisons: Path
) -> None:
    """Write ``summary.csv`` and ``comparisons.csv``.

    Args:
        evaluations: folders of models and baselines, any seeds and scales.
        graphs: ``graphs.json``, for the captures' recordings.

    Raises:
        ArtifactError: an evaluation is missing, or does not cover the same windows as the others.
    """
    metrics = [read_json(folder / "metrics.json") for folder in evaluations]
    rows = [{"dataset": dataset, **row} for each in metrics for row in scenario_rows(each, training_data)]
    _write(summary, pl.DataFrame(rows, infer_schema_length=None))
    recordings = {key: capture["recording"] for key, capture in read_json(graphs)["captures"].items()}
    _write(comparisons, compare(_alarms(evaluations, metrics), recordings))


def scenario_rows(metrics: dict[str, Any], training_data: str) -> list[dict[str, Any]]:
    """A flat row for each test scenario and detector of an evaluation: what it is of, then every metric."""
    return [
        {
            "scenario": row["scenario"],
            "model": row["detector"],
            "scale": metrics["scale"],
            "training_data": training_data,
            "seed": metrics["seed"],
            **{name: value for name, value in row.items() if name not in ("scenario", "capture", "detector")},
        }
        for row in metrics["table"]
        if row["capture"] == ALL
    ]


def compare(alarms: dict[tuple[str, str], pl.DataFrame], recordings: dict[str, str]) -> pl.DataFrame:
    """The fusion of each scale against every baseline, every detector of its scale, and the other scale's fusion.

    Args:
        alarms: (scale, detector) → test windows in one order, with ``KEYS``, ``label`` and an alarm for each seed.
        recordings: ``<scenario>/<capture>`` → recording.
    """
    rows = []
    windows = next(iter(alarms.values())).select(*KEYS, "label")
    for (scenario,), here in windows.with_row_index().group_by("scenario", maintain_order=True):
        label, at = here["label"].to_numpy(), here["index"].to_numpy()
        if not label.any():
            continue
        names = [recordings[f"{scenario}/{capture}"] for capture in here["capture"]]
        resamples = resample(np.array(names), here["position"].to_numpy())
        for one, other in _pairs(alarms):
            rows.append({"scenario": scenario, **_compared(resamples, label, at, one, other, alarms)})
    return pl.DataFrame(rows, infer_schema_length=None)


def _pairs(alarms: dict[tuple[str, str], Any]) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    fused = [key for key in alarms if key[1] == HEADLINE]
    for one in fused:
        for other in alarms:
            same_scale_or_baseline = other[0] == one[0] or other[0] not in {scale for scale, _ in fused}
            if other != one and (same_scale_or_baseline or other[1] == HEADLINE):
                yield one, other


def _compared(
    resamples: Resamples, label: np.ndarray, at: np.ndarray, one: tuple[str, str], other: tuple[str, str], alarms
) -> dict[str, Any]:
    each = [alarms[key].drop(*KEYS, "label").to_numpy().T[:, at] for key in (one, other)]
    interval, not_above = f1_difference(resamples, label, *each)
    return {
        "scale": one[0],
        "model": one[1],
        "other_scale": other[0],
        "other": other[1],
        "seeds": len(each[0]),
        "f1_difference": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "share_not_above": not_above,
    }


def _alarms(evaluations: Sequence[Path], metrics: Sequence[dict[str, Any]]) -> dict[tuple[str, str], pl.DataFrame]:
    """(scale, detector) → the test windows' keys and label, and an alarm column for each seed."""
    joined: dict[tuple[str, str], pl.DataFrame] = {}
    for folder, each in zip(evaluations, metrics, strict=True):
        scores = pl.read_parquet(folder / "scores.parquet").filter(pl.col("role") == "test").sort(KEYS)
        for name in each["thresholds"]:
            key, alarm = (each["scale"], name), scores[f"{name}_alarm"].alias(f"seed_{each['seed']}")
            windows = joined.setdefault(key, scores.select(*KEYS, "label"))
            if not windows.select(KEYS).equals(scores.select(KEYS)):
                raise ArtifactError(f"{folder}/scores.parquet: other windows than in {evaluations[0]}; evaluate again")
            joined[key] = windows.with_columns(alarm)
    return joined


def _write(path: Path, table: pl.DataFrame) -> None:
    with atomic_path(path) as beside:
        table.write_csv(beside)
