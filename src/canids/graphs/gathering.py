"""Rows of a store's windows, copied out in one compiled pass: half precision becomes single as it is written."""

from __future__ import annotations

import numpy as np
from numba import njit

from canids.graphs.half import single


@njit(cache=True, nogil=True)
def count_rows(windows, node_start, edge_start):
    """Nodes and edges of some windows together."""
    nodes = edges = 0
    for w in windows:
        nodes += node_start[w + 1] - node_start[w]
        edges += edge_start[w + 1] - edge_start[w]
    return nodes, edges


@njit(cache=True, nogil=True)
def gather_rows(
    windows, node_start, edge_start, nodes, node_frames, graph_features, edges, edge_features, edge_frames, label,
    logarithms, x, edge_index, edge_attr, batch, batch_start, y,
):  # fmt: skip
    """Fill the arrays of a ``GraphBatch`` (all from ``x`` on) with the graphs of some windows ((B,) int64).

    Half-precision arrays are given as their bits, uint16. Indices are unsigned: numba would have to look for negative
    ones, and could not vectorise.
    """
    one, columns, graph_columns = np.uint64(1), np.uint64(nodes.shape[1]), np.uint64(graph_features.shape[1])
    edge_columns = np.uint64(edge_features.shape[1])
    of_graph = np.empty(graph_columns, np.float32)
    node, edge = np.uint64(0), np.uint64(0)
    for b in range(len(windows)):
        w = np.uint64(windows[b])
        first, count = np.uint64(node_start[w]), np.uint64(node_start[w + one] - node_start[w])
        first_edge, edge_count = np.uint64(edge_start[w]), np.uint64(edge_start[w + one] - edge_start[w])
        for i in range(edge_count):
            edge_index[0, edge + i] = edges[0, first_edge + i] + node
        for i in range(edge_count):
            edge_index[1, edge + i] = edges[1, first_edge + i] + node
        for c in range(edge_columns):
            for i in range(edge_count):
                edge_attr[edge + i, c] = single(edge_features[first_edge + i, c])
        for i in range(edge_count):
            edge_attr[edge + i, edge_columns] = logarithms[edge_frames[first_edge + i]]
        for c in range(graph_columns):
            of_graph[c] = single(graph_features[w, c])
        for i in range(count):
            for c in range(columns):
                x[node + i, c] = single(nodes[first + i, c])
            x[node + i, columns] = logarithms[node_frames[first + i]]
            for c in range(graph_columns):
                x[node + i, columns + one + c] = of_graph[c]
            batch[node + i] = b
        batch_start[b], y[b] = node, label[w]
        node, edge = node + count, edge + edge_count
    batch_start[len(windows)] = node
