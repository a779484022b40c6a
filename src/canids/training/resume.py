"""The private checkpoint that a killed training resumes from: beside the model it is of, removed once that is written.

It is the one pickle of the project, written by ``torch.save``; it is read without running any code of it.
"""

from __future__ import annotations

import logging
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import distributed

from canids.artifacts import atomic_path

logger = logging.getLogger(__name__)
RESUME = "resume.ckpt"
KEY = "canids_key"


class ResumeCheckpoint:
    """``resume.ckpt`` in a model's folder.

    Args:
        key: of settings, code and inputs. A checkpoint that was written with another key is discarded.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.path, self.key = folder / RESUME, key

    def load(self) -> dict[str, Any] | None:
        """What was saved, on the CPU; None, and a line in the log, where it is damaged or of another training."""
        if not self.path.is_file():
            return None
        try:
            saved = torch.load(self.path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            return self._discard(f"it is damaged ({str(error).splitlines()[0]})")
        if saved.get(KEY) != self.key:
            return self._discard("it was made with other settings, code or inputs")
        return saved

    def save(self, state: dict[str, Any]) -> None:
        """Write a state, atomically."""
        write_checkpoint({**state, KEY: self.key}, self.path)

    def remove(self) -> None:
        """The model is written: there is nothing to resume."""
        self.path.unlink(missing_ok=True)

    def _discard(self, reason: str) -> None:
        logger.warning("%s is discarded, training starts anew: %s", self.path, reason)
        self.remove()


def write_checkpoint(checkpoint: dict[str, Any], path: Path) -> None:
    """Write a checkpoint, atomically."""
    with atomic_path(Path(path)) as beside:
        torch.save(checkpoint, beside)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoints, written whole or not at all."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Path, storage_options: Any = None) -> None:
        write_checkpoint(checkpoint, path)


def random_states() -> dict[str, Any]:
    """States of the global random generators of torch (and its CUDA devices), numpy and Python."""
    numpy_state = np.random.get_state(legacy=False)
    key = numpy_state["state"]["key"].tolist()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "numpy": {**numpy_state, "state": {**numpy_state["state"], "key": key}},
        "python": random.getstate(),
    }


def set_random_states(states: dict[str, Any]) -> None:
    """Put the global random generators into the states that ``random_states`` found them in."""
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
    numpy_state = states["numpy"]
    key = np.array(numpy_state["state"]["key"], np.uint32)
    np.random.set_state({**numpy_state, "state": {**numpy_state["state"], "key": key}})
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))


def per_rank(value: Any) -> list[Any]:
    """Every process's value, by rank. All processes have to call it."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return [value]
    values = [None] * distributed.get_world_size()
    distributed.all_gather_object(values, value)
    return values


def of_rank(values: list[Any]) -> Any:
    """This process's value of those that ``per_rank`` gathered."""
    return values[distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0]
