"""Trackers of a run, beside the history that is always written: TensorBoard and MLflow, by Lightning's loggers."""

from __future__ import annotations

import os
from pathlib import Path

from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger
from omegaconf import DictConfig

from canids.errors import ConfigError
from canids.training.run import Run

# MLflow wants to be told that its file store is meant; and nobody is told of a run.
MLFLOW = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}


def trackers(tracking: DictConfig, run: Run) -> list[Logger]:
    """Loggers of the trackers that are switched on (``trainer.tracking``), the run's record logged with each.

    A run of the same settings and inputs has the same place, so that a resumed one goes on where it was.

    Raises:
        ConfigError: a tracker is switched on whose package is not installed.
    """
    key = run.record["key"]
    loggers: list[Logger] = []
    if tracking.tensorboard:
        folder = Path(tracking.tensorboard)
        try:
            loggers.append(TensorBoardLogger(folder, name=run.name, version=key, default_hp_metric=False))
        except ModuleNotFoundError as error:
            raise _missing("tensorboard", "tensorboard", error) from None
    if tracking.mlflow:
        for name, value in MLFLOW.items():
            os.environ.setdefault(name, value)
        try:
            # An experiment a model, so that two jobs never make the same one at once.
            loggers.append(MLFlowLogger(run.name, run_name=key, tracking_uri=Path(tracking.mlflow).absolute().as_uri()))
        except ModuleNotFoundError as error:
            raise _missing("mlflow", "mlflow-skinny", error) from None
    for logger in loggers:
        logger.log_hyperparams(run.record)
    return loggers


def _missing(name: str, package: str, error: ModuleNotFoundError) -> ConfigError:
    return ConfigError(
        f"trainer.tracking.{name}: {package} is not installed ({error}); pip install 'canids[tracking]', or give null"
    )
