"""The graph classifier."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from canids.graphs.batches import EDGE_INPUTS, NODE_INPUTS, GraphBatch
from canids.models.elu import Elu
from canids.models.encoder import GatEncoder
from canids.models.pooling import mean_and_max_of_elu

CLASSES = 2  # attack-free, attack


@dataclass(frozen=True)
class GatOutput:
    """logits (B, 2), and the embedding (B, width) that they were read from."""

    logits: torch.Tensor
    embedding: torch.Tensor


class Gat(nn.Module):
    """Attention layers, jumping knowledge (Xu et al., 2018), mean and max pooling, a head of two layers."""

    def __init__(self, hidden: int, heads: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.encoder = GatEncoder(NODE_INPUTS, EDGE_INPUTS, hidden, heads, layers, dropout)
        width = self.encoder.width
        self.jump = nn.Linear(width * (layers + 1), width)
        self.head = nn.Sequential(nn.Linear(2 * width, width), Elu(), nn.Dropout(dropout), nn.Linear(width, CLASSES))

    def forward(self, graphs: GraphBatch) -> GatOutput:
        states = self.encoder(graphs.x, graphs.edge_index, graphs.edge_attr)
        embedding = mean_and_max_of_elu(self.jump(states), graphs)
        return GatOutput(self.head(embedding), embedding)
