"""A contextual bandit with disjoint linear arms: LinUCB (Li et al., 2010, algorithm 1), many runs at once."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from omegaconf import DictConfig
from torch import nn

from canids.fusion.environment import ALPHAS, STATE_SIZE, FusionEnvironment, Windows


def learn_bandit(windows: Windows, settings: DictConfig, seed: int, anchor: float) -> nn.Linear:
    """Play and learn as often as the DQN does; what comes next is of no concern to a bandit.

    Args:
        settings: ``fusion``; ``ucb`` is the α of the paper, the width of the confidence bound.
        anchor: as for the DQN, whose rewards these are.

    Returns:
        observation (b, STATE_SIZE) → expected reward of each α (b, 21).
    """
    generator = torch.Generator().manual_seed(seed)
    environment = FusionEnvironment(windows, SimpleNamespace(**settings), generator, anchor)
    size = STATE_SIZE + 1  # and 1, for the bias
    gram = torch.eye(size).repeat(len(ALPHAS), 1, 1)  # A of each arm
    gained = torch.zeros(len(ALPHAS), size)  # b of each arm
    for _ in range(settings.steps):
        inverse = torch.linalg.inv(gram)
        weights = torch.einsum("aij,aj->ai", inverse, gained)  # θ of each arm
        seen = torch.cat([environment.observation(), torch.ones(settings.episodes, 1)], dim=1)
        spread = torch.einsum("bi,aij,bj->ba", seen, inverse, seen).clamp_min(0).sqrt()
        action = (seen @ weights.T + settings.ucb * spread).argmax(dim=1)
        reward, _, _ = environment.step(action)
        gram.index_add_(0, action, seen[:, :, None] * seen[:, None, :])
        gained.index_add_(0, action, reward[:, None] * seen)
    weights = torch.linalg.solve(gram, gained)
    expected = nn.Linear(STATE_SIZE, len(ALPHAS))
    with torch.no_grad():
        expected.weight.copy_(weights[:, :-1])
        expected.bias.copy_(weights[:, -1])
    return expected
