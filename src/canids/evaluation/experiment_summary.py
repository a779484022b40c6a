"""All evaluations of an experiment on a dataset in one tidy table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from canids.artifacts import atomic_path, read_json
from canids.evaluation.summary import scenario_rows


@dataclass(frozen=True)
class Run:
    """An evaluation of a variant, and the attacks that it was trained on (``training_data``)."""

    variant: str
    training_data: str
    evaluation: Path


def summarise_experiment(runs: Sequence[Run], dataset: str, experiment: str, out: Path) -> None:
    """Write a row per variant, scenario, model, scale and seed, with every metric that the evaluations hold.

    Raises:
        ArtifactError: an evaluation is missing or damaged.
    """
    rows = [
        {"dataset": dataset, "experiment": experiment, "variant": run.variant, **row}
        for run in runs
        for row in scenario_rows(read_json(run.evaluation / "metrics.json"), run.training_data)
    ]
    with atomic_path(out) as beside:
        pl.DataFrame(rows, infer_schema_length=None).write_csv(beside)
