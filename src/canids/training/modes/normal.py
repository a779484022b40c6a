"""Mode ``normal``: a GAT on the same training windows in every epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import torch
from omegaconf import DictConfig
from sklearn.metrics import roc_auc_score

from canids.config import needs_vgae
from canids.graphs.store import GraphStore
from canids.models.build import build_gat
from canids.models.gat import Gat
from canids.models.scoring import score_gat, score_vgae
from canids.training.datamodules import GraphDataModule, ShuffleSampler
from canids.training.fit import Fit, fit
from canids.training.lightning_modules import GatModule
from canids.training.losses import classification_loss
from canids.training.model_folder import load_vgae, save_model
from canids.training.sampling import undersampled
from canids.training.stores import TrainingStores, open_stores, require_attacks


class NormalTrainer:
    """Trains the GAT of a scale: on every window at its natural ratio, with weighted losses, or on a fixed part.

    Args:
        settings: ``models.gat``. trainer: ``trainer``. graphs: folder of the stores. out: model folder to write.
        vgae: folder of the trained VGAE, for the sampling strategy that asks one.
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
        self.settings, self.trainer, self.seed, self.scale = settings, trainer, seed, scale
        self.graphs, self.out, self.vgae = graphs, out, vgae

    def train(self) -> dict[str, Any]:
        """Train, write the model folder, and return its metrics.

        Raises:
            DatasetError: training or validation holds no attacked window.
        """
        lightning.seed_everything(self.seed, verbose=False)
        stores = open_stores(self.graphs)
        require_attacks(stores, self.graphs)
        model = build_gat(self.settings, self.scale)
        result = self._fit(model, stores)
        metrics = _metrics(result, model, stores)
        config = {
            "model": "gat", "scale": self.scale, "seed": self.seed, "mode": self.mode, "settings": self.settings
        }  # fmt: skip
        save_model(self.out, model, config, metrics, result.history)
        return metrics

    def _fit(self, model: Gat, stores: TrainingStores) -> Fit:
        loss = classification_loss(self.settings, stores.train.label)
        module = GatModule(model, self.settings, self._epochs, self.seed, loss)
        return self._run(module, stores, ShuffleSampler(self._windows(stores.train), self.seed))

    def _windows(self, train: GraphStore) -> torch.Tensor:
        """The training windows of every epoch."""
        if not self.settings.sampling.startswith("undersampling"):
            return torch.arange(len(train))
        score = self._vgae_score(train)
        return undersampled(train.label, self.settings.undersampling.ratio, self.seed, score)

    def _vgae_score(self, train: GraphStore) -> torch.Tensor | None:
        """(w,) how anomalous the VGAE finds the training windows, if the sampling strategy asks it."""
        return score_vgae(load_vgae(self.vgae), train).score if needs_vgae(self.settings.sampling) else None

    @property
    def _epochs(self) -> int:
        return self.settings[self.scale].epochs

    def _run(self, module: GatModule, stores: TrainingStores, sampler, callbacks: tuple = ()) -> Fit:
        data = GraphDataModule(stores.train, stores.val, sampler, stores.select, self.settings.node_budget)
        return fit(module, data, self._epochs, self.settings.patience, self.trainer, callbacks)


def _metrics(result: Fit, model: Gat, stores: TrainingStores) -> dict[str, Any]:
    chosen = stores.val.select(stores.select)
    return {
        "best_epoch": result.best_epoch,
        "epochs": len(result.history),
        "training_seconds": result.seconds,
        "val_loss": result.history[result.best_epoch]["val_loss"],
        "val_auroc": roc_auc_score(chosen.label, score_gat(model, chosen).score),
    }
