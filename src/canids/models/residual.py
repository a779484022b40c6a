"""state + dropout(elu(message)), on a CPU in one pass: torch draws a CPU's dropout masks one element after another."""

from __future__ import annotations

import numpy as np
import torch
from numba import njit
from torch import nn

from canids.models.elu import elu_, exp_minus_one


class ResidualDropout(nn.Module):
    """state, message (N, C) → state + dropout(elu(message)); torch's seed decides what is dropped.

    Args:
        chance: of an element of the message to be dropped.
    """

    def __init__(self, chance: float) -> None:
        super().__init__()
        self.chance = chance

    def forward(self, state: torch.Tensor, message: torch.Tensor) -> torch.Tensor:
        """``message`` may be overwritten."""
        if not self.training or not self.chance:
            return state + elu_(message)
        if message.device.type != "cpu" or torch.compiler.is_compiling():
            return state + nn.functional.dropout(elu_(message), self.chance)
        seed = int(torch.empty((), dtype=torch.int64).random_())
        return _AddDropped.apply(state.float(), message.float(), seed, self.chance)


class _AddDropped(torch.autograd.Function):
    @staticmethod
    def forward(ctx, state, message, seed, chance):
        state, message = state.detach().contiguous(), message.detach().contiguous()
        out, slope = torch.empty_like(state), torch.empty_like(message)
        flat = (each.numpy().reshape(-1) for each in (state, message, out, slope))
        _add_kept(*flat, np.uint32(seed & 0xFFFFFFFF), np.uint32(seed >> 32), chance)
        ctx.save_for_backward(slope)
        return out

    @staticmethod
    def backward(ctx, gradient):
        (slope,) = ctx.saved_tensors
        return gradient, gradient * slope, None, None


@njit(cache=True, fastmath={"contract"})
def _add_kept(state, message, out, slope, seed, key, chance):
    """``state``, and of elu(message) what is kept, scaled up for what is not; and the slope of it all."""
    scale, dropped = np.float32(1 / (1 - chance)), np.uint32(chance * 2**32)
    for i in range(np.uint64(len(state))):
        negative = exp_minus_one(message[i])
        active = message[i] if message[i] > 0 else negative
        steep = np.float32(1) if message[i] > 0 else negative + np.float32(1)
        kept = scale if _word(i, seed, key) >= dropped else np.float32(0)
        out[i] = state[i] + active * kept
        slope[i] = steep * kept


@njit(cache=True)
def _word(i, seed, key):
    """A position's 32 random bits: a hash of two multiplications (Wellons' lowbias32), which is vectorised.

    A hash of 64 bits would not be: a CPU without AVX-512 multiplies no vectors of them.
    """
    word = np.uint32(np.uint32(i) + seed)
    word = np.uint32((word ^ (word >> np.uint32(16))) * np.uint32(0x21F0AAAD))
    word = np.uint32((word ^ (word >> np.uint32(15)) ^ key) * np.uint32(0xD35A2D97))
    return np.uint32(word ^ (word >> np.uint32(15)))
