"""Batches of graphs, gathered from a store by index: no Python loop over graphs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from torch_geometric.data import Data

from canids.graphs.gathering import count_rows, gather_rows
from canids.graphs.store import EDGE_COLUMNS, GRAPH_COLUMNS, NODE_COLUMNS, READINGS, GraphStore

NODE_INPUT_NAMES = (*NODE_COLUMNS, "log_frames", *GRAPH_COLUMNS)
EDGE_INPUT_NAMES = (*EDGE_COLUMNS, "log_frames")
NODE_INPUTS, EDGE_INPUTS = len(NODE_INPUT_NAMES), len(EDGE_INPUT_NAMES)
COMPILED_FOR = "cpu"  # on other devices a batch is gathered by tensor operations
IGNORED = -100  # label of a graph that only fills a batch up, as torch's cross-entropy has it
LOGARITHMS = torch.arange(256.0).log().numpy()  # of every count that a store holds


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

    @property
    def real(self) -> torch.Tensor | None:
        """How many graphs are none that only fill the batch up; None: all."""
        return None

    def mean_of_graphs(self, each: torch.Tensor) -> torch.Tensor:
        """(B,) → scalar."""
        return each.mean()

    def mean_of_nodes(self, each: torch.Tensor) -> torch.Tensor:
        """(N,) → scalar."""
        return each.mean()

    def mean_of_edges(self, each: torch.Tensor) -> torch.Tensor:
        """(E,) → scalar."""
        return each.mean()

    def to(self, device: torch.device, non_blocking: bool = False) -> GraphBatch:
        """The batch on another device."""
        return GraphBatch(**{name: t.to(device, non_blocking=non_blocking) for name, t in vars(self).items()})

    def pin_memory(self) -> GraphBatch:
        """The batch in memory from which a GPU copies by itself."""
        return GraphBatch(**{name: t.pin_memory() for name, t in vars(self).items()})

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


@dataclass(frozen=True)
class PaddedBatch(GraphBatch):
    """A batch filled up to a fixed size: its last graphs, labelled ``IGNORED``, count in no mean.

    Nodes and edges that were added are theirs; there are about as many for each as for a real one, for a device sums
    those of a graph, or of a node, one after the other.
    """

    @property
    def real(self) -> torch.Tensor:
        return (self.y != IGNORED).sum()

    def mean_of_graphs(self, each: torch.Tensor) -> torch.Tensor:
        return self._mean(each, slice(None))

    def mean_of_nodes(self, each: torch.Tensor) -> torch.Tensor:
        return self._mean(each, self.batch)

    def mean_of_edges(self, each: torch.Tensor) -> torch.Tensor:
        return self._mean(each, self.batch[self.edge_index[0]])

    def _mean(self, each: torch.Tensor, graph: torch.Tensor | slice) -> torch.Tensor:
        counts = (self.y != IGNORED)[graph].float()
        return (each * counts).sum() / counts.sum()


def gather(store: GraphStore, windows: torch.Tensor, size: tuple[int, int] | None = None) -> GraphBatch:
    """The graphs of some windows ((B,) int64, on the store's device) as one batch.

    Args:
        size: nodes and edges of these windows together, where the caller knows them; else a store on a GPU is asked,
            and everything waits for its answer.
    """
    nodes, edges = size or batch_size(store, windows)
    if store.nodes.device.type != COMPILED_FOR:
        return GraphBatch(**_gather_on_device(store, windows, nodes, edges))
    # By numpy, which is several times faster than torch at what takes no time.
    filled = {
        "x": np.empty((nodes, NODE_INPUTS), np.float32),
        "edge_index": np.empty((2, edges), np.int64),
        "edge_attr": np.empty((edges, EDGE_INPUTS), np.float32),
        "batch": np.empty(nodes, np.int64),
        "node_start": np.empty(len(windows) + 1, np.int64),
        "y": np.empty(len(windows), np.int64),
    }
    gather_rows(windows.numpy(), *store.arrays, LOGARITHMS, *filled.values())
    return GraphBatch(**{name: torch.from_numpy(each) for name, each in filled.items()}, windows=windows)


def batch_size(store: GraphStore, windows: torch.Tensor) -> tuple[int, int]:
    """Nodes and edges of some windows together."""
    starts = store.node_start, store.edge_start
    if windows.device.type == COMPILED_FOR:
        return count_rows(windows.numpy(), *(start.numpy() for start in starts))
    return tuple(int((start[windows + 1] - start[windows]).sum()) for start in starts)


def gather_padded(store: GraphStore, windows: torch.Tensor, real: torch.Tensor, size: tuple[int, int]) -> PaddedBatch:
    """The graphs of the first ``real`` (scalar, on the store's device) of some windows, filled up; nothing waits.

    Args:
        windows: (B,) int64, more than ``real``; those behind may be any of the store's.
        size: nodes and edges of the filled batch; at least a node for each window that is added.
    """
    gathered = _gather_on_device(store, windows, *size, real)
    fills = torch.arange(len(windows), device=windows.device) >= real
    return PaddedBatch(**{**gathered, "y": gathered["y"].masked_fill(fills, IGNORED)})


def _gather_on_device(
    store: GraphStore, windows: torch.Tensor, nodes: int, edges: int, real: torch.Tensor | None = None
) -> dict[str, torch.Tensor]:
    """Tensors of a batch by tensor operations, none of which waits for the device."""
    node_index, batch, node_start = rows_of(store.node_start, windows, nodes, real)
    edge_index, edge_graph, _ = rows_of(store.edge_start, windows, edges, real)
    ends = store.edges.index_select(1, edge_index).long()
    if real is not None:  # an edge that was added joins nodes that were
        ends = ends % node_start.diff()[edge_graph]
    node_frames, edge_frames = store.node_frames[node_index, None], store.edge_frames[edge_index, None]
    graph_features = store.graph_features.index_select(0, windows).index_select(0, batch).float()
    edge_features = store.edge_features.index_select(0, edge_index).float()
    nodes = store.nodes.index_select(0, node_index).float()
    return {
        "x": torch.cat([nodes, node_frames.float().log(), graph_features], dim=1),
        "edge_index": ends + node_start[edge_graph],
        "edge_attr": torch.cat([edge_features, edge_frames.float().log()], dim=1),
        "batch": batch,
        "node_start": node_start,
        "y": store.label[windows],
        "windows": windows,
    }


def rows_of(
    start: torch.Tensor, windows: torch.Tensor, total: int, real: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows of some windows, window after window; each row's number among the windows; and where each window begins.

    Args:
        total: how many rows they are. real: only so many windows (scalar) have rows of their own; those that are
            missing from ``total``, any of the store's, are spread over the others.
    """
    first, count = start[windows], start[windows + 1] - start[windows]
    if real is not None:
        number = torch.arange(len(windows), device=start.device) - real
        missing, others = total - (count * (number < 0)).sum(), len(windows) - real
        count = torch.where(number < 0, count, missing // others + (number < missing % others))
    offsets = torch.nn.functional.pad(count.cumsum(0), (1, 0))
    graph = torch.arange(len(windows), device=start.device)
    graph = torch.repeat_interleave(graph, count, output_size=total)
    row = torch.arange(total, device=start.device) + (first - offsets[:-1])[graph]
    return row if real is None else torch.minimum(row, start[-1] - 1), graph, offsets


def budget_batches(store: GraphStore, order: torch.Tensor, node_budget: int) -> Iterator[torch.Tensor]:
    """Cut an order of windows into the largest batches whose nodes stay under a budget (one window at the least)."""
    nodes = store.nodes_per_window()[order].cumsum(0)
    first = 0
    while first < len(order):
        before = nodes[first - 1] if first else 0
        last = max(int(torch.searchsorted(nodes, before + node_budget, right=True)), first + 1)
        yield order[first:last]
        first = last


def reading_draws(graphs: int, generator: torch.Generator, for_gpu: bool) -> torch.Tensor:
    """(graphs,) what decides, for each graph, whether it loses readings, in memory that a GPU copies from by itself."""
    return torch.rand(graphs, generator=generator, pin_memory=for_gpu)


def without_readings(batch: GraphBatch, chance: float, draw: torch.Tensor) -> GraphBatch:
    """Take readings from a random share of the graphs: what a vehicle that no one enrolled, or a warm-up, looks like.

    With ``chance`` a graph loses one of its readings, either with equal chance, and with a third of it both.

    Args:
        draw: (B,) from 0 to 1, on the batch's device (``reading_draws``).
    """
    lost = torch.stack([(draw >= r * chance / 2) & (draw < (r + 1) * chance / 2) for r in range(len(READINGS))], dim=1)
    lost |= (draw > 1 - chance / 3)[:, None]
    kept_nodes, kept_edges = (1 - lost.float() @ each for each in _owners(batch.x.device))
    edge_graph = batch.batch[batch.edge_index[0]]
    return replace(
        batch,
        x=batch.x * kept_nodes.index_select(0, batch.batch),
        edge_attr=batch.edge_attr * kept_edges.index_select(0, edge_graph),
    )


def present_inputs(x: torch.Tensor) -> torch.Tensor:
    """(N, NODE_INPUTS) 1 where an input belongs to a reading that is there, or to none; 0 elsewhere."""
    owner, _ = _owners(x.device)
    present = torch.stack([x[:, PRESENT[reading]] for reading in READINGS], dim=1)
    return 1 - (1 - present) @ owner


def _columns_of(names: tuple[str, ...], reading: str) -> list[int]:
    return [i for i, name in enumerate(names) if name.startswith(f"{reading}_")]


NODE_INPUTS_OF = {reading: _columns_of(NODE_INPUT_NAMES, reading) for reading in READINGS}
EDGE_INPUTS_OF = {reading: _columns_of(EDGE_INPUT_NAMES, reading) for reading in READINGS}
PRESENT = {reading: NODE_INPUT_NAMES.index(f"{reading}_present") for reading in READINGS}


@cache
def _owners(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """(readings, NODE_INPUTS) and (readings, EDGE_INPUTS), 1 where an input belongs to a reading."""
    owners = []
    for columns, width in ((NODE_INPUTS_OF, NODE_INPUTS), (EDGE_INPUTS_OF, EDGE_INPUTS)):
        owner = torch.zeros(len(READINGS), width)
        for number, reading in enumerate(READINGS):
            owner[number, columns[reading]] = 1
        owners.append(owner.to(device))
    return tuple(owners)
