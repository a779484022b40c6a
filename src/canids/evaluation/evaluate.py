"""The evaluate stage: VGAE alone, GAT alone, their fusion and its alternatives, on every test scenario and capture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from omegaconf import DictConfig

from canids.artifacts import atomic_path, read_json, write_json
from canids.errors import DatasetError
from canids.evaluation.facts import window_facts
from canids.evaluation.judge import judge
from canids.evaluation.thresholds import logit, operating_point
from canids.fusion.agent import play
from canids.fusion.alternatives import Alternatives
from canids.fusion.environment import ALPHAS, STATE_SIZE, windows_of
from canids.fusion.names import ALTERNATIVES, ALTERNATIVES_FILE
from canids.fusion.states import FusionStates, load_states
from canids.models.q_network import QNetwork
from canids.training.model_folder import read_model_config
from canids.training.model_manager import ModelManager

DETECTORS = ("vgae", "gat", "fusion", *ALTERNATIVES)


def evaluate(states_file: Path, fusion: Path, graphs: Path, evaluation: DictConfig, out: Path) -> dict[str, Any]:
    """Score every window, set thresholds on validation, and write ``metrics.json`` and ``scores.parquet``.

    Args:
        states_file: the fusion states. fusion: the fusion's model folder.
        graphs: ``graphs.json``, for the attack spans.
        evaluation: the ``evaluation`` section of the configuration. out: folder to write.

    Raises:
        ArtifactError, CheckpointError: an input is missing or does not fit.
        DatasetError: the windows that calibrate hold one class only.
    """
    states = load_states(states_file)
    scores = score_windows(states, fusion)
    thresholds = operating_points(scores, DETECTORS, evaluation.tolerance, states_file)
    config = read_model_config(fusion)
    described = {"scale": config.scale, "seed": config.seed, "tolerance": evaluation.tolerance}
    return write_evaluation(out, described, scores, thresholds, read_json(graphs))


def operating_points(
    scores: pl.DataFrame, detectors: Sequence[str], tolerance: float, source: Path
) -> dict[str, float]:
    """Each detector's threshold, set on the windows that calibrate.

    Raises:
        DatasetError: these hold one class only; the message names ``source``.
    """
    calibrate = scores.filter(pl.col("role") == "calibrate")
    if len(calibrate):
        calibrate = calibrate.filter(pl.col("read_by") == usual_reading(scores))
    label = calibrate["label"].to_numpy()
    if len(np.unique(label)) < 2:
        raise DatasetError(
            f"{source}: the windows that calibrate hold one class only, so no threshold can be set; "
            "more captures or a smaller graph.block are needed"
        )
    # A window that is more likely attack-free than not is no alarm.
    return {name: max(operating_point(calibrate[name].to_numpy(), label, tolerance), 0.0) for name in detectors}


def usual_reading(scores: pl.DataFrame) -> int:
    """What speaks of most of the windows that calibrate: both readings, unless no vehicle is known."""
    return int(scores.filter(pl.col("role") == "calibrate")["read_by"].mode().max())


def write_evaluation(
    out: Path, described: dict[str, Any], scores: pl.DataFrame, thresholds: dict[str, float], graphs: dict[str, Any]
) -> dict[str, Any]:
    """Raise the alarms, judge them, and write ``metrics.json`` and ``scores.parquet``.

    A window alarms above the detector's threshold if it is read as those are that the threshold was set on, else above
    even odds.

    Args:
        described: what stands at the top of ``metrics.json``. graphs: the content of ``graphs.json``.
    """
    # A threshold that was set on windows of enrolled vehicles says nothing of windows that are read otherwise.
    read_so = pl.col("read_by") == usual_reading(scores)
    scores = scores.with_columns(
        (pl.col(name) > pl.when(read_so).then(limit).otherwise(0.0)).alias(f"{name}_alarm")
        for name, limit in thresholds.items()
    )
    metrics = {**described, "thresholds": thresholds, **judge(scores, tuple(thresholds), graphs)}
    with atomic_path(out / "scores.parquet") as beside:
        scores.write_parquet(beside)
    write_json(out / "metrics.json", metrics)
    return metrics


def score_windows(states: FusionStates, fusion: Path) -> pl.DataFrame:
    """One row per window: where it lies, its label, and the log-odds of an attack that each detector gives it."""
    settings = read_model_config(fusion).settings
    network = QNetwork(STATE_SIZE, settings.hidden, len(ALPHAS))
    ModelManager.load_state_dict(network, fusion / "model.safetensors")
    alternatives = Alternatives(settings.hidden)
    ModelManager.load_state_dict(alternatives, fusion / ALTERNATIVES_FILE)
    played = play(network.eval(), windows_of(states, np.ones(len(states), bool)), settings)
    return window_facts([states]).with_columns(
        vgae=logit(states.vgae),
        gat=logit(states.gat),
        fusion=logit(played.score.numpy()),
        alpha=ALPHAS[played.action].numpy(),
        **{name: logit(each) for name, each in alternatives.score(states, settings).items()},
    )
