"""Batches of graphs, gathered from a store by index: no Python loop over graphs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch_geometric.data import Data

from canids.graphs.store import EDGE_COLUMNS, GRAPH_COLUMNS, NODE_COLUMNS, READINGS, GraphStore, ranges

NODE_INPUT_NAMES = (*NODE_COLUMNS, "log_frames", *GRAPH_COLUMNS)
EDGE_INPUT_NAMES = (*EDGE_COLUMNS, "log_frames")
NODE_INPUTS, EDGE_INPUTS = len(NODE_INPUT_NAMES), len(EDGE_INPUT_NAMES)


@dataclass(frozen=True)
class GraphBatch:
    """B graphs as one, with N nodes and E edges in all.

    Attributes:
        x: (N, NODE_INPUTS) float32, node features, ln of the node's frames, and the features of the node's graph.
        edge_index: (2, E) int64. edge_attr: (E, EDGE_INPUTS) float32.
        batch: (N,) int64, each node's graph. node_start: (B + 1,) int64.
        y: (B,) int64 labels. windows: (B,) int64, the graphs' windows in the store.
    """

    x: torch.Tensor
    edge_index: torch.Tensor
    edge_attr: torch.Tensor
    batch: torch.Tensor
    node_start: torch.Tensor
    y: torch.Tensor
    windows: torch.Tensor

    @property
    def num_graphs(self) -> int:
        return len(self.y)

    def to(self, device: torch.device, non_blocking: bool = False) -> GraphBatch:
        """The batch on another device."""
        return GraphBatch(**{name: t.to(device, non_blocking=non_blocking) for name, t in vars(self).items()})

    def to_data_list(self) -> list[Data]:
        """The graphs as PyG objects."""
        edge_graph = self.batch[self.edge_index[0]]
        graphs = []
        for g in range(self.num_graphs):
            first, last = int(self.node_start[g]), int(self.node_start[g + 1])
            mine = edge_graph == g
            graphs.append(
                Data(
                    x=self.x[first:last],
                    edge_index=self.edge_index[:, mine] - first,
                    edge_attr=self.edge_attr[mine],
                    y=self.y[g],
                )
            )
        return graphs


def gather(store: GraphStore, windows: torch.Tensor) -> GraphBatch:
    """The graphs of some windows ((B,) int64) as one batch."""
    node_index, node_start = ranges(store.node_start, windows)
    edge_index, edge_start = ranges(store.edge_start, windows)
    graph = torch.arange(len(windows), device=windows.device)
    batch = torch.repeat_interleave(graph, node_start.diff())
    # Written in place: half-precision rows are converted as they are copied, and never concatenated.
    x = torch.empty((len(node_index), NODE_INPUTS), device=windows.device)
    x[:, : len(NODE_COLUMNS)] = store.nodes.index_select(0, node_index)
    x[:, len(NODE_COLUMNS)] = store.node_frames.index_select(0, node_index).float().log_()
    x[:, len(NODE_COLUMNS) + 1 :] = store.graph_features.index_select(0, windows).float().index_select(0, batch)
    edges = store.edges.index_select(1, edge_index).long()
    edges += torch.repeat_interleave(node_start[:-1], edge_start.diff())
    edge_attr = torch.empty((len(edge_index), EDGE_INPUTS), device=windows.device)
    edge_attr[:, : len(EDGE_COLUMNS)] = store.edge_features.index_select(0, edge_index)
    edge_attr[:, len(EDGE_COLUMNS)] = store.edge_frames.index_select(0, edge_index).float().log_()
    return GraphBatch(
        x=x,
        edge_index=edges,
        edge_attr=edge_attr,
        batch=batch,
        node_start=node_start,
        y=store.label[windows],
        windows=windows,
    )


def budget_batches(store: GraphStore, order: torch.Tensor, node_budget: int) -> Iterator[torch.Tensor]:
    """Cut an order of windows into the largest batches whose nodes stay under a budget (one window at the least)."""
    nodes = store.nodes_per_window()[order].cumsum(0)
    first = 0
    while first < len(order):
        before = nodes[first - 1] if first else 0
        last = max(int(torch.searchsorted(nodes, before + node_budget, right=True)), first + 1)
        yield order[first:last]
        first = last


def drop_readings(batch: GraphBatch, chance: float, generator: torch.Generator) -> GraphBatch:
    """Take readings from a random share of the graphs: what a vehicle that no one enrolled, or a warm-up, looks like.

    With ``chance`` a graph loses one of its readings, either with equal chance, and with a third of it both.
    """
    draw = torch.rand(batch.num_graphs, generator=generator).to(batch.x.device)
    blind = draw > 1 - chance / 3
    x, edge_attr = batch.x.clone(), batch.edge_attr.clone()
    edge_graph = batch.batch[batch.edge_index[0]]
    for number, reading in enumerate(READINGS):
        lost = ((draw >= number * chance / 2) & (draw < (number + 1) * chance / 2)) | blind
        nodes, edges = lost[batch.batch, None], lost[edge_graph, None]
        x[:, NODE_INPUTS_OF[reading]] = x[:, NODE_INPUTS_OF[reading]].masked_fill(nodes, 0)
        columns = EDGE_INPUTS_OF[reading]
        edge_attr[:, columns] = edge_attr[:, columns].masked_fill(edges, 0)
    return replace(batch, x=x, edge_attr=edge_attr)


def present_inputs(x: torch.Tensor) -> torch.Tensor:
    """(N, NODE_INPUTS) 1 where an input belongs to a reading that is there, or to none; 0 elsewhere."""
    present = torch.ones_like(x)
    for reading in READINGS:
        present[:, NODE_INPUTS_OF[reading]] = x[:, PRESENT[reading], None]
    return present


def _columns_of(names: tuple[str, ...], reading: str) -> list[int]:
    return [i for i, name in enumerate(names) if name.startswith(f"{reading}_")]


NODE_INPUTS_OF = {reading: _columns_of(NODE_INPUT_NAMES, reading) for reading in READINGS}
EDGE_INPUTS_OF = {reading: _columns_of(EDGE_INPUT_NAMES, reading) for reading in READINGS}
PRESENT = {reading: NODE_INPUT_NAMES.index(f"{reading}_present") for reading in READINGS}
