"""Models run over a whole store, without gradients: what each window looks like to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn
from torch_geometric.utils import scatter

from canids.graphs.batches import GraphBatch, budget_batches
from canids.graphs.placement import PlacedStore, Planned
from canids.graphs.store import GraphStore
from canids.models.gat import Gat
from canids.models.vgae import Vgae, VgaeOutput, anomaly_score, window_errors

T, R = TypeVar("T"), TypeVar("R")

SCORING_BUDGET = 16_384  # nodes in a batch; scores do not depend on it


@dataclass(frozen=True)
class VgaeScores:
    """Per window.

    Attributes:
        errors: (w, 3) logarithms of node, edge and neighbourhood error.
        latent: (w, 4) mean, spread and largest of |latent mean|, and the largest KL divergence of a node.
        score: (w,) larger is more anomalous.
    """

    errors: torch.Tensor
    latent: torch.Tensor
    score: torch.Tensor


@dataclass(frozen=True)
class GatScores:
    """Per window: logits (w, 2); embedding (w, 4) mean, spread, smallest, largest."""

    logits: torch.Tensor
    embedding: torch.Tensor

    @property
    def score(self) -> torch.Tensor:
        """(w,) log-odds of an attack."""
        return self.logits[:, 1] - self.logits[:, 0]


def score_vgae(model: Vgae, store: GraphStore, windows: torch.Tensor | None = None) -> VgaeScores:
    """The VGAE's view of every window of a store, or of some ((k,) int64)."""

    def view(graphs: GraphBatch) -> tuple[torch.Tensor, ...]:
        output = model(graphs)
        errors = window_errors(model, output, graphs)
        return errors, _latent_statistics(output, graphs), anomaly_score(model, errors)

    return VgaeScores(*over_store(model, store, view, windows))


def score_gat(model: Gat, store: GraphStore, windows: torch.Tensor | None = None) -> GatScores:
    """The GAT's view of every window of a store, or of some ((k,) int64)."""

    def view(graphs: GraphBatch) -> tuple[torch.Tensor, ...]:
        output = model(graphs)
        e = output.embedding
        return output.logits, torch.stack([e.mean(1), e.std(1), e.amin(1), e.amax(1)], dim=1)

    return GatScores(*over_store(model, store, view, windows))


def over_store(
    model: nn.Module,
    store: GraphStore,
    view: Callable[[GraphBatch], tuple[torch.Tensor, ...]],
    windows: torch.Tensor | None = None,
) -> tuple[torch.Tensor, ...]:
    """A function of each batch over all of a store or some windows, in evaluation mode, concatenated on the CPU.

    On a CPU several batches are seen at once, each by one thread, which leaves no thread waiting for another.
    """
    was_training = model.training
    model.eval()
    placed = PlacedStore(store, next(model.parameters()).device)
    order = torch.arange(len(store)) if windows is None else windows
    batches = placed.plan(budget_batches(store, order, SCORING_BUDGET))

    @torch.no_grad()  # which holds for the thread that runs it
    def seen(planned: Planned) -> tuple[torch.Tensor, ...]:
        return view(placed.gather(planned))

    on_cpu = placed.device.type == "cpu"
    parts = _in_threads(seen, batches) if on_cpu else [seen(planned) for planned in batches]
    model.train(was_training)
    return tuple(torch.cat(part).cpu() for part in zip(*parts, strict=True))


def _in_threads(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """What is made of each item, in order, in as many threads as torch has, whose operations have one each."""
    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(work, items))
    finally:
        torch.set_num_threads(threads)


def _latent_statistics(output: VgaeOutput, graphs: GraphBatch) -> torch.Tensor:
    size = output.mean.abs().mean(dim=1)
    divergence = kl_divergence(output)
    count = graphs.node_start.diff()
    mean = scatter(size, graphs.batch, 0, graphs.num_graphs, "mean")
    square = scatter(size.square(), graphs.batch, 0, graphs.num_graphs, "mean")
    spread = (square - mean.square()).clamp_min(0).sqrt() * (count > 1)
    largest = scatter(size, graphs.batch, 0, graphs.num_graphs, "max")
    return torch.stack([mean, spread, largest, scatter(divergence, graphs.batch, 0, graphs.num_graphs, "max")], dim=1)


def kl_divergence(output: VgaeOutput) -> torch.Tensor:
    """(N,) KL divergence of each node's posterior from the standard normal prior, summed over latent dimensions."""
    return 0.5 * (output.mean.square() + output.log_variance.exp() - 1 - output.log_variance).sum(dim=1)
