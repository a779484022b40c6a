"""Mode ``curriculum``: a GAT whose attack-free windows grow from balanced to natural, hard ones first."""

from __future__ import annotations

from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig
from torch.nn.functional import cross_entropy

from canids.graphs.store import GraphStore
from canids.models.gat import Gat
from canids.models.scoring import score_gat
from canids.sampling_strategies import needs_vgae
from canids.training.callbacks import is_last_epoch
from canids.training.lightning_modules import GatModule
from canids.training.modes.normal import NormalTrainer
from canids.training.modes.trainer import Prepared
from canids.training.sampling import CurriculumSampler
from canids.training.stores import TrainingStores


class CurriculumTrainer(NormalTrainer):
    """Trains a GAT on a curriculum that a trained VGAE and the GAT's own loss guide, or chance.

    The arguments are those of ``NormalTrainer``.
    """

    mode = "curriculum"

    def _prepare(self, model: Gat, stores: TrainingStores) -> Prepared:
        settings, train = self.settings.curriculum, stores.train
        sampler = CurriculumSampler(train.label, settings, self.seed, self._vgae_score(train))
        module = GatModule(model, self.settings, self._epochs, self.seed)
        guided = needs_vgae(self.settings.sampling)
        callbacks = (DifficultyRefresh(sampler, train, settings.refresh),) if guided else ()
        return self._prepared(module, stores, sampler, callbacks)


def gat_trainer(
    settings: DictConfig, trainer: DictConfig, seed: int, graphs: Path, out: Path, vgae: Path | None
) -> NormalTrainer:
    """The trainer of a teacher GAT for the strategy that ``settings.sampling`` names."""
    kind = CurriculumTrainer if settings.sampling.startswith("curriculum") else NormalTrainer
    return kind(settings, trainer, seed, "teacher", graphs, out, vgae if needs_vgae(settings.sampling) else None)


class DifficultyRefresh(Callback):
    """Every few epochs, mixes the GAT's loss on the attack-free training windows into their difficulty."""

    def __init__(self, sampler: CurriculumSampler, train: GraphStore, every: int) -> None:
        self.sampler, self.train, self.every = sampler, train, every
        self.attack_free = (train.label == 0).nonzero().ravel()

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if (trainer.current_epoch + 1) % self.every == 0 and not is_last_epoch(trainer):
            logits = score_gat(module.model, self.train, self.attack_free).logits
            loss = torch.zeros(len(self.train))
            loss[self.attack_free] = cross_entropy(logits, self.train.label[self.attack_free], reduction="none")
            self.sampler.refresh(loss)
