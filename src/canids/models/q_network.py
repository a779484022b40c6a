"""The Q-network of the fusion agent."""

from __future__ import annotations

import torch
from torch import nn


class QNetwork(nn.Module):
    """state (B, inputs) → value of each action (B, actions)."""

    def __init__(self, inputs: int, hidden: int, actions: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, actions)
        )

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        return self.layers(state)
