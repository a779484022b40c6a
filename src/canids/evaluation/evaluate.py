"""The evaluate stage: VGAE alone, GAT alone, their fusion and its alternatives, and the fusion over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from omegaconf import DictConfig

from canids.artifacts import atomic_path, read_json, write_json
from canids.errors import DatasetError
from canids.evaluation.cascade import DETECTORS, load_fusion
from canids.evaluation.evidence import Cusum, with_cusum, with_cusum_point
from canids.evaluation.judge import judge
from canids.evaluation.thresholds import OperatingPoints, operating_point, write_points
from canids.fusion.states import load_states


def evaluate(states_file: Path, fusion: Path, graphs: Path, evaluation: DictConfig, out: Path) -> dict[str, Any]:
    """Score every window, set thresholds on validation, and write them, ``metrics.json`` and ``scores.parquet``.

    Args:
        states_file: the fusion states. fusion: the fusion's model folder.
        graphs: ``graphs.json``, for the attack spans.
        evaluation: the ``evaluation`` section of the configuration. out: folder to write.

    Raises:
        ArtifactError, CheckpointError: an input is missing or does not fit.
        DatasetError: the windows that calibrate hold one class only.
    """
    trained = load_fusion(fusion)
    cusum, summary = Cusum(**evaluation.cusum), read_json(graphs)
    scores = with_cusum(trained.score(load_states(states_file)), cusum)
    points = operating_points(scores, DETECTORS, evaluation.tolerance, states_file)
    points = with_cusum_point(points, cusum, scores, summary)
    described = {"scale": trained.scale, "seed": trained.seed, "tolerance": evaluation.tolerance}
    write_points(out, points)
    return write_evaluation(out, described, scores, points, summary)


def operating_points(scores: pl.DataFrame, detectors: Sequence[str], tolerance: float, source: Path) -> OperatingPoints:
    """Each detector's threshold, set on the windows that calibrate: on those that are read as most of them are.

    Raises:
        DatasetError: these hold one class only; the message names ``source``.
    """
    calibrate = scores.filter(pl.col("role") == "calibrate")
    # Both readings, unless no vehicle is known.
    read_by = int(calibrate["read_by"].mode().max()) if len(calibrate) else 0
    calibrate = calibrate.filter(pl.col("read_by") == read_by)
    label = calibrate["label"].to_numpy()
    if len(np.unique(label)) < 2:
        raise DatasetError(
            f"{source}: the windows that calibrate hold one class only, so no threshold can be set; "
            "more captures or a smaller graph.block are needed"
        )
    # A window that is more likely attack-free than not is no alarm.
    limits = {name: max(operating_point(calibrate[name].to_numpy(), label, tolerance), 0.0) for name in detectors}
    return OperatingPoints(limits, read_by, tolerance)


def write_evaluation(
    out: Path, described: dict[str, Any], scores: pl.DataFrame, points: OperatingPoints, graphs: dict[str, Any]
) -> dict[str, Any]:
    """Raise the alarms, judge them, and write ``metrics.json`` and ``scores.parquet``.

    Args:
        described: what stands at the top of ``metrics.json``. graphs: the content of ``graphs.json``.
    """
    scores = scores.with_columns((points.margin(name) > 0).alias(f"{name}_alarm") for name in points.limits)
    metrics = {**described, "thresholds": points.limits, **judge(scores, tuple(points.limits), graphs)}
    with atomic_path(out / "scores.parquet") as beside:
        scores.write_parquet(beside)
    write_json(out / "metrics.json", metrics)
    return metrics
