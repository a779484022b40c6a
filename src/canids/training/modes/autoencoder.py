"""Mode ``autoencoder``: a VGAE on attack-free windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import torch
from omegaconf import DictConfig
from sklearn.metrics import roc_auc_score

from canids.graphs.batches import gather, present_inputs
from canids.models.build import build_vgae
from canids.models.scoring import score_vgae
from canids.models.vgae import Vgae
from canids.training.datamodules import GraphDataModule, ShuffleSampler
from canids.training.fit import Fit, fit
from canids.training.lightning_modules import VgaeModule
from canids.training.model_folder import save_model
from canids.training.stores import TrainingStores, open_stores

LEAST_INPUT_SPREAD = 0.1
LEAST_ERROR_SPREAD = 1e-3


class AutoencoderTrainer:
    """Trains the VGAE of a scale.

    Args:
        settings: ``models.vgae``. trainer: ``trainer``. graphs: folder of the stores. out: model folder to write.
    """

    def __init__(
        self, settings: DictConfig, trainer: DictConfig, seed: int, scale: str, graphs: Path, out: Path
    ) -> None:
        self.settings, self.trainer, self.seed, self.scale = settings, trainer, seed, scale
        self.graphs, self.out = graphs, out

    def train(self) -> dict[str, Any]:
        """Train, write the model folder, and return its metrics."""
        lightning.seed_everything(self.seed, verbose=False)
        stores = open_stores(self.graphs)
        model = build_vgae(self.settings, self.scale)
        standardise_inputs(model, stores)
        result = self._fit(model, stores)
        standardise_errors(model, stores)
        metrics = _metrics(result, model, stores)
        config = {"model": "vgae", "scale": self.scale, "seed": self.seed, "settings": self.settings}
        save_model(self.out, model, config, metrics, result.history)
        return metrics

    def _fit(self, model: Vgae, stores: TrainingStores) -> Fit:
        module = VgaeModule(model, self.settings, self.settings[self.scale].epochs, self.seed)
        return self._run(module, stores)

    def _run(self, module: VgaeModule, stores: TrainingStores) -> Fit:
        train, select = stores.attack_free()
        sampler = ShuffleSampler(train, self.seed)
        data = GraphDataModule(stores.train, stores.val, sampler, select, self.settings.node_budget)
        return fit(module, data, self.settings[self.scale].epochs, self.settings.patience, self.trainer)


def standardise_inputs(model: Vgae, stores: TrainingStores) -> None:
    """Set the centre and spread of the model's inputs from attack-free training windows, where readings are present."""
    train, _ = stores.attack_free()
    x = gather(stores.train, train).x
    present = present_inputs(x)
    count = present.sum(dim=0).clamp_min(1)
    centre = (x * present).sum(dim=0) / count
    variance = ((x - centre).square() * present).sum(dim=0) / count
    model.input_centre.copy_(centre)
    model.input_spread.copy_(variance.sqrt().clamp_min(LEAST_INPUT_SPREAD))


def standardise_errors(model: Vgae, stores: TrainingStores) -> None:
    """Set the centre and spread of the model's three errors from the attack-free windows that select."""
    _, select = stores.attack_free()
    errors = score_vgae(model, stores.val.select(select)).errors
    model.error_centre.copy_(errors.median(dim=0).values)
    deviation = (errors - model.error_centre).abs().median(dim=0).values
    model.error_spread.copy_((1.4826 * deviation).clamp_min(LEAST_ERROR_SPREAD))


def _metrics(result: Fit, model: Vgae, stores: TrainingStores) -> dict[str, Any]:
    chosen = stores.val.select(stores.select)
    scores = score_vgae(model, chosen)
    both = len(torch.unique(chosen.label)) == 2
    return {
        "best_epoch": result.best_epoch,
        "epochs": len(result.history),
        "training_seconds": result.seconds,
        "val_loss": result.history[result.best_epoch]["val_loss"],
        "latent_units": model.mean.out_features,
        "active_units": int(result.history[result.best_epoch]["val_active_units"]),
        "val_auroc": roc_auc_score(chosen.label, scores.score) if both else None,
        "val_auroc_by_error": {
            name: roc_auc_score(chosen.label, scores.errors[:, i]) if both else None
            for i, name in enumerate(("nodes", "edges", "neighbourhood"))
        },
    }
