"""Models run over a whole store, without gradients: what each window looks like to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch_geometric.utils import scatter

from canids.graphs.batches import GraphBatch, budget_batches
from canids.graphs.placement import PlacedStore
from canids.graphs.store import GraphStore
from canids.models.gat import Gat
from canids.models.vgae import Vgae, VgaeOutput, anomaly_score, window_errors

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


def score_vgae(model: Vgae, store: GraphStore) -> VgaeScores:
    """The VGAE's view of every window of a store."""

    def view(graphs: GraphBatch) -> tuple[torch.Tensor, ...]:
        output = model(graphs)
        errors = window_errors(model, output, graphs)
        return errors, _latent_statistics(output, graphs), anomaly_score(model, errors)

    return VgaeScores(*over_store(model, store, view))


def score_gat(model: Gat, store: GraphStore) -> GatScores:
    """The GAT's view of every window of a store."""

    def view(graphs: GraphBatch) -> tuple[torch.Tensor, ...]:
        output = model(graphs)
        e = output.embedding
        return output.logits, torch.stack([e.mean(1), e.std(1), e.amin(1), e.amax(1)], dim=1)

    return GatScores(*over_store(model, store, view))


@torch.no_grad()
def over_store(
    model: nn.Module, store: GraphStore, view: Callable[[GraphBatch], tuple[torch.Tensor, ...]]
) -> tuple[torch.Tensor, ...]:
    """A function of each batch over all of a store, in evaluation mode, its parts concatenated on the CPU."""
    was_training = model.training
    model.eval()
    placed = PlacedStore(store, next(model.parameters()).device)
    batches = placed.plan(budget_batches(store, torch.arange(len(store)), SCORING_BUDGET))
    parts = [view(placed.gather(planned)) for planned in batches]
    model.train(was_training)
    return tuple(torch.cat(part).cpu() for part in zip(*parts, strict=True))


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
