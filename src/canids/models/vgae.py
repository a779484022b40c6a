"""The variational graph autoencoder that learns what attack-free traffic looks like."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch_geometric.utils import scatter

from canids.graphs.batches import EDGE_INPUTS, NODE_INPUTS, GraphBatch, present_inputs
from canids.models.elu import Elu
from canids.models.encoder import GatEncoder
from canids.models.sums import mean_by

CLIP = 10.0
WORST_INPUTS = 5


@dataclass(frozen=True)
class VgaeOutput:
    """What the VGAE makes of a batch of N nodes.

    Attributes:
        mean, log_variance: (N, latent) of the posterior. latent: (N, latent), in training a sample, else the mean.
        nodes: (N, NODE_INPUTS) reconstructed node features, standardised.
        neighbourhood: (N, NODE_INPUTS) reconstructed mean features of the node's predecessors.
    """

    mean: torch.Tensor
    log_variance: torch.Tensor
    latent: torch.Tensor
    nodes: torch.Tensor
    neighbourhood: torch.Tensor


class Vgae(nn.Module):
    """GAT encoder; decoders of node features, edges (inner product) and neighbourhood (Kipf and Welling, 2016)."""

    def __init__(self, hidden: int, heads: int, layers: int, latent: int, dropout: float) -> None:
        super().__init__()
        self.encoder = GatEncoder(NODE_INPUTS, EDGE_INPUTS, hidden, heads, layers, dropout)
        width = self.encoder.width
        self.mean = nn.Linear(width, latent)
        self.log_variance = nn.Linear(width, latent)
        self.decode_nodes = nn.Sequential(nn.Linear(latent, width), Elu(), nn.Linear(width, NODE_INPUTS))
        self.decode_neighbourhood = nn.Sequential(nn.Linear(latent, width), Elu(), nn.Linear(width, NODE_INPUTS))
        self.source = nn.Linear(latent, latent)
        self.edge_bias = nn.Parameter(torch.zeros(()))
        # Inputs are standardised, or the loud ones would drown the quiet: an unseen ID is one small number among many.
        self.register_buffer("input_centre", torch.zeros(NODE_INPUTS))
        self.register_buffer("input_spread", torch.ones(NODE_INPUTS))
        # What the logarithms of a window's three errors are on attack-free windows that validate.
        self.register_buffer("error_centre", torch.zeros(3))
        self.register_buffer("error_spread", torch.ones(3))

    def forward(self, graphs: GraphBatch) -> VgaeOutput:
        states = self.encoder(self.standardise(graphs.x), graphs.edge_index, graphs.edge_attr)
        state = states[:, -self.encoder.width :]
        mean, log_variance = self.mean(state), self.log_variance(state).clamp(-10, 10)
        latent = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance) if self.training else mean
        return VgaeOutput(mean, log_variance, latent, self.decode_nodes(latent), self.decode_neighbourhood(latent))

    def standardise(self, x: torch.Tensor) -> torch.Tensor:
        """(N, NODE_INPUTS) inputs in spreads of attack-free traffic, clipped; those of a missing reading 0."""
        return ((x - self.input_centre) / self.input_spread).clamp(-CLIP, CLIP) * present_inputs(x)

    def edge_logits(self, latent: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
        """(E,) logits of edges; the source is turned first, for an inner product alone knows no direction."""
        scale = latent.shape[1] ** -0.5
        return (self.source(latent[edge_index[0]]) * latent[edge_index[1]]).sum(dim=1) * scale + self.edge_bias


def window_errors(model: Vgae, output: VgaeOutput, graphs: GraphBatch) -> torch.Tensor:
    """(B, 3) ln of each window's errors: worst node, mean edge (-ln P), worst neighbourhood.

    A node's error here is the mean of its ``WORST_INPUTS`` largest: an attack shows in few of them.
    """
    worst = [
        scatter(each.topk(WORST_INPUTS, dim=1).values.mean(dim=1), graphs.batch, 0, graphs.num_graphs, "max")
        for each in square_errors(model, output, graphs)
    ]
    edges = -nn.functional.logsigmoid(model.edge_logits(output.latent, graphs.edge_index))
    mean_edge = scatter(edges, graphs.batch[graphs.edge_index[0]], 0, graphs.num_graphs, "mean")
    return torch.stack([worst[0], mean_edge, worst[1]], dim=1).clamp_min(1e-12).log()


def anomaly_score(model: Vgae, errors: torch.Tensor) -> torch.Tensor:
    """(B,) mean of a window's node and neighbourhood errors ((B, 3), logarithms), standardised on attack-free windows.

    The edge error stays apart: a flood makes edges easier to predict, a fuzzer harder, so it does not rank windows.
    """
    standard = (errors - model.error_centre) / model.error_spread
    return (standard[:, 0] + standard[:, 2]) / 2


def square_errors(model: Vgae, output: VgaeOutput, graphs: GraphBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, NODE_INPUTS) squared errors of node features and of neighbourhood; 0 for inputs of a missing reading."""
    x, present = model.standardise(graphs.x), present_inputs(graphs.x)
    source, target = graphs.edge_index
    neighbours = mean_by(x[source], target, len(x))
    return (output.nodes - x).square() * present, (output.neighbourhood - neighbours).square() * present


def node_errors(model: Vgae, output: VgaeOutput, graphs: GraphBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """(N,) mean squared errors of node features and of neighbourhood, over the inputs of readings that are there."""
    inputs = present_inputs(graphs.x).sum(dim=1)
    nodes, neighbourhood = square_errors(model, output, graphs)
    return nodes.sum(dim=1) / inputs, neighbourhood.sum(dim=1) / inputs
