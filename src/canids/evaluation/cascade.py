"""A trained cascade, from scores to alarms: models, calibration, fusion and thresholds, as they lie in its folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from omegaconf import DictConfig

from canids.evaluation.facts import window_facts
from canids.evaluation.thresholds import OperatingPoints, logit, read_points
from canids.fusion.agent import play
from canids.fusion.alternatives import Alternatives
from canids.fusion.cascade_calibration import CascadeCalibration, load_calibration
from canids.fusion.environment import ALPHAS, STATE_SIZE, windows_of
from canids.fusion.names import ALTERNATIVES, ALTERNATIVES_FILE, CALIBRATION_FILE
from canids.fusion.states import FusionStates
from canids.models.gat import Gat
from canids.models.q_network import QNetwork
from canids.models.vgae import Vgae
from canids.training.model_folder import load_gat, load_vgae, read_model_config, state_path
from canids.training.model_manager import ModelManager

DETECTORS = ("vgae", "gat", "fusion", *ALTERNATIVES)


@dataclass(frozen=True)
class TrainedFusion:
    """The agent, and its alternatives.

    Attributes:
        settings: that they were trained with (``fusion``). scale, seed: of the models behind them.
    """

    network: QNetwork
    alternatives: Alternatives
    settings: DictConfig
    scale: str
    seed: int

    def score(self, states: FusionStates) -> pl.DataFrame:
        """A row per window: where it lies, its label, and the log-odds of an attack that each detector gives it."""
        played = play(self.network, windows_of(states, np.ones(len(states), bool)), self.settings)
        return window_facts([states]).with_columns(
            vgae=logit(states.vgae),
            gat=logit(states.gat),
            fusion=logit(played.score.numpy()),
            alpha=ALPHAS[played.action].numpy(),
            **{name: logit(each) for name, each in self.alternatives.score(states, self.settings).items()},
        )


@dataclass(frozen=True)
class Cascade:
    """Everything that scores a window, and says when it alarms."""

    vgae: Vgae
    gat: Gat
    calibration: CascadeCalibration
    fusion: TrainedFusion
    points: OperatingPoints

    @property
    def scale(self) -> str:
        return self.fusion.scale

    @property
    def seed(self) -> int:
        return self.fusion.seed


def load_fusion(folder: Path) -> TrainedFusion:
    """The fusion of a model folder. Raises: CheckpointError."""
    config = read_model_config(folder)
    network = QNetwork(STATE_SIZE, config.settings.hidden, len(ALPHAS))
    ModelManager.load_state_dict(network, state_path(folder))
    alternatives = Alternatives(config.settings.hidden)
    ModelManager.load_state_dict(alternatives, folder / ALTERNATIVES_FILE)
    return TrainedFusion(network.eval(), alternatives, config.settings, config.scale, config.seed)


def load_cascade(folder: Path, scale: str) -> Cascade:
    """The cascade of a scale in a seed's folder: in ``vgae-<scale>``, ``gat-<scale>``, ``fusion-<scale>``,
    ``evaluation-<scale>``.

    Raises:
        ArtifactError, CheckpointError: a part is missing or does not fit.
    """
    fusion = folder / f"fusion-{scale}"
    return Cascade(
        vgae=load_vgae(folder / f"vgae-{scale}"),
        gat=load_gat(folder / f"gat-{scale}"),
        calibration=load_calibration(fusion / CALIBRATION_FILE),
        fusion=load_fusion(fusion),
        points=read_points(folder / f"evaluation-{scale}"),
    )
