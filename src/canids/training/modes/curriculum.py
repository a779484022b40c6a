"""Mode ``curriculum``: a GAT whose attack-free windows grow from balanced to natural, hard ones first."""

from __future__ import annotations

from pathlib import Path

import lightning
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig
from torch.nn.functional import cross_entropy

from canids.graphs.store import GraphStore
from canids.models.gat import Gat
from canids.models.scoring import score_gat, score_vgae
from canids.training.fit import Fit
from canids.training.lightning_modules import GatModule
from canids.training.model_folder import load_vgae
from canids.training.modes.normal import NormalTrainer
from canids.training.sampling import CurriculumSampler
from canids.training.stores import TrainingStores


class CurriculumTrainer(NormalTrainer):
    """Trains a GAT on a curriculum that a trained VGAE and the GAT's own loss guide.

    Args:
        vgae: folder of the trained VGAE; the others as in ``NormalTrainer``.
    """

    mode = "curriculum"

    def __init__(
        self, settings: DictConfig, trainer: DictConfig, seed: int, scale: str, graphs: Path, out: Path, vgae: Path
    ) -> None:
        super().__init__(settings, trainer, seed, scale, graphs, out)
        self.vgae = vgae

    def _fit(self, model: Gat, stores: TrainingStores) -> Fit:
        score = score_vgae(load_vgae(self.vgae), stores.train).score
        sampler = CurriculumSampler(stores.train.label, score, self.settings.curriculum, self.seed)
        module = GatModule(model, self.settings, self._epochs, self.seed)
        refresh = DifficultyRefresh(sampler, stores.train, self.settings.curriculum.refresh)
        return self._run(module, stores, sampler, (refresh,))


def gat_trainer(
    settings: DictConfig, trainer: DictConfig, seed: int, graphs: Path, out: Path, vgae: Path | None
) -> NormalTrainer:
    """The trainer of a teacher GAT in the mode that ``settings.mode`` names."""
    if settings.mode == "curriculum":
        return CurriculumTrainer(settings, trainer, seed, "teacher", graphs, out, vgae)
    return NormalTrainer(settings, trainer, seed, "teacher", graphs, out)


class DifficultyRefresh(Callback):
    """Every few epochs, scores the training windows with the GAT and mixes its loss into their difficulty."""

    def __init__(self, sampler: CurriculumSampler, train: GraphStore, every: int) -> None:
        self.sampler, self.train, self.every = sampler, train, every

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if (trainer.current_epoch + 1) % self.every == 0:
            logits = score_gat(module.model, self.train).logits
            self.sampler.refresh(cross_entropy(logits, self.train.label, reduction="none"))
