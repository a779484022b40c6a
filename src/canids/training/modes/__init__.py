"""One trainer a file, each with ``train()``."""

from canids.training.modes.autoencoder import AutoencoderTrainer
from canids.training.modes.curriculum import CurriculumTrainer, gat_trainer
from canids.training.modes.distillation import GatDistillationTrainer, VgaeDistillationTrainer
from canids.training.modes.fusion import FusionTrainer, write_fusion_states
from canids.training.modes.normal import NormalTrainer

__all__ = [
    "AutoencoderTrainer",
    "CurriculumTrainer",
    "FusionTrainer",
    "GatDistillationTrainer",
    "NormalTrainer",
    "VgaeDistillationTrainer",
    "gat_trainer",
    "write_fusion_states",
]
