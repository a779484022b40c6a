"""ELU of nodes, its mean and maximum over each graph: on a CPU in one pass, for a graph's nodes lie side by side."""

from __future__ import annotations

import numpy as np
import torch
from numba import njit

from canids.graphs.batches import GraphBatch
from canids.models.elu import elu_, exp_minus_one
from canids.models.sums import largest_by, mean_by, sum_by


def mean_and_max_of_elu(nodes: torch.Tensor, graphs: GraphBatch) -> torch.Tensor:
    """nodes (N, C) of B graphs → (B, 2 C), each graph's mean and maximum; ``nodes`` may be overwritten."""
    if nodes.device.type != "cpu" or torch.compiler.is_compiling():
        return _by_torch(elu_(nodes).float(), graphs.batch, graphs.num_graphs)
    return _MeanAndMax.apply(nodes.float(), graphs.node_start)


def _by_torch(nodes: torch.Tensor, graph: torch.Tensor, count: int) -> torch.Tensor:
    """The maximum as a weighted sum, whose gradient is the weights: nodes that share a maximum share its gradient."""
    is_largest = (nodes == largest_by(nodes, graph, count).index_select(0, graph)).to(nodes.dtype)
    share = is_largest / sum_by(is_largest, graph, count).index_select(0, graph)
    return torch.cat([mean_by(nodes, graph, count), sum_by(nodes * share, graph, count)], dim=1)


class _MeanAndMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, nodes, start):
        active, out = torch.empty(nodes.shape), torch.empty(len(start) - 1, 2 * nodes.shape[1])
        _pool(nodes.detach().contiguous().numpy(), start.numpy(), active.numpy(), out.numpy())
        ctx.save_for_backward(active, start, out)
        return out

    @staticmethod
    def backward(ctx, gradient):
        active, start, out = ctx.saved_tensors
        of_nodes = torch.empty_like(active)
        _pool_backward(active.numpy(), start.numpy(), out.numpy(), gradient.contiguous().numpy(), of_nodes.numpy())
        return of_nodes, None


@njit(cache=True, nogil=True)
def _pool(nodes, start, active, out):
    width = np.uint64(nodes.shape[1])
    for g in range(len(start) - 1):
        first, last = np.uint64(start[g]), np.uint64(start[g + 1])
        for c in range(width):
            out[g, c], out[g, width + c] = 0, -np.inf if last > first else 0
        for n in range(first, last):
            for c in range(width):
                negative = exp_minus_one(nodes[n, c])
                active[n, c] = nodes[n, c] if nodes[n, c] > 0 else negative
            for c in range(width):
                out[g, c] += active[n, c]
                out[g, width + c] = max(out[g, width + c], active[n, c])
        for c in range(width):
            out[g, c] /= max(last - first, np.uint64(1))


@njit(cache=True, nogil=True)
def _pool_backward(active, start, out, gradient, of_nodes):
    """Nodes that share a maximum share its gradient."""
    width = np.uint64(active.shape[1])
    share = np.empty(active.shape[1], np.float32)
    for g in range(len(start) - 1):
        first, last = np.uint64(start[g]), np.uint64(start[g + 1])
        share[:] = 0
        for n in range(first, last):
            for c in range(width):
                share[c] += active[n, c] == out[g, width + c]
        for c in range(width):
            share[c] = gradient[g, width + c] / max(share[c], np.float32(1.0))
        for n in range(first, last):
            for c in range(width):
                is_largest = active[n, c] == out[g, width + c]
                of_active = gradient[g, c] / np.float32(last - first) + is_largest * share[c]
                of_nodes[n, c] = of_active * (min(active[n, c], np.float32(0)) + np.float32(1))
