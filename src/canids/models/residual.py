"""state + dropout(message), on a CPU in one pass: torch draws a CPU's dropout masks one element after another."""

from __future__ import annotations

import numpy as np
import torch
from numba import njit
from torch import nn


class ResidualDropout(nn.Module):
    """state, message (N, C) → state + dropout(message); torch's seed decides what is dropped.

    Args:
        chance: of an element of the message to be dropped.
    """

    def __init__(self, chance: float) -> None:
        super().__init__()
        self.chance = chance

    def forward(self, state: torch.Tensor, message: torch.Tensor) -> torch.Tensor:
        if not self.training or not self.chance:
            return state + message
        if message.device.type != "cpu" or torch.compiler.is_compiling():
            return state + nn.functional.dropout(message, self.chance)
        seed = int(torch.empty((), dtype=torch.int64).random_())
        return _AddDropped.apply(state.float(), message.float(), seed, self.chance)


class _AddDropped(torch.autograd.Function):
    """The mask is a hash of seed and position: it is drawn again for the gradient rather than kept."""

    @staticmethod
    def forward(ctx, state, message, seed, chance):
        ctx.seed, ctx.chance = seed, chance
        out = state.detach().clone(memory_format=torch.contiguous_format)
        _add_kept(out.numpy().ravel(), message.detach().contiguous().numpy().ravel(), np.uint64(seed), chance)
        return out

    @staticmethod
    def backward(ctx, gradient):
        gradient = gradient.contiguous()
        of_message = torch.zeros_like(gradient)
        _add_kept(of_message.numpy().ravel(), gradient.numpy().ravel(), np.uint64(ctx.seed), ctx.chance)
        return gradient, of_message, None, None


@njit(cache=True)
def _add_kept(out, values, seed, chance):
    """Adds to ``out`` the values that are kept, scaled up for those that are not."""
    scale, dropped = np.float32(1 / (1 - chance)), np.uint64(chance * 2**32)
    for i in range(np.uint64(len(values))):
        # SplitMix64 (Steele, Lea and Flood, 2014): its output function, of a counter.
        word = seed + (i + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        word ^= word >> np.uint64(31)
        out[i] += values[i] * scale if (word >> np.uint64(32)) >= dropped else np.float32(0)
