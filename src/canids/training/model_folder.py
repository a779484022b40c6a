"""A trained model as a folder: the state dict, the configuration that made it, its metrics and its history."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig, OmegaConf
from torch import nn

from canids.artifacts import write_json, write_text
from canids.errors import CheckpointError
from canids.models.build import build_gat, build_vgae
from canids.models.gat import Gat
from canids.models.vgae import Vgae
from canids.training.model_manager import ModelManager


def save_model(
    folder: Path,
    model: nn.Module,
    config: dict[str, Any],
    metrics: dict[str, Any],
    history: list[dict[str, Any]],
    record: dict[str, Any] | None = None,
) -> None:
    """Write ``model.safetensors``, ``config.yaml``, ``metrics.json`` and ``history.csv``, the state dict last.

    Args:
        record: where the model comes from (``metrics.json``, key ``record``): nothing that is measured.

    Raises:
        CheckpointError: the model holds a value that is not finite; nothing is written.
    """
    ModelManager.verify_finite(model, state_path(folder))
    write_text(folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(config)))
    write_text(folder / "history.csv", pd.DataFrame(history).to_csv(index=False))
    measured = {**metrics, "model": ModelManager.get_model_info(model)}
    write_json(folder / "metrics.json", measured if record is None else {**measured, "record": record})
    ModelManager.save_state_dict(model, state_path(folder))


def state_path(folder: Path) -> Path:
    """The state dict in a model folder."""
    return folder / "model.safetensors"


def load_vgae(folder: Path) -> Vgae:
    """The VGAE of a folder, in evaluation mode. Raises: CheckpointError."""
    return _load(folder, build_vgae)


def load_gat(folder: Path) -> Gat:
    """The GAT of a folder, in evaluation mode. Raises: CheckpointError."""
    return _load(folder, build_gat)


def read_model_config(folder: Path) -> DictConfig:
    """The configuration that made a model. Raises: CheckpointError."""
    path = folder / "config.yaml"
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file; train the model first")
    return OmegaConf.load(path)


def _load(folder: Path, build: Callable[[DictConfig, str], nn.Module]) -> Any:
    config = read_model_config(folder)
    model = build(config.settings, config.scale)
    ModelManager.load_state_dict(model, state_path(folder))
    return model.eval()
