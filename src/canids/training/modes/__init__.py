"""One trainer a file, each with ``train()``."""

from canids.training.modes.autoencoder import AutoencoderTrainer
from canids.training.modes.curriculum import CurriculumTrainer
from canids.training.modes.distillation import GatDistillationTrainer, VgaeDistillationTrainer
from canids.training.modes.normal import NormalTrainer

__all__ = [
    "AutoencoderTrainer",
    "CurriculumTrainer",
    "GatDistillationTrainer",
    "NormalTrainer",
    "VgaeDistillationTrainer",
]
