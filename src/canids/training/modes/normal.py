"""Mode ``normal``: a GAT on the same training windows in every epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig
from sklearn.metrics import roc_auc_score

from canids.graphs.store import GraphStore
from canids.models.build import build_gat
from canids.models.gat import Gat
from canids.models.scoring import score_gat, score_vgae
from canids.sampling_strategies import needs_vgae
from canids.training.datamodules import GraphDataModule, Sampler, ShuffleSampler
from canids.training.device import device_of
from canids.training.fit import Fit
from canids.training.lightning_modules import GatModule
from canids.training.losses import classification_loss
from canids.training.model_folder import load_vgae
from canids.training.modes.trainer import ModelTrainer, Prepared
from canids.training.sampling import undersampled
from canids.training.stores import TrainingStores, require_attacks


class NormalTrainer(ModelTrainer):
    """Trains the GAT of a scale: on every window at its natural ratio, with weighted losses, or on a fixed part.

    Args:
        vgae: folder of the trained VGAE, for the sampling strategy that asks one; the others as in ``ModelTrainer``.
    """

    mode = "normal"

    def __init__(
        self,
        settings: DictConfig,
        trainer: DictConfig,
        seed: int,
        scale: str,
        graphs: Path,
        out: Path,
        vgae: Path | None = None,
    ) -> None:
        super().__init__(settings, trainer, seed, scale, graphs, out)
        self.vgae = vgae

    def _build(self, stores: TrainingStores) -> Gat:
        require_attacks(stores, self.graphs)
        return build_gat(self.settings, self.scale)

    def _prepare(self, model: Gat, stores: TrainingStores) -> Prepared:
        loss = classification_loss(self.settings, stores.train.label)
        module = GatModule(model, self.settings, self._epochs, self.seed, loss)
        return self._prepared(module, stores, ShuffleSampler(self._windows(stores.train), self.seed))

    def _windows(self, train: GraphStore) -> torch.Tensor:
        """The training windows of every epoch."""
        if not self.settings.sampling.startswith("undersampling"):
            return torch.arange(len(train))
        score = self._vgae_score(train)
        return undersampled(train.label, self.settings.undersampling.ratio, self.seed, score)

    def _vgae_score(self, train: GraphStore) -> torch.Tensor | None:
        """(w,) how anomalous the VGAE finds the attack-free training windows, if the sampling strategy asks it."""
        if not needs_vgae(self.settings.sampling):
            return None
        attack_free = (train.label == 0).nonzero().ravel()
        score = torch.zeros(len(train))
        score[attack_free] = score_vgae(load_vgae(self.vgae).to(device_of(self.trainer)), train, attack_free).score
        return score

    def _prepared(
        self, module: GatModule, stores: TrainingStores, sampler: Sampler, callbacks: tuple[Callback, ...] = ()
    ) -> Prepared:
        limit = self.settings.epoch_windows
        data = GraphDataModule(stores.train, stores.val, sampler, stores.select, epoch_windows=limit)
        return Prepared(module, data, callbacks)

    def _measure(self, model: Gat, stores: TrainingStores, result: Fit) -> dict[str, Any]:
        chosen = stores.val.select(stores.select)
        return {"val_auroc": roc_auc_score(chosen.label, score_gat(model, chosen).score)}

    @property
    def _config(self) -> dict[str, Any]:
        return {
            "model": "gat", "scale": self.scale, "seed": self.seed, "mode": self.mode, "settings": self.settings,
            "trainer": self.trainer,
        }  # fmt: skip

    @property
    def _guides(self) -> list[Path]:
        return [self.vgae] if self.vgae else []
