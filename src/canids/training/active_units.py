"""How many latent units of a VGAE are in use: the sign of posterior collapse (Burda et al., 2016, appendix C)."""

from __future__ import annotations

import torch

LEAST_VARIANCE = 0.01  # over the data, of the posterior mean of a unit that is in use


def latent_moments(mean: torch.Tensor) -> torch.Tensor:
    """(3, latent) float64 number, sum and sum of squares of the posterior means ((N, latent)) of some nodes.

    The moments of parts of the data add up to those of the whole.
    """
    mean = mean.detach().double()
    return torch.stack([torch.full_like(mean[0], len(mean)), mean.sum(dim=0), mean.square().sum(dim=0)])


def active_units(moments: torch.Tensor) -> torch.Tensor:
    """() int64 latent units whose posterior mean varies over the data: Var E[z | x] > 0.01."""
    count, total, squares = moments
    return ((squares / count - (total / count).square()) > LEAST_VARIANCE).sum()
