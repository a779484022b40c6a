"""The encoder's layers on a CPU: compiled passes between the matrix products, and one step of autograd for it all.

What torch and torch_geometric would do in some forty operations with as many temporaries takes here a few passes over
nodes and edges; all states lie in one matrix, which is what the classifier's next layer reads, and whose gradient the
way back reads where it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numba import njit

from canids.models.elu import exp_minus_one

FAST = {"reassoc", "contract"}  # sums may be vectorised; NaN and infinity stay what they are
SLOPE = 0.2  # of the leaky ReLU below 0, as in the paper
EPSILON = 1e-5  # of the layer norm, as in torch


class Layer(NamedTuple):
    """Parameters of an attention layer of H heads and C channels each, width W = H C, and of the norm before it.

    scale, shift (W,); weight (W, W); source, target, edge (1, H, C), which score; edge_weight (W, edge_inputs);
    bias (W,).
    """

    scale: np.ndarray
    shift: np.ndarray
    weight: np.ndarray
    source: np.ndarray
    target: np.ndarray
    edge_weight: np.ndarray
    edge: np.ndarray
    bias: np.ndarray


class Passed(NamedTuple):
    """What a layer leaves for its way back.

    normed (N, W), moments (N, 2): of the norm. scores (W + 2 H, W), which makes of it rows (N, W + 2 H): a node's
    message, and each head's score of it as source and as target. shares, bends (E, H): an edge's weight in its
    target's sum, and its leaky ReLU's slope. slopes (N, W): of ELU and dropout.
    """

    normed: np.ndarray
    moments: np.ndarray
    scores: np.ndarray
    rows: np.ndarray
    shares: np.ndarray
    bends: np.ndarray
    slopes: np.ndarray


class Stack(torch.autograd.Function):
    """x (N, inputs), edge_index (2, E), edge_attr (E, edge_inputs) → (N, W (layers + 1)), the layers' states.

    Args:
        dropout: chance, and two random words for each layer. parameters: of the projection, then each ``Layer``'s.
            They alone have gradients.
    """

    @staticmethod
    def forward(ctx, x, edge_index, edge_attr, dropout, weight, bias, *of_layers):
        layers, width = _layers(of_layers), len(bias)
        chance, words = dropout
        ctx.graph = edge_index.contiguous().numpy(), edge_attr.contiguous().numpy()
        states = x.new_empty(len(x), width * (len(layers) + 1))
        torch.addmm(bias, x, weight.t(), out=states[:, :width])
        array = states.numpy()
        _activate(array, width)
        ctx.passed = [
            _forward(layer, array, number * width, *ctx.graph, *words[number], chance)
            for number, layer in enumerate(layers)
        ]
        ctx.save_for_backward(states, x, *of_layers)
        return states

    @staticmethod
    def backward(ctx, gradient):
        states, x, *parameters = ctx.saved_tensors
        layers, gradient, states = _layers(parameters), gradient.contiguous().numpy(), states.numpy()
        width = states.shape[1] // (len(layers) + 1)
        of_state, of_bias = gradient[:, width * len(layers) :].copy(), np.empty(width, np.float32)
        of_layers = []
        for number in reversed(range(len(layers))):
            reached = states, number * width, gradient, of_state
            of_layers = [*_backward(layers[number], ctx.passed[number], *ctx.graph, *reached), *of_layers]
        _activate_backward(states, of_state, of_bias)
        of_layers = map(torch.from_numpy, of_layers)
        return None, None, None, None, torch.from_numpy(of_state).t() @ x, torch.from_numpy(of_bias), *of_layers


def _layers(parameters: list[torch.Tensor]) -> list[Layer]:
    size, arrays = len(Layer._fields), [each.detach().numpy() for each in parameters]
    return [Layer(*arrays[first : first + size]) for first in range(0, len(arrays), size)]


def _forward(layer, states, at, edge_index, edge_attr, seed, key, chance):
    """The state after the one whose columns begin ``at``."""
    nodes, edges, heads, width = len(states), len(edge_attr), layer.source.shape[1], len(layer.bias)
    edge_scores = np.empty((heads, edge_attr.shape[1]), np.float32)
    passed = Passed(
        normed=np.empty((nodes, width), np.float32),
        moments=np.empty((nodes, 2), np.float32),
        scores=np.empty((width + 2 * heads, width), np.float32),
        rows=np.empty((nodes, width + 2 * heads), np.float32),
        shares=np.empty((edges, heads), np.float32),
        bends=np.empty((edges, heads), np.float32),
        slopes=np.empty((nodes, width), np.float32),
    )
    _multiplied_out(*layer[2:7], passed.scores, edge_scores)
    _normalise(states, at, layer.scale, layer.shift, passed.normed, passed.moments)
    _product(passed.normed, passed.scores.T, passed.rows)
    into = passed.shares, passed.bends, passed.slopes, states
    _attend(passed.rows, edge_index, edge_attr, edge_scores, layer.bias, *into, at, seed, key, chance)
    return passed


def _backward(layer, passed, edge_index, edge_attr, states, at, gradient, of_state):
    """Gradients of a layer's parameters; ``of_state`` becomes the gradient of the state before it."""
    of_layer = Layer(*map(np.empty_like, layer))
    of_rows, of_scores = np.empty_like(passed.rows), np.empty_like(passed.scores)
    of_edge_scores = np.empty((layer.source.shape[1], edge_attr.shape[1]), np.float32)
    given = passed.rows, edge_index, edge_attr, passed.shares, passed.bends, passed.slopes, of_state
    _attend_backward(*given, of_rows, of_edge_scores, of_layer.bias)
    _product(of_rows.T, passed.normed, of_scores)
    _multiplied_out_backward(*layer[2:7], of_scores, of_edge_scores, *of_layer[2:7])
    of_normed = _product(of_rows, passed.scores, np.empty_like(passed.normed))
    _normalise_backward(states, at, layer.scale, passed.moments, of_normed, gradient, of_state, *of_layer[:2])
    return of_layer


