"""State dicts as files: safetensors only, checked against the model before they are loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from canids.artifacts import jsonable, read_names, write_tensors
from canids.errors import CheckpointError


class ModelManager:
    """Saves, loads and describes any torch model. Nothing is ever pickled."""

    sanitize_for_json = staticmethod(jsonable)

    @staticmethod
    def save_state_dict(model: nn.Module, path: Path) -> None:
        """Write a model's state dict, atomically.

        Raises:
            CheckpointError: a tensor holds a value that is not finite; nothing is written.
        """
        ModelManager.verify_finite(model, path)
        # Copies: safetensors refuses layers that share their weights.
        state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
        write_tensors(path, save_file, state)

    @staticmethod
    def verify_finite(model: nn.Module, path: Path) -> None:
        """Check that a model may be written.

        Raises:
            CheckpointError: a tensor holds a value that is not finite.
        """
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                raise CheckpointError(f"{path}: not written, {name} holds a value that is not finite")

    @staticmethod
    def load_state_dict(model: nn.Module, path: Path) -> None:
        """Load a state dict into a model.

        Raises:
            CheckpointError: the file is missing or no state dict, or belongs to another architecture.
            ArtifactError: its bytes are not those that were written.
        """
        try:
            state = load_file(path)
            read_names(path)
        except (OSError, SafetensorError, KeyError) as error:
            raise CheckpointError(f"{path}: not a state dict ({error}); train the model again") from None
        try:
            ModelManager.verify_state_dict_compatible(model, state)
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from None
        model.load_state_dict(state)

    @staticmethod
    def verify_state_dict_compatible(model: nn.Module, state: dict[str, torch.Tensor]) -> None:
        """Check names, shapes and types of a state dict against a model.

        Raises:
            CheckpointError: they differ; the message names the first tensor that does and counts the rest.
        """
        wanted = model.state_dict()
        differences = []
        for name in [*wanted, *(n for n in state if n not in wanted)]:
            if name not in state:
                differences.append(f"{name} is missing")
            elif name not in wanted:
                differences.append(f"{name} is not part of the model")
            elif state[name].shape != wanted[name].shape:
                differences.append(f"{name} has shape {tuple(state[name].shape)}, not {tuple(wanted[name].shape)}")
            elif state[name].dtype != wanted[name].dtype:
                differences.append(f"{name} has type {state[name].dtype}, not {wanted[name].dtype}")
        if differences:
            more = f" (and {len(differences) - 1} more differences)" if len(differences) > 1 else ""
            raise CheckpointError(f"the state dict is of another architecture: {differences[0]}{more}")

    @staticmethod
    def get_model_info(model: nn.Module) -> dict[str, Any]:
        """Parameters, trainable ones, bytes, and parameters of each top-level layer."""
        return {
            "parameters": sum(p.numel() for p in model.parameters()),
            "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "bytes": sum(t.nbytes for t in model.state_dict().values()),
            "layers": {name: sum(p.numel() for p in layer.parameters()) for name, layer in model.named_children()},
        }
