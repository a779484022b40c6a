"""Mode ``distillation``: a student that learns from a trained teacher, whose outputs are computed once."""

from __future__ import annotations

from pathlib import Path

import torch
from omegaconf import DictConfig

from canids.models.gat import Gat
from canids.models.scoring import over_store, score_gat
from canids.models.vgae import Vgae
from canids.training.datamodules import ShuffleSampler
from canids.training.device import device_of
from canids.training.lightning_modules import DistilledGatModule, DistilledVgaeModule
from canids.training.model_folder import load_gat, load_vgae
from canids.training.modes.autoencoder import AutoencoderTrainer
from canids.training.modes.normal import NormalTrainer
from canids.training.modes.trainer import Prepared
from canids.training.stores import TrainingStores


class VgaeDistillationTrainer(AutoencoderTrainer):
    """Distils a student VGAE from the teacher in a model folder; the other arguments as in ``AutoencoderTrainer``."""

    def __init__(
        self, settings: DictConfig, trainer: DictConfig, seed: int, graphs: Path, out: Path, teacher: Path
    ) -> None:
        super().__init__(settings, trainer, seed, "student", graphs, out)
        self.teacher = teacher

    @property
    def _guides(self) -> list[Path]:
        return [self.teacher]

    def _prepare(self, model: Vgae, stores: TrainingStores) -> Prepared:
        def view(graphs):
            output = teacher(graphs)
            return output.mean.half(), output.nodes.half()  # of all training windows: gigabytes as they are

        teacher = load_vgae(self.teacher).to(device_of(self.trainer))
        mean, nodes = over_store(teacher, stores.train, view)
        epochs = self.settings.student.epochs
        module = DistilledVgaeModule(model, self.settings, epochs, self.seed, stores.train, mean, nodes)
        return self._prepared(module, stores)


class GatDistillationTrainer(NormalTrainer):
    """Distils a student GAT from the teacher in a model folder; the other arguments as in ``NormalTrainer``."""

    mode = "distillation"

    def __init__(
        self, settings: DictConfig, trainer: DictConfig, seed: int, graphs: Path, out: Path, teacher: Path
    ) -> None:
        super().__init__(settings, trainer, seed, "student", graphs, out)
        self.teacher = teacher

    @property
    def _guides(self) -> list[Path]:
        return [self.teacher]

    def _prepare(self, model: Gat, stores: TrainingStores) -> Prepared:
        teacher = load_gat(self.teacher).to(device_of(self.trainer))
        logits = score_gat(teacher, stores.train).logits
        module = DistilledGatModule(model, self.settings, self._epochs, self.seed, logits)
        return self._prepared(module, stores, ShuffleSampler(torch.arange(len(stores.train)), self.seed))
