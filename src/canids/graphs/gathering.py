"""Rows of a store's windows, copied out in one compiled pass: half precision becomes single as it is written."""

from __future__ import annotations

import numpy as np
from numba import njit

HALF_TO_SINGLE = np.float32(2.0**112)  # the two formats' exponents count from 15 and from 127


@njit(cache=True, nogil=True)
def gather_rows(
    windows, node_start, edge_start, nodes, node_frames, graph_features, edges, edge_features, edge_frames, logarithms,
    x, edge_index, edge_attr, batch, batch_start,
):  # fmt: skip
    """Fill the arrays of a ``GraphBatch`` (all from ``x`` on) with the graphs of some windows ((B,) int64).

    Half-precision arrays are given as their bits, uint16. Indices are unsigned: numba would have to look for negative
    ones, and could not vectorise.
    """
    one, columns, graph_columns = np.uint64(1), np.uint64(nodes.shape[1]), np.uint64(graph_features.shape[1])
    edge_columns, node_bits, edge_bits = np.uint64(edge_features.shape[1]), nodes.reshape(-1), edge_features.reshape(-1)
    most_nodes = np.uint64(max([node_start[w + 1] - node_start[w] for w in windows]))
    most_edges = np.uint64(max([edge_start[w + 1] - edge_start[w] for w in windows]))
    # A window's rows in a row, as the store has them: what is done to them at once is done sixteen at a time.
    bits = np.empty(max(most_nodes * columns, most_edges * edge_columns), np.uint32)
    graph_bits = np.empty(graph_columns, np.uint32)
    values, graph_values = bits.view(np.float32), graph_bits.view(np.float32)
    node, edge = np.uint64(0), np.uint64(0)
    for b in range(len(windows)):
        w = np.uint64(windows[b])
        first, count = np.uint64(node_start[w]), np.uint64(node_start[w + one] - node_start[w])
        first_edge, edge_count = np.uint64(edge_start[w]), np.uint64(edge_start[w + one] - edge_start[w])
        for i in range(edge_count):
            edge_index[0, edge + i] = edges[0, first_edge + i] + node
        for i in range(edge_count):
            edge_index[1, edge + i] = edges[1, first_edge + i] + node
        for i in range(edge_count * edge_columns):
            bits[i] = _widened(edge_bits[first_edge * edge_columns + i])
        for c in range(edge_columns):
            for i in range(edge_count):
                edge_attr[edge + i, c] = values[i * edge_columns + c] * HALF_TO_SINGLE
        for i in range(edge_count):
            edge_attr[edge + i, edge_columns] = logarithms[edge_frames[first_edge + i]]
        for c in range(graph_columns):
            graph_bits[c] = _widened(graph_features[w, c])
        for i in range(count * columns):
            bits[i] = _widened(node_bits[first * columns + i])
        for i in range(count):
            for c in range(columns):
                x[node + i, c] = values[i * columns + c] * HALF_TO_SINGLE
            x[node + i, columns] = logarithms[node_frames[first + i]]
            for c in range(graph_columns):
                x[node + i, columns + one + c] = graph_values[c] * HALF_TO_SINGLE
            batch[node + i] = b
        batch_start[b] = node
        node, edge = node + count, edge + edge_count
    batch_start[len(windows)] = node


@njit(cache=True)
def _widened(half):
    """A half-precision number's bits as those of a single-precision one that is 2^112 times too small."""
    bits = np.uint32(half)
    magnitude = np.uint32((bits & np.uint32(0x7FFF)) << np.uint32(13))
    sign = np.uint32((bits & np.uint32(0x8000)) << np.uint32(16))
    endless = np.uint32(0x7F800000) if (bits & np.uint32(0x7C00)) == np.uint32(0x7C00) else np.uint32(0)
    return magnitude | sign | endless
