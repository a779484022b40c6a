"""The stack of graph attention layers that VGAE and GAT share."""

from __future__ import annotations

import torch
from torch import nn

from canids.models.attention import EdgeAttention
from canids.models.elu import elu_
from canids.models.residual import ResidualDropout


class GatEncoder(nn.Module):
    """Residual graph attention layers with edge features (Veličković et al., 2018, eq. 1 to 6).

    Args:
        inputs, edge_inputs: features of a node and of an edge.
        hidden, heads: channels of an attention head, and their number; the width is their product.
        layers: number of attention layers.
        dropout: between layers.

    Shapes:
        x (N, inputs), edge_index (2, E), edge_attr (E, edge_inputs) → list of layers + 1 tensors (N, hidden * heads).
    """

    def __init__(self, inputs: int, edge_inputs: int, hidden: int, heads: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.width = hidden * heads
        self.project = nn.Linear(inputs, self.width)
        self.attend = nn.ModuleList(EdgeAttention(self.width, hidden, heads, edge_inputs) for _ in range(layers))
        self.norm = nn.ModuleList(nn.LayerNorm(self.width) for _ in range(layers))
        self.add = ResidualDropout(dropout)

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor, edge_attr: torch.Tensor) -> list[torch.Tensor]:
        states = [elu_(self.project(x))]
        for attend, norm in zip(self.attend, self.norm, strict=True):
            states.append(self.add(states[-1], attend(norm(states[-1]), edge_index, edge_attr)))
        return states
