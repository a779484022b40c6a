"""Losses of the graph classifier."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from omegaconf import DictConfig
from torch.nn import CrossEntropyLoss
from torch.nn.functional import cross_entropy

from canids.graphs.batches import IGNORED
from canids.models.gat import CLASSES

SMALLEST = 1e-7  # of 1 - p: a power below 1 has no slope at 0
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def focal_loss(logits: torch.Tensor, label: torch.Tensor, gamma: float) -> torch.Tensor:
    """Mean of (1 - p)^γ CE, p being the true class's probability: easy windows hardly count (Lin et al., 2017, eq. 4).

    Args:
        logits: (B, 2). label: (B,), ``IGNORED`` as in torch's cross-entropy. gamma: 0 leaves the cross-entropy.
    """
    each = cross_entropy(logits, label, reduction="none", ignore_index=IGNORED)
    wrong = (-torch.expm1(-each)).clamp_min(SMALLEST)  # 1 - p
    return (wrong**gamma * each).sum() / (label != IGNORED).sum()


def class_weights(label: torch.Tensor) -> torch.Tensor:
    """(2,) weights under which both classes weigh the same in all, 1 on average over the windows ((w,) labels)."""
    return len(label) / (CLASSES * torch.bincount(label, minlength=CLASSES))


def classification_loss(settings: DictConfig, label: torch.Tensor) -> Loss:
    """The loss of the sampling strategy that ``models.gat`` names; (logits (B, 2), label (B,)) → scalar.

    Args:
        label: (w,) labels of the training windows, both classes among them.
    """
    if settings.sampling == "class-weighted":
        return CrossEntropyLoss(class_weights(label), ignore_index=IGNORED)
    if settings.sampling == "focal":
        return partial(focal_loss, gamma=settings.focal.gamma)
    return cross_entropy
