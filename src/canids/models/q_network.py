"""The Q-network of the fusion agent."""

from __future__ import annotations

import torch
from torch import nn


class QNetwork(nn.Module):
    """state (B, inputs) → value of each action (B, actions), as the state's value and the actions' advantages.

    Where most actions are worth the same, their small differences would drown in the state's value; apart from it they
    do not (dueling network, Wang et al., 2016, eq. 9).
    """

    def __init__(self, inputs: int, hidden: int, actions: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.value = nn.Linear(hidden, 1)
        self.advantage = nn.Linear(hidden, actions)

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        hidden = self.layers(state)
        advantage = self.advantage(hidden)
        return self.value(hidden) + advantage - advantage.mean(dim=1, keepdim=True)
