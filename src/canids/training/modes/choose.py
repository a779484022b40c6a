"""The trainer of a model and scale."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from canids.training.modes.autoencoder import AutoencoderTrainer
from canids.training.modes.curriculum import gat_trainer
from canids.training.modes.distillation import GatDistillationTrainer, VgaeDistillationTrainer
from canids.training.modes.trainer import ModelTrainer


def model_trainer(
    model: str,
    scale: str,
    settings: DictConfig,
    trainer: DictConfig,
    seed: int,
    graphs: Path,
    out: Path,
    guide: Path | None,
) -> ModelTrainer:
    """The trainer of ``vgae`` or ``gat`` at a scale.

    Args:
        guide: folder of the model that it learns from: a student's teacher, or the VGAE that a teacher GAT may ask.
    """
    if scale == "student":
        distil = {"vgae": VgaeDistillationTrainer, "gat": GatDistillationTrainer}[model]
        return distil(settings, trainer, seed, graphs, out, guide)
    if model == "vgae":
        return AutoencoderTrainer(settings, trainer, seed, scale, graphs, out)
    return gat_trainer(settings, trainer, seed, graphs, out, guide)
