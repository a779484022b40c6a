"""Reads the artifacts that a report is made of."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
from omegaconf import DictConfig, OmegaConf
from polars.exceptions import PolarsError

from canids.artifacts import read_json
from canids.errors import ArtifactError
from canids.fusion.names import ALTERNATIVES

BASELINE = "baseline"  # the scale of what is no scale
SCALES = ("student", "teacher", BASELINE)


@dataclass(frozen=True)
class Evaluation:
    """An evaluation folder; ``scores`` has a row per window, the scores in log-odds."""

    scale: str
    seed: int
    tolerance: float
    thresholds: dict[str, float]
    table: list[dict[str, Any]]
    attack_types: list[dict[str, Any]]
    validation: list[dict[str, Any]]
    scores: pl.DataFrame


@dataclass(frozen=True)
class Model:
    """A model folder without its weights."""

    name: str
    scale: str
    seed: int
    settings: str
    metrics: dict[str, Any]
    history: pd.DataFrame


def read_metrics(evaluations: Sequence[Path]) -> list[dict[str, Any]]:
    """``metrics.json`` of each evaluation folder, students first, then by seed. Raises: ArtifactError."""
    if not evaluations:
        raise ArtifactError("no evaluation to report on; run snakemake evaluate")
    read = [{**read_json(folder / "metrics.json"), "folder": folder} for folder in evaluations]
    for metrics in read:
        needed = ("scale", "seed", "tolerance", "thresholds", "table", "attack_types", "validation")
        lacks = [key for key in needed if key not in metrics]
        if lacks:
            raise ArtifactError(f"{metrics['folder']}/metrics.json: lacks {', '.join(lacks)}; evaluate again")
    return sorted(read, key=lambda m: (_place(m["scale"]), m["seed"]))


def read_evaluations(folders: Sequence[Path]) -> list[Evaluation]:
    """The evaluations, students first, then by seed, without the fusion's alternatives. Raises: ArtifactError."""
    return [
        Evaluation(scores=_scores(metrics.pop("folder") / "scores.parquet"), **metrics)
        for metrics in map(without_alternatives, read_metrics(folders))
    ]


def without_alternatives(metrics: dict[str, Any]) -> dict[str, Any]:
    """A ``metrics.json`` without the fusion's alternatives, which have a section of their own."""
    rows = {
        part: [row for row in each if row["detector"] not in ALTERNATIVES]
        for part, each in metrics.items()
        if isinstance(each, list)
    }
    thresholds = {name: limit for name, limit in metrics["thresholds"].items() if name not in ALTERNATIVES}
    return {**metrics, **rows, "thresholds": thresholds}


def read_comparisons(path: Path) -> pd.DataFrame:
    """``comparisons.csv``. Raises: ArtifactError."""
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path}: missing or damaged ({error}); run snakemake {path}") from None


def read_models(folders: Sequence[Path]) -> list[Model]:
    """The models in the order VGAE, GAT, fusion, each student first. Raises: ArtifactError."""
    models = []
    for folder in folders:
        config, metrics = _config(folder / "config.yaml"), read_json(folder / "metrics.json")
        models.append(
            Model(config.model, config.scale, config.seed, _settings(config), metrics, _history(folder / "history.csv"))
        )
    order = ("vgae", "gat", "fusion")
    return sorted(models, key=lambda m: (order.index(m.name), _place(m.scale), m.seed))


def read_records(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """The ingest records by scenario and capture. Raises: ArtifactError."""
    return sorted((read_json(path) for path in paths), key=lambda r: (r["scenario"], r["capture"]))


def read_benchmarks(paths: Sequence[Path]) -> pd.DataFrame:
    """Snakemake's benchmark files: ``job``, wall time ``s`` (s), ``max_rss`` (MB, NaN for a job too short to measure).

    A job is named by its file's place within the folder that holds them all.

    Raises:
        ArtifactError: a file is not such a table.
    """
    rows = []
    top = os.path.commonpath([path.parent for path in paths]) if paths else ""
    for path in sorted(paths):
        try:
            row = pd.read_csv(path, sep="\t", na_values=["-", "NA"]).iloc[0]
            rows.append(
                {
                    "job": str(path.relative_to(top).with_suffix("")),
                    "s": float(row["s"]),
                    "max_rss": float(row["max_rss"]),
                }
            )
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise ArtifactError(f"{path}: not a benchmark of snakemake's ({error})") from None
    return pd.DataFrame(rows, columns=["job", "s", "max_rss"])


def _place(scale: str) -> int:
    return SCALES.index(scale)


def _scores(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (OSError, PolarsError) as error:
        raise ArtifactError(f"{path}: missing or damaged ({error}); evaluate again") from None


def _history(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path}: missing or damaged ({error}); train the model again") from None


def _config(path: Path) -> DictConfig:
    # canids.training reads it too, but a report need not wait until torch is loaded
    if not path.is_file():
        raise ArtifactError(f"{path}: there is no such file; train the model first")
    return OmegaConf.load(path)


def _settings(config: DictConfig) -> str:
    """The configuration without the seed, so that seeds of one variant read alike."""
    return OmegaConf.to_yaml(OmegaConf.masked_copy(config, [key for key in config if key != "seed"]))