def _product(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> np.ndarray:
    """By torch's library, in torch's threads."""
    torch.mm(torch.from_numpy(a), torch.from_numpy(b), out=torch.from_numpy(out))
    return out


# Indices are unsigned: numba would have to look for negative ones, and could not vectorise.


@njit(cache=True, nogil=True, fastmath={"contract"})
def _activate(states, width):
    """ELU of the first state, in place."""
    for n in range(np.uint64(len(states))):
        for c in range(np.uint64(width)):
            negative = exp_minus_one(states[n, c])
            states[n, c] = states[n, c] if states[n, c] > 0 else negative


@njit(cache=True, nogil=True, fastmath=FAST)
def _activate_backward(states, of_state, of_bias):
    """``of_state`` becomes the gradient of what the ELU was of."""
    of_bias[:] = 0
    for n in range(np.uint64(len(states))):
        for c in range(np.uint64(len(of_bias))):
            of_state[n, c] *= min(states[n, c], np.float32(0)) + np.float32(1)
            of_bias[c] += of_state[n, c]


@njit(cache=True, nogil=True, fastmath=FAST)
def _multiplied_out(weight, source, target, edge_weight, edge, scores, edge_scores):
    """A score is linear in the node's or edge's features: its weights, so that a product gives it with the messages."""
    width, heads, channels = np.uint64(len(weight)), np.uint64(source.shape[1]), np.uint64(source.shape[2])
    one, two = np.uint64(1), np.uint64(2)
    scores[:width] = weight
    scores[width:] = 0
    edge_scores[:] = 0
    for h in range(heads):
        for c in range(channels):
            row = h * channels + c
            for i in range(width):
                scores[width + two * h, i] += source[0, h, c] * weight[row, i]
                scores[width + two * h + one, i] += target[0, h, c] * weight[row, i]
            for i in range(np.uint64(edge_weight.shape[1])):
                edge_scores[h, i] += edge[0, h, c] * edge_weight[row, i]


@njit(cache=True, nogil=True, fastmath=FAST)
def _multiplied_out_backward(
    weight, source, target, edge_weight, edge, of_scores, of_edge_scores,
    of_weight, of_source, of_target, of_edge_weight, of_edge,
):  # fmt: skip
    width, heads, channels = np.uint64(len(weight)), np.uint64(source.shape[1]), np.uint64(source.shape[2])
    one, two = np.uint64(1), np.uint64(2)
    for h in range(heads):
        for c in range(channels):
            row, as_source, as_target = h * channels + c, width + two * h, width + two * h + one
            by_source, by_target, by_edge = np.float32(0), np.float32(0), np.float32(0)
            for i in range(width):
                by_source += of_scores[as_source, i] * weight[row, i]
                by_target += of_scores[as_target, i] * weight[row, i]
                of_weight[row, i] = (
                    of_scores[row, i]
                    + source[0, h, c] * of_scores[as_source, i]
                    + target[0, h, c] * of_scores[as_target, i]
                )
            for i in range(np.uint64(edge_weight.shape[1])):
                by_edge += of_edge_scores[h, i] * edge_weight[row, i]
                of_edge_weight[row, i] = edge[0, h, c] * of_edge_scores[h, i]
            of_source[0, h, c], of_target[0, h, c], of_edge[0, h, c] = by_source, by_target, by_edge


@njit(cache=True, nogil=True, fastmath=FAST)
def _normalise(states, at, scale, shift, normed, moments):
    """The layer norm of the state whose columns begin ``at``; each row's mean and 1 / spread."""
    at, width = np.uint64(at), np.uint64(len(scale))
    for n in range(np.uint64(len(states))):
        mean, square = np.float32(0), np.float32(0)
        for c in range(width):
            mean += states[n, at + c]
        mean /= np.float32(width)
        for c in range(width):
            square += (states[n, at + c] - mean) * (states[n, at + c] - mean)
        steep = np.float32(1) / np.sqrt(square / np.float32(width) + np.float32(EPSILON))
        for c in range(width):
            normed[n, c] = (states[n, at + c] - mean) * steep * scale[c] + shift[c]
        moments[n, 0], moments[n, 1] = mean, steep


@njit(cache=True, nogil=True, fastmath=FAST)
def _normalise_backward(states, at, scale, moments, of_normed, gradient, of_state, of_scale, of_shift):
    """To ``of_state``, that of the state after the layer, comes what reached the one before: by norm and directly."""
    at, width = np.uint64(at), np.uint64(len(scale))
    for c in range(width):
        of_scale[c], of_shift[c] = np.float32(0), np.float32(0)
    for n in range(np.uint64(len(states))):
        mean, steep = moments[n, 0], moments[n, 1]
        total, pulled = np.float32(0), np.float32(0)
        for c in range(width):
            total += of_normed[n, c] * scale[c]
            pulled += of_normed[n, c] * scale[c] * (states[n, at + c] - mean)
        total /= np.float32(width)
        pulled *= steep * steep / np.float32(width)
        for c in range(width):
            away, given = states[n, at + c] - mean, of_normed[n, c]
            of_scale[c] += given * steep * away
            of_shift[c] += given
            of_state[n, c] += gradient[n, at + c] + steep * (given * scale[c] - total - away * pulled)


@njit(cache=True, nogil=True, fastmath=FAST)
def _attend(
    rows, edge_index, edge_attr, edge_scores, bias, shares, bends, slopes, states, at, seed, key, chance
):  # fmt: skip
    """The state after the one whose columns begin ``at``: it, and what dropout keeps of ELU of the messages."""
    nodes, edges, one, two = np.uint64(len(rows)), np.uint64(len(shares)), np.uint64(1), np.uint64(2)
    heads, width, at = np.uint64(shares.shape[1]), np.uint64(len(bias)), np.uint64(at)
    channels, after = width // heads, at + width
    largest = np.full((nodes, heads), -np.inf, np.float32)
    total = np.zeros((nodes, heads), np.float32)
    for e in range(edges):
        u, v = np.uint64(edge_index[0, e]), np.uint64(edge_index[1, e])
        for h in range(heads):
            score = rows[u, width + two * h] + rows[v, width + two * h + one]
            for i in range(np.uint64(edge_attr.shape[1])):
                score += edge_attr[e, i] * edge_scores[h, i]
            bends[e, h] = np.float32(1) if score > 0 else np.float32(SLOPE)
            shares[e, h] = score * bends[e, h]
            largest[v, h] = max(largest[v, h], shares[e, h])
    for e in range(edges):
        v = np.uint64(edge_index[1, e])
        for h in range(heads):
            shares[e, h] -= largest[v, h]
    flat = shares.reshape(-1)
    for i in range(edges * heads):
        flat[i] = exp_minus_one(flat[i]) + np.float32(1)
    for e in range(edges):
        v = np.uint64(edge_index[1, e])
        for h in range(heads):
            total[v, h] += shares[e, h]
    for n in range(nodes):
        for c in range(width):
            slopes[n, c] = bias[c]
    for e in range(edges):
        u, v = np.uint64(edge_index[0, e]), np.uint64(edge_index[1, e])
        for h in range(heads):
            shares[e, h] /= total[v, h]
            share = shares[e, h]
            for c in range(h * channels, (h + one) * channels):
                slopes[v, c] += share * rows[u, c]
    scale, dropped = np.float32(1 / (1 - chance)), np.uint32(chance * 2**32)
    for n in range(nodes):
        for c in range(width):
            message = slopes[n, c]
            negative = exp_minus_one(message)
            active = message if message > 0 else negative
            steep = np.float32(1) if message > 0 else negative + np.float32(1)
            kept = scale if not dropped or word(n * width + c, seed, key) >= dropped else np.float32(0)
            states[n, after + c] = states[n, at + c] + active * kept
            slopes[n, c] = steep * kept


@njit(cache=True, nogil=True, fastmath=FAST)
def _attend_backward(
    rows, edge_index, edge_attr, shares, bends, slopes, of_state, of_rows, of_edge_scores, of_bias
):  # fmt: skip
    nodes, edges, one, two = np.uint64(len(rows)), np.uint64(len(shares)), np.uint64(1), np.uint64(2)
    heads, width = np.uint64(shares.shape[1]), np.uint64(len(of_bias))
    channels = width // heads
    pulled = np.zeros((nodes, heads), np.float32)
    of_shares, of_messages = np.empty((edges, heads), np.float32), np.empty((nodes, width), np.float32)
    of_rows[:], of_edge_scores[:], of_bias[:] = 0, 0, 0
    for n in range(nodes):
        for c in range(width):
            of_messages[n, c] = slopes[n, c] * of_state[n, c]
            of_bias[c] += of_messages[n, c]
    for e in range(edges):
        u, v = np.uint64(edge_index[0, e]), np.uint64(edge_index[1, e])
        for h in range(heads):
            share = shares[e, h]
            of_share = np.float32(0)
            for c in range(h * channels, (h + one) * channels):
                of_share += of_messages[v, c] * rows[u, c]
                of_rows[u, c] += share * of_messages[v, c]
            of_shares[e, h] = of_share
            pulled[v, h] += share * of_share
    for e in range(edges):
        u, v = np.uint64(edge_index[0, e]), np.uint64(edge_index[1, e])
        for h in range(heads):
            of_score = shares[e, h] * (of_shares[e, h] - pulled[v, h]) * bends[e, h]
            of_rows[u, width + two * h] += of_score
            of_rows[v, width + two * h + one] += of_score
            for i in range(np.uint64(edge_attr.shape[1])):
                of_edge_scores[h, i] += of_score * edge_attr[e, i]


@njit(cache=True)
def word(i, seed, key):
    """A position's 32 random bits: a hash of two multiplications (Wellons' lowbias32), which is vectorised.

    A hash of 64 bits would not be: a CPU without AVX-512 multiplies no vectors of them.
    """
    word = np.uint32(np.uint32(i) + seed)
    word = np.uint32((word ^ (word >> np.uint32(16))) * np.uint32(0x21F0AAAD))
    word = np.uint32((word ^ (word >> np.uint32(15)) ^ key) * np.uint32(0xD35A2D97))
    return np.uint32(word ^ (word >> np.uint32(15)))
