"""One fit: Lightning's loop with early stopping, the best state kept, each epoch's losses recorded."""

from __future__ import annotations

import copy
import logging
import sys
import time
from dataclasses import dataclass

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping
from omegaconf import DictConfig

from canids.errors import CanidsError
from canids.training.datamodules import GraphDataModule

logger = logging.getLogger(__name__)
MONITOR = "val_loss"


@dataclass(frozen=True)
class Fit:
    """How a fit went: each epoch's losses, the epoch whose state was kept, and the seconds it took."""

    history: list[dict[str, float]]
    best_epoch: int
    seconds: float


class BestState(Callback):
    """Keeps the state of the epoch with the lowest validation loss, and restores it at the end."""

    def __init__(self) -> None:
        self.history: list[dict[str, float]] = []
        self.best_epoch, self.best_loss, self.best_state = -1, float("inf"), None

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        losses = {name: float(value) for name, value in trainer.callback_metrics.items()}
        epoch = trainer.current_epoch
        if not all(torch.isfinite(torch.tensor(value)) for value in losses.values()):
            raise CanidsError(f"epoch {epoch}: a loss is not finite ({losses}); lower the learning rate")
        self.history.append({"epoch": epoch, **losses})
        logger.info("epoch %d: %s", epoch, ", ".join(f"{name} {value:.4f}" for name, value in sorted(losses.items())))
        if losses[MONITOR] < self.best_loss:
            self.best_epoch, self.best_loss = epoch, losses[MONITOR]
            self.best_state = copy.deepcopy(module.model.state_dict())

    def on_fit_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        module.model.load_state_dict(self.best_state)


def fit(
    module: lightning.LightningModule,
    data: GraphDataModule,
    epochs: int,
    patience: int,
    trainer: DictConfig,
    callbacks: tuple[Callback, ...] = (),
) -> Fit:
    """Fit a module; its ``model`` ends in the state of the best epoch.

    Raises:
        CanidsError: the device is not there, or a loss is not finite.
    """
    if trainer.accelerator == "cuda" and not torch.cuda.is_available():
        raise CanidsError("trainer.accelerator: given 'cuda', but there is no CUDA device; use auto or cpu")
    best = BestState()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    started = time.perf_counter()
    lightning.Trainer(
        accelerator=trainer.accelerator,
        devices=1,
        precision=trainer.precision,
        deterministic=trainer.deterministic,
        max_epochs=epochs,
        gradient_clip_val=1.0,
        reload_dataloaders_every_n_epochs=1,
        callbacks=[best, EarlyStopping(MONITOR, patience=patience), *callbacks],
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=sys.stderr.isatty(),
        num_sanity_val_steps=0,
    ).fit(module, data)
    return Fit(best.history, best.best_epoch, time.perf_counter() - started)
