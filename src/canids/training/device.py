"""The device that a training computes on, outside of Lightning's loop too: whole stores are scored before and after."""

from __future__ import annotations

import torch
from omegaconf import DictConfig


def device_of(trainer: DictConfig) -> torch.device:
    """The GPU, where there is one and ``trainer.accelerator`` does not say ``cpu``; else the CPU."""
    return torch.device("cuda" if trainer.accelerator != "cpu" and torch.cuda.is_available() else "cpu")


def device_name(trainer: DictConfig) -> str:
    """Name of the device that a training uses."""
    return torch.cuda.get_device_name() if device_of(trainer).type == "cuda" else "cpu"
