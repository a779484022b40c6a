"""Graph attention; on a CPU, what torch_geometric's layer computes in a few passes over the edges."""

from __future__ import annotations

import numpy as np
import torch
from numba import njit
from torch.nn.functional import linear
from torch_geometric.nn import GATConv

from canids.models.elu import exp_minus_one

SLOPE = 0.2  # of the leaky ReLU below 0, as in the paper
FAST = {"reassoc", "contract"}  # sums may be vectorised; NaN and infinity stay what they are


class EdgeAttention(GATConv):
    """A ``GATConv`` with edge features and without added self-loops; same parameters, same result.

    On a CPU, scores, softmax and sum over a node's incoming edges are compiled loops rather than a dozen tensor
    operations with as many temporaries; elsewhere it is torch_geometric's own layer.
    """

    def __init__(self, inputs: int, hidden: int, heads: int, edge_inputs: int) -> None:
        super().__init__(inputs, hidden, heads=heads, edge_dim=edge_inputs, add_self_loops=False, negative_slope=SLOPE)

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor, edge_attr: torch.Tensor) -> torch.Tensor:
        """x (N, inputs), edge_index (2, E), edge_attr (E, edge_inputs) → (N, hidden * heads)."""
        if x.device.type != "cpu" or torch.compiler.is_compiling():
            return super().forward(x, edge_index, edge_attr)
        # A score is linear in the node's or edge's features, so that its weights can be multiplied out.
        score = torch.stack([self.att_src[0], self.att_dst[0]], dim=1) @ self._by_head(self.lin)
        rows = linear(x, torch.cat([self.lin.weight, score.flatten(0, 1)])).float()
        edge_scores = linear(edge_attr, (self.att_edge[0][:, None] @ self._by_head(self.lin_edge))[:, 0]).float()
        return _Attend.apply(rows, edge_scores, self.bias, edge_index)

    def _by_head(self, layer: torch.nn.Module) -> torch.Tensor:
        """(heads, hidden, features) weights."""
        return layer.weight.view(self.heads, self.out_channels, -1)


class _Attend(torch.autograd.Function):
    """rows (N, H C + 2 H): a node's message, each head's score of it as source and as target; edge_scores (E, H)."""

    @staticmethod
    def forward(ctx, rows, edge_scores, bias, edge_index):
        out = bias.detach().expand(len(rows), -1).contiguous()
        weight, slope = torch.empty_like(edge_scores), torch.empty_like(edge_scores)
        _attend(*_arrays(rows, edge_scores, edge_index[0], edge_index[1], out, weight, slope))
        ctx.save_for_backward(rows, edge_index, weight, slope)
        return out

    @staticmethod
    def backward(ctx, gradient):
        rows, edge_index, weight, slope = ctx.saved_tensors
        of_rows, of_scores = torch.zeros_like(rows), torch.empty_like(weight)
        gradient = gradient.contiguous()
        _attend_backward(*_arrays(rows, edge_index[0], edge_index[1], weight, slope, gradient, of_rows, of_scores))
        return of_rows, of_scores, gradient.sum(dim=0), None


def _arrays(*tensors: torch.Tensor) -> list[np.ndarray]:
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


# Indices are unsigned: numba would have to look for negative ones, and could not vectorise.


@njit(cache=True, nogil=True, fastmath=FAST)
def _attend(rows, edge_scores, source, target, out, weight, slope):
    """Adds each node's weighted messages to ``out``; leaves the edges' weights, and the slopes at their scores."""
    nodes, edges, one, two = len(rows), np.uint64(len(source)), np.uint64(1), np.uint64(2)
    heads, width = np.uint64(edge_scores.shape[1]), np.uint64(out.shape[1])
    channels = width // heads
    largest = np.full((nodes, edge_scores.shape[1]), -np.inf, np.float32)
    total = np.zeros((nodes, edge_scores.shape[1]), np.float32)
    for e in range(edges):
        u, v = np.uint64(source[e]), np.uint64(target[e])
        for h in range(heads):
            score = rows[u, width + two * h] + rows[v, width + two * h + one] + edge_scores[e, h]
            slope[e, h] = np.float32(1.0) if score > 0 else np.float32(SLOPE)
            weight[e, h] = score * slope[e, h]
            largest[v, h] = max(largest[v, h], weight[e, h])
    for e in range(edges):
        v = np.uint64(target[e])
        for h in range(heads):
            weight[e, h] -= largest[v, h]
    flat = weight.reshape(-1)
    for i in range(edges * heads):
        flat[i] = exp_minus_one(flat[i]) + np.float32(1)
    for e in range(edges):
        v = np.uint64(target[e])
        for h in range(heads):
            total[v, h] += weight[e, h]
    for e in range(edges):
        u, v = np.uint64(source[e]), np.uint64(target[e])
        for h in range(heads):
            weight[e, h] /= total[v, h]
            share = weight[e, h]
            for c in range(h * channels, (h + one) * channels):
                out[v, c] += share * rows[u, c]


@njit(cache=True, fastmath=FAST)
def _attend_backward(rows, source, target, weight, slope, gradient, of_rows, of_scores):
    nodes, edges, one, two = len(rows), np.uint64(len(source)), np.uint64(1), np.uint64(2)
    heads, width = np.uint64(weight.shape[1]), np.uint64(gradient.shape[1])
    channels = width // heads
    pulled = np.zeros((nodes, weight.shape[1]), np.float32)
    for e in range(edges):
        u, v = np.uint64(source[e]), np.uint64(target[e])
        for h in range(heads):
            share = weight[e, h]
            of_weight = np.float32(0.0)
            for c in range(h * channels, (h + one) * channels):
                of_weight += gradient[v, c] * rows[u, c]
                of_rows[u, c] += share * gradient[v, c]
            of_scores[e, h] = of_weight
            pulled[v, h] += share * of_weight
    for e in range(edges):
        u, v = np.uint64(source[e]), np.uint64(target[e])
        for h in range(heads):
            of_score = weight[e, h] * (of_scores[e, h] - pulled[v, h]) * slope[e, h]
            of_scores[e, h] = of_score
            of_rows[u, width + two * h] += of_score
            of_rows[v, width + two * h + one] += of_score
