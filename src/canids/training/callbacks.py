"""What watches over a fit: the best state, losses and gradients that stay finite, and the checkpoint to resume from."""

from __future__ import annotations

import copy
import logging
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint
from torch.nn.utils import clip_grad_norm_

from canids.errors import CanidsError
from canids.training.model_manager import ModelManager
from canids.training.resume import KEY, ResumeCheckpoint, of_rank, per_rank, random_states, set_random_states
from canids.training.termination import Termination, terminated

logger = logging.getLogger(__name__)
MONITOR = "val_loss"
FINISHED = "canids_finished"  # whether the fit is over, and only what follows it is not
LOOK_EVERY = 50  # batches, on a device that would have to be waited for


class BestState(Checkpoint):
    """Keeps each epoch's losses, and the state of the epoch with the lowest validation loss.

    Args:
        last_good: says where the last good checkpoint is.
    """

    def __init__(self, last_good: LastGood) -> None:
        self.last_good = last_good
        self.history: list[dict[str, float]] = []
        self.best_epoch, self.best_loss, self.best_state = -1, float("inf"), None

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        losses = {name: float(value) for name, value in trainer.callback_metrics.items()}
        epoch = trainer.current_epoch
        if not all(torch.isfinite(torch.tensor(value)) for value in losses.values()):
            raise CanidsError(
                f"epoch {epoch}: a loss is not finite ({losses}); lower the learning rate{self.last_good}"
            )
        self.history.append({"epoch": epoch, **losses})
        logger.info("epoch %d: %s", epoch, ", ".join(f"{name} {value:.4f}" for name, value in sorted(losses.items())))
        if losses[MONITOR] < self.best_loss:
            self.best_epoch, self.best_loss = epoch, losses[MONITOR]
            self.best_state = copy.deepcopy(module.model.state_dict())

    def state_dict(self) -> dict[str, Any]:
        return {
            "history": self.history,
            "best_epoch": self.best_epoch,
            "best_loss": self.best_loss,
            "best_state": self.best_state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.history, self.best_state = list(state["history"]), state["best_state"]
        self.best_epoch, self.best_loss = state["best_epoch"], state["best_loss"]


class LastGood:
    """The end of a message that stops a training: which checkpoint is the last good one."""

    def __init__(self) -> None:
        self.said = "no epoch was finished"

    def __str__(self) -> str:
        return f" (last good checkpoint: {self.said})"


class FiniteGuard(Callback):
    """Clips the gradient, and stops at a loss or a gradient that is not finite, or at a gradient that explodes.

    In half precision a gradient that overflows is no error: the loss scaler skips that step.

    Args:
        clip: largest norm of the gradient, 0 for any. limit: norm (before clipping) that is an explosion.
    """

    def __init__(self, clip: float, limit: float, last_good: LastGood) -> None:
        self.clip, self.limit, self.last_good = clip or float("inf"), limit, last_good
        self.norm = torch.zeros(())
        self.parameters: list[torch.nn.Parameter] = []
        self.seen: list[tuple[int, torch.Tensor, torch.Tensor]] = []

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.parameters = list(module.parameters())  # not looked up in every step

    def on_before_optimizer_step(self, trainer: lightning.Trainer, module: lightning.LightningModule, _: Any) -> None:
        self.norm = clip_grad_norm_(self.parameters, self.clip)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, _batch: Any, batch_idx: int
    ) -> None:
        self.seen.append((batch_idx, outputs["loss"].detach(), self.norm))
        if self.norm.device.type == "cpu" or len(self.seen) >= LOOK_EVERY:
            self._look(trainer)

    def on_validation_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self._look(trainer)

    def _look(self, trainer: lightning.Trainer) -> None:
        if not self.seen:
            return
        batches, losses, norms = zip(*self.seen, strict=True)
        self.seen = []
        scaled = trainer.precision == "16-mixed"
        for batch, loss, norm in zip(
            batches, torch.stack(losses).tolist(), torch.stack([each.to(losses[0]) for each in norms]).tolist(),
            strict=True,
        ):  # fmt: skip
            where = f"epoch {trainer.current_epoch}, batch {batch}"
            if not abs(loss) < float("inf"):
                raise CanidsError(f"{where}: the loss is not finite ({loss}); lower the learning rate{self.last_good}")
            if not abs(norm) < float("inf") and not scaled:
                raise CanidsError(f"{where}: the gradient is not finite; lower the learning rate{self.last_good}")
            if self.limit < norm < float("inf"):
                raise CanidsError(
                    f"{where}: the gradient explodes (norm {norm:.3g}, trainer.gradient_limit {self.limit:g}); "
                    f"lower the learning rate{self.last_good}"
                )


class ResumeState(Checkpoint):
    """Saves, after each epoch and when SIGTERM comes, all that the rest of the training depends on."""

    def __init__(self, checkpoint: ResumeCheckpoint, termination: Termination, last_good: LastGood) -> None:
        self.checkpoint, self.termination, self.last_good = checkpoint, termination, last_good
        self.random: dict[str, Any] | None = None
        self.finished = False

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.termination.listen()  # in front of Lightning's own handler, which would not let a validation finish

    def on_train_batch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule, *_: Any) -> None:
        if self.random is not None:  # here, for whatever was drawn before the first batch was drawn once already
            set_random_states(self.random)
            self.random = None

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, _outputs: Any, _batch: Any, batch_idx: int
    ) -> None:
        # After an epoch's last batch the validation comes first: an epoch is judged, or is not finished.
        if not trainer.is_last_batch and self._asked(trainer):
            self._save(trainer, module)
            raise terminated(f"in epoch {trainer.current_epoch}, after batch {batch_idx}", self.checkpoint.path)

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.finished = is_last_epoch(trainer)
        self._save(trainer, module)
        self.last_good.said = f"{self.checkpoint.path}, epoch {trainer.current_epoch}"
        if self._asked(trainer):
            raise terminated(f"after epoch {trainer.current_epoch}", self.checkpoint.path)

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint[KEY], checkpoint[FINISHED] = self.checkpoint.key, self.finished
        checkpoint["random"] = per_rank(random_states())

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self.random = of_rank(checkpoint["random"])

    def _asked(self, trainer: lightning.Trainer) -> bool:
        """Whether to end; all processes have to agree, or one would wait for the others."""
        return trainer.strategy.reduce_boolean_decision(self.termination.asked, all=False)

    def _save(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        ModelManager.verify_finite(module, self.checkpoint.path)
        trainer.save_checkpoint(self.checkpoint.path)


def is_last_epoch(trainer: lightning.Trainer) -> bool:
    """Whether no epoch follows the one that ends."""
    return trainer.should_stop or trainer.current_epoch + 1 >= trainer.max_epochs
