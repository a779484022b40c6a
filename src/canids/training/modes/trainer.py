"""What the trainers of VGAE and GAT have in common: one course of a training, from its stores to the model folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig
from torch import nn

from canids.training.datamodules import GraphDataModule
from canids.training.device import device_of
from canids.training.distributed import needs_processes, train_in_processes
from canids.training.fit import Fit, fit
from canids.training.model_folder import save_model, state_path
from canids.training.node_budget import budget_files, node_budget
from canids.training.run import Run, describe_run
from canids.training.stores import TrainingStores, fitting_stores, open_stores


@dataclass(frozen=True)
class Prepared:
    """What is fitted: the module, its data, and what watches."""

    module: lightning.LightningModule
    data: GraphDataModule
    callbacks: tuple[Callback, ...] = ()


class ModelTrainer(ABC):
    """Trains the model of a scale; a killed training goes on from its last finished epoch.

    Args:
        settings: ``models.<model>``. trainer: ``trainer``. graphs: folder of the stores. out: model folder to write.
    """

    def __init__(
        self, settings: DictConfig, trainer: DictConfig, seed: int, scale: str, graphs: Path, out: Path
    ) -> None:
        self.settings, self.trainer, self.seed, self.scale = settings, trainer, seed, scale
        self.graphs, self.out = graphs, out

    def train(self) -> dict[str, Any]:
        """Train, write the model folder, and return its metrics (of several processes, rank zero alone).

        Raises:
            DatasetError: there are no windows to train or to validate on.
            CanidsError: a loss or a gradient is not finite, or explodes. Terminated: SIGTERM came; the state is saved.
        """
        if needs_processes(self.trainer):
            return train_in_processes(self)
        stores, model, prepared = self.prepare()
        prepared.data.node_budget = node_budget(self.settings, self.trainer, self.out)
        patience, callbacks = self.settings.patience, prepared.callbacks
        result = fit(prepared.module, prepared.data, self._epochs, patience, self.trainer, callbacks, self._run)
        if not result.writes:
            return {}
        metrics = {
            "best_epoch": result.best_epoch,
            "epochs": len(result.history),
            "training_seconds": result.seconds,
            "val_loss": result.history[result.best_epoch]["val_loss"],
            **self._measure(model.to(device_of(self.trainer)), stores, result),
        }
        save_model(self.out, model.cpu(), self._config, metrics, result.history, self._run.record)
        if result.shared:
            self._run.checkpoint.remove()
        return metrics

    def prepare(self) -> tuple[TrainingStores, nn.Module, Prepared]:
        """The stores, the model, and what is to be fitted; the data module's node budget is not set yet.

        Raises:
            DatasetError: there are no windows to train or to validate on.
        """
        lightning.seed_everything(self.seed, verbose=False)
        stores = open_stores(self.graphs)
        model = self._build(stores)
        return stores, model, self._prepare(model, stores)

    @abstractmethod
    def _build(self, stores: TrainingStores) -> nn.Module:
        """The model before its training."""

    @abstractmethod
    def _prepare(self, model: nn.Module, stores: TrainingStores) -> Prepared: ...

    @abstractmethod
    def _measure(self, model: nn.Module, stores: TrainingStores, result: Fit) -> dict[str, Any]:
        """Metrics of the trained model."""

    @property
    @abstractmethod
    def _config(self) -> dict[str, Any]:
        """The resolved configuration, as it is written beside the model."""

    @property
    def _inputs(self) -> list[Path]:
        """Files that the training reads."""
        models = [state_path(folder) for folder in self._guides]
        return [*fitting_stores(self.graphs), *models, *budget_files(self.settings, self.out)]

    @property
    def _guides(self) -> list[Path]:
        """Folders of the trained models that it learns from."""
        return []

    @property
    def _epochs(self) -> int:
        return self.settings[self.scale].epochs

    @cached_property
    def _run(self) -> Run:
        return describe_run(self.out, self._config, self._inputs, type(self).__module__)
