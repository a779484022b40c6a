"""Curriculum sampling of the training windows."""

from __future__ import annotations

import math

import torch
from omegaconf import DictConfig

from canids.training.datamodules import epoch_generator


class CurriculumSampler:
    """Every attacked window, and so many attack-free ones that the mix moves from balanced to natural.

    In epoch t the attack-free windows number n = balanced + p_t (all - balanced) with p_t = 1 - exp(-t/τ): smooth,
    never in steps. A share of them is picked by difficulty (rank of the VGAE's score mixed with the rank of the GAT's
    current loss), the rest at random.

    Args:
        label: (w,) labels. vgae_score: (w,) the VGAE's scores. settings: ``models.gat.curriculum``.
    """

    def __init__(self, label: torch.Tensor, vgae_score: torch.Tensor, settings: DictConfig, seed: int) -> None:
        self.attacked, self.attack_free = (label == 1).nonzero().ravel(), (label == 0).nonzero().ravel()
        self.settings, self.seed = settings, seed
        self.vgae_rank = _rank(vgae_score[self.attack_free])
        self.difficulty = self.vgae_rank

    def refresh(self, loss: torch.Tensor) -> None:
        """Mix the GAT's current loss ((w,)) into the difficulty of the attack-free windows."""
        weight = self.settings.vgae_weight
        self.difficulty = weight * self.vgae_rank + (1 - weight) * _rank(loss[self.attack_free])

    def order(self, epoch: int) -> torch.Tensor:
        generator = epoch_generator(self.seed, epoch)
        free = self._attack_free_count(epoch)
        hard = round(self.settings.hard_share * free)
        by_difficulty = torch.argsort(self.difficulty, descending=True, stable=True)
        rest = by_difficulty[hard:][torch.randperm(len(by_difficulty) - hard, generator=generator)]
        chosen = self.attack_free[torch.cat([by_difficulty[:hard], rest[: free - hard]])]
        windows = torch.cat([self.attacked, chosen])
        return windows[torch.randperm(len(windows), generator=generator)]

    def _attack_free_count(self, epoch: int) -> int:
        everything = len(self.attack_free)
        balanced = min(len(self.attacked), everything)
        natural_share = 1 - math.exp(-epoch / self.settings.time_constant)
        return round(balanced + natural_share * (everything - balanced))


def _rank(values: torch.Tensor) -> torch.Tensor:
    """(k,) ranks from 0 to 1."""
    rank = torch.empty(len(values))
    rank[torch.argsort(values, stable=True)] = torch.linspace(0, 1, len(values))
    return rank
