"""The evaluate stage: VGAE alone, GAT alone, their fusion and its alternatives, on every test scenario and capture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from omegaconf import DictConfig

from canids.artifacts import atomic_path, write_json
from canids.errors import DatasetError
from canids.evaluation.metrics import window_metrics
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


def evaluate(states_file: Path, fusion: Path, evaluation: DictConfig, out: Path) -> dict[str, Any]:
    """Score every window, set thresholds on validation, and write ``metrics.json`` and ``scores.parquet``.

    Args:
        states_file: the fusion states. fusion: the fusion's model folder.
        evaluation: the ``evaluation`` section of the configuration. out: folder to write.

    Raises:
        ArtifactError, CheckpointError: an input is missing or does not fit.
        DatasetError: the windows that calibrate hold one class only.
    """
    states = load_states(states_file)
    scores = score_windows(states, fusion)
    calibrate = states.of_role("calibrate")
    if len(np.unique(states.label[calibrate])) < 2:
        raise DatasetError(
            f"{states_file}: the windows that calibrate hold one class only, so no threshold can be set; "
            "more captures or a smaller graph.block are needed"
        )
    label, tolerance = states.label[calibrate], evaluation.tolerance
    thresholds = {
        # A window that is more likely attack-free than not is no alarm.
        name: max(operating_point(scores[name].to_numpy()[calibrate], label, tolerance), 0.0)
        for name in DETECTORS
    }
    scores = scores.with_columns((pl.col(name) > thresholds[name]).alias(f"{name}_alarm") for name in DETECTORS)
    config = read_model_config(fusion)
    metrics = {
        "scale": config.scale,
        "seed": config.seed,
        "tolerance": evaluation.tolerance,
        "thresholds": thresholds,
        "table": _table(scores.filter(pl.col("role") == "test"), thresholds),
        "validation": _table(scores.filter(pl.col("role") == "calibrate"), thresholds, by_capture=False),
    }
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
    scenario, name = zip(*(key.split("/") for key in states.captures), strict=True)
    return pl.DataFrame(
        {
            "scenario": np.array(scenario)[states.capture],
            "capture": np.array(name)[states.capture],
            "role": np.array(("train", "select", "fuse", "calibrate", "test"))[states.role],
            "position": states.position,
            "start": states.start,
            "end": states.end,
            "label": states.label,
            "attack_type": np.array(states.attack_types)[states.attack_type],
            "vgae": logit(states.vgae),
            "gat": logit(states.gat),
            "fusion": logit(played.score.numpy()),
            "alpha": ALPHAS[played.action].numpy(),
            **{name: logit(each) for name, each in alternatives.score(states, settings).items()},
        }
    )


def _table(scores: pl.DataFrame, thresholds: dict[str, float], by_capture: bool = True) -> list[dict[str, Any]]:
    """Metrics by scenario (capture ``all``) and by capture."""
    groups = [(("all", "all"), scores)] if not by_capture else []
    if by_capture:
        for (scenario,), rows in scores.group_by("scenario", maintain_order=True):
            groups.append(((scenario, "all"), rows))
            groups += [((scenario, c), each) for (c,), each in rows.group_by("capture", maintain_order=True)]
    return [
        {
            "scenario": scenario,
            "capture": capture,
            "detector": name,
            **window_metrics(rows["label"].to_numpy(), rows[name].to_numpy(), thresholds[name]),
        }
        for (scenario, capture), rows in groups
        for name in DETECTORS
    ]
