"""The node budget of a training: a number, or what was measured before and lies beside the model."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from canids.artifacts import BATCH_SIZE, read_json
from canids.errors import ArtifactError
from canids.training.device import device_name

AUTO = "auto"


def node_budget(settings: DictConfig, trainer: DictConfig, folder: Path) -> int:
    """Most nodes in a batch.

    Args:
        settings: ``models.<model>``. trainer: ``trainer``. folder: the model folder.

    Raises:
        ArtifactError: it is to be read, but was not measured, or on another device or in another precision.
    """
    if settings.node_budget != AUTO:
        return settings.node_budget
    path = batch_size_path(folder)
    measured = read_json(path)
    for name, here in (("device", device_name(trainer)), ("precision", trainer.precision)):
        if measured[name] != here:
            raise ArtifactError(
                f"{path}: measured with {name} {measured[name]}, the training runs with {here}; delete it and measure "
                "again (canids batch-size)"
            )
    return measured["node_budget"]


def batch_size_path(folder: Path) -> Path:
    """The file in a model folder that says what was measured."""
    return folder / Path(BATCH_SIZE).name


def budget_files(settings: DictConfig, folder: Path) -> list[Path]:
    """The file that the budget is read from, if it is."""
    return [batch_size_path(folder)] if settings.node_budget == AUTO else []
