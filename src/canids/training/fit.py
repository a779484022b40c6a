"""One fit: Lightning's loop with early stopping, the best state kept, each epoch's losses recorded; resumable."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from dataclasses import dataclass

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.environments import ClusterEnvironment, LightningEnvironment, TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy
from omegaconf import DictConfig

from canids.errors import CanidsError
from canids.training.callbacks import FINISHED, MONITOR, BestState, FiniteGuard, LastGood, ResumeState
from canids.training.datamodules import GraphDataModule
from canids.training.resume import AtomicCheckpointIO
from canids.training.run import Run
from canids.training.termination import Termination
from canids.training.tracking import trackers

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fit:
    """How a fit went.

    Attributes:
        history: each epoch's losses. best_epoch: whose state was kept. seconds: of this process alone.
        writes: whether this is the process that writes what comes of it.
        shared: whether the processes that train together were all in it, so that none still looks for the checkpoint.
    """

    history: list[dict[str, float]]
    best_epoch: int
    seconds: float
    writes: bool
    shared: bool


def fit(
    module: lightning.LightningModule,
    data: GraphDataModule,
    epochs: int,
    patience: int,
    trainer: DictConfig,
    callbacks: tuple[Callback, ...] = (),
    run: Run | None = None,
) -> Fit:
    """Fit a module; its ``model`` ends in the state of the best epoch.

    Args:
        run: resumes from its checkpoint if there is one, and is tracked; without it, nothing is written.

    Raises:
        CanidsError: the device is not there; a loss or a gradient is not finite, or explodes.
        Terminated: SIGTERM came; the state is saved.
    """
    require_devices(trainer)
    started = time.perf_counter()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    last_good = LastGood()
    best = BestState(last_good)
    saved = run.checkpoint.load() if run else None
    if saved and saved["callbacks"]:
        best.load_state_dict(saved["callbacks"][best.state_key])
        last_good.said = f"{run.checkpoint.path}, {len(best.history)} epochs finished"
        logger.info("resuming from %s: %d epochs are finished", run.checkpoint.path, len(best.history))
    guard = FiniteGuard(trainer.gradient_clip, trainer.gradient_limit, last_good)
    watching = [guard, best, EarlyStopping(MONITOR, patience=patience), *callbacks]
    over = bool(saved and saved[FINISHED])
    if not over:
        with contextlib.ExitStack() as stack:
            if run:
                termination = stack.enter_context(Termination())
                watching.append(ResumeState(run.checkpoint, termination, last_good))
            loop = lightning_trainer(trainer, epochs, watching, trackers(trainer.tracking, run) if run else [])
            loop.fit(module, data, ckpt_path=run.checkpoint.path if saved else None, weights_only=True)
    module.model.load_state_dict(best.best_state)
    seconds = time.perf_counter() - started
    return Fit(best.history, best.best_epoch, seconds, environment().global_rank() == 0, not over or not launched())


def lightning_trainer(
    settings: DictConfig, epochs: int, callbacks: list[Callback], loggers: list[Logger]
) -> lightning.Trainer:
    """Lightning's trainer as the settings (``trainer``) describe it."""
    several = settings.devices * settings.num_nodes > 1
    ddp = several or settings.strategy == "ddp"
    return lightning.Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.num_nodes,
        # Buffers are constants here: to send them at each step would ask all processes for equally many validations.
        strategy=DDPStrategy(broadcast_buffers=False) if ddp else "auto",
        precision=settings.precision,
        deterministic=settings.deterministic,
        max_epochs=epochs,
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        plugins=[AtomicCheckpointIO(), environment()],
        callbacks=callbacks,
        logger=loggers or False,
        log_every_n_steps=1,
        enable_model_summary=False,
        enable_progress_bar=sys.stderr.isatty(),
        num_sanity_val_steps=0,
    )


def environment() -> ClusterEnvironment:
    """Processes that torchrun started, or this one alone.

    Never Lightning's own view of SLURM: it would requeue the job by itself, and take the job's tasks for processes of
    the training.
    """
    return TorchElasticEnvironment() if launched() else LightningEnvironment()


def launched() -> bool:
    """Whether torchrun started this process."""
    return TorchElasticEnvironment.detect()


def require_devices(trainer: DictConfig) -> None:
    """Refuse a device that is not there.

    Raises:
        CanidsError: it is not there.
    """
    if trainer.accelerator == "cpu":
        return
    present = torch.cuda.device_count()
    if trainer.accelerator == "cuda" and not present:
        raise CanidsError("trainer.accelerator: given 'cuda', but there is no CUDA device; use auto or cpu")
    if present and trainer.devices > present:
        raise CanidsError(f"trainer.devices: given {trainer.devices}, but there are {present} CUDA devices")
