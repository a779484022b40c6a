"""Which training windows an epoch holds: all of them, a fixed part, or a curriculum."""

from __future__ import annotations

import math

import torch
from omegaconf import DictConfig

from canids.training.datamodules import epoch_generator


def undersampled(label: torch.Tensor, ratio: float, seed: int, vgae_score: torch.Tensor | None = None) -> torch.Tensor:
    """Every attacked window, and ``ratio`` times as many attack-free ones: the same in every epoch.

    Args:
        label: (w,) labels. ratio: attack-free windows for each attacked one.
        vgae_score: (w,) picks the attack-free windows that score highest; without it they are drawn by the seed.

    Returns:
        (k,) int64 windows in ascending order; all where there are no more.
    """
    attacked, attack_free = (label == 1).nonzero().ravel(), (label == 0).nonzero().ravel()
    kept = min(round(ratio * len(attacked)), len(attack_free))
    if vgae_score is None:
        order = torch.randperm(len(attack_free), generator=torch.Generator().manual_seed(seed))
    else:
        order = torch.argsort(vgae_score[attack_free], descending=True, stable=True)
    return torch.cat([attacked, attack_free[order[:kept]]]).sort().values


class CurriculumSampler:
    """Every attacked window, and so many attack-free ones that the mix moves from balanced to natural.

    In epoch t the attack-free windows number n = balanced + p_t (all - balanced) with p_t = 1 - exp(-t/τ): smooth,
    never in steps. A share of them is picked by difficulty (rank of the VGAE's score mixed with the rank of the GAT's
    current loss), the rest at random; without a VGAE all are picked at random.

    The order is a function of seed, epoch and ``state_dict()``.

    Args:
        label: (w,) labels. settings: ``models.gat.curriculum``. vgae_score: (w,) the VGAE's scores.
    """

    def __init__(
        self, label: torch.Tensor, settings: DictConfig, seed: int, vgae_score: torch.Tensor | None = None
    ) -> None:
        self.attacked, self.attack_free = (label == 1).nonzero().ravel(), (label == 0).nonzero().ravel()
        self.settings, self.seed = settings, seed
        self.vgae_rank = None if vgae_score is None else _rank(vgae_score[self.attack_free])
        self.difficulty = torch.zeros(len(self.attack_free)) if self.vgae_rank is None else self.vgae_rank
        self.hard_share = 0.0 if self.vgae_rank is None else settings.hard_share

    def refresh(self, loss: torch.Tensor) -> None:
        """Mix the GAT's current loss ((w,)) into the difficulty of the attack-free windows."""
        weight = self.settings.vgae_weight
        self.difficulty = weight * self.vgae_rank + (1 - weight) * _rank(loss[self.attack_free])

    def order(self, epoch: int) -> torch.Tensor:
        """(k,) int64 windows of an epoch, shuffled."""
        generator = epoch_generator(self.seed, epoch)
        free = self._attack_free_count(epoch)
        hard = round(self.hard_share * free)
        by_difficulty = torch.argsort(self.difficulty, descending=True, stable=True)
        rest = by_difficulty[hard:][torch.randperm(len(by_difficulty) - hard, generator=generator)]
        chosen = self.attack_free[torch.cat([by_difficulty[:hard], rest[: free - hard]])]
        windows = torch.cat([self.attacked, chosen])
        return windows[torch.randperm(len(windows), generator=generator)]

    def state_dict(self) -> dict[str, torch.Tensor]:
        """What a resumed training has to know: the difficulty that the last refresh left."""
        return {"difficulty": self.difficulty}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Go on from ``state_dict()``."""
        self.difficulty = state["difficulty"]

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
