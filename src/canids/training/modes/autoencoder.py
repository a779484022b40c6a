"""Mode ``autoencoder``: a VGAE on attack-free windows."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.metrics import roc_auc_score

from canids.graphs.batches import gather, present_inputs
from canids.models.build import build_vgae
from canids.models.scoring import score_vgae
from canids.models.vgae import Vgae
from canids.training.datamodules import GraphDataModule, ShuffleSampler
from canids.training.fit import Fit
from canids.training.lightning_modules import VgaeModule
from canids.training.modes.trainer import ModelTrainer, Prepared
from canids.training.stores import TrainingStores

LEAST_INPUT_SPREAD = 0.1
LEAST_ERROR_SPREAD = 1e-3
MOST_WINDOWS = 20_000


class AutoencoderTrainer(ModelTrainer):
    """Trains the VGAE of a scale; the arguments are those of ``ModelTrainer``."""

    def _build(self, stores: TrainingStores) -> Vgae:
        model = build_vgae(self.settings, self.scale)
        standardise_inputs(model, stores)
        return model

    def _prepare(self, model: Vgae, stores: TrainingStores) -> Prepared:
        return self._prepared(VgaeModule(model, self.settings, self._epochs, self.seed), stores)

    def _prepared(self, module: VgaeModule, stores: TrainingStores) -> Prepared:
        train, select = stores.attack_free()
        sampler = ShuffleSampler(train, self.seed)
        limit = self.settings.epoch_windows
        return Prepared(module, GraphDataModule(stores.train, stores.val, sampler, select, epoch_windows=limit))

    def _measure(self, model: Vgae, stores: TrainingStores, result: Fit) -> dict[str, Any]:
        standardise_errors(model, stores)
        chosen = stores.val.select(stores.select)
        scores = score_vgae(model, chosen)
        both = len(torch.unique(chosen.label)) == 2
        return {
            "latent_units": model.mean.out_features,
            "active_units": int(result.history[result.best_epoch]["val_active_units"]),
            "val_auroc": roc_auc_score(chosen.label, scores.score) if both else None,
            "val_auroc_by_error": {
                name: roc_auc_score(chosen.label, scores.errors[:, i]) if both else None
                for i, name in enumerate(("nodes", "edges", "neighbourhood"))
            },
        }

    @property
    def _config(self) -> dict[str, Any]:
        return {
            "model": "vgae", "scale": self.scale, "seed": self.seed, "settings": self.settings, "trainer": self.trainer
        }  # fmt: skip


def standardise_inputs(model: Vgae, stores: TrainingStores) -> None:
    """Set the centre and spread of the model's inputs from attack-free training windows, where readings are present.

    Of many windows, every k-th tells them as well and takes no gigabytes.
    """
    train, _ = stores.attack_free()
    x = gather(stores.train, train[:: len(train) // MOST_WINDOWS + 1]).x
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
    centre = errors.median(dim=0).values
    deviation = (errors - centre).abs().median(dim=0).values
    model.error_centre.copy_(centre)
    model.error_spread.copy_((1.4826 * deviation).clamp_min(LEAST_ERROR_SPREAD))
