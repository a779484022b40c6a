"""The stack of graph attention layers that VGAE and GAT share."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch_geometric.nn import GATConv

from canids.models.elu import elu_
from canids.models.stack import EPSILON, SLOPE, Stack


class GatEncoder(nn.Module):
    """Residual graph attention layers with edge features (Veličković et al., 2018, eq. 1 to 6).

    Args:
        inputs, edge_inputs: features of a node and of an edge.
        hidden, heads: channels of an attention head, and their number; the width is their product.
        layers: number of attention layers.
        dropout: between layers.

    Shapes:
        x (N, inputs), edge_index (2, E), edge_attr (E, edge_inputs) → (N, hidden * heads * (layers + 1)): each node's
        states, the first before any attention.
    """

    def __init__(self, inputs: int, edge_inputs: int, hidden: int, heads: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.width, self.dropout = hidden * heads, dropout
        self.project = nn.Linear(inputs, self.width)
        self.attend = nn.ModuleList(
            GATConv(self.width, hidden, heads, edge_dim=edge_inputs, add_self_loops=False, negative_slope=SLOPE)
            for _ in range(layers)
        )
        self.norm = nn.ModuleList(nn.LayerNorm(self.width, EPSILON) for _ in range(layers))

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor, edge_attr: torch.Tensor) -> torch.Tensor:
        if self._is_compiled_for(x, edge_attr):
            return Stack.apply(x, edge_index, edge_attr, self._drawn(), *self._parameters_in_order())
        states = [elu_(self.project(x))]
        for attend, norm in zip(self.attend, self.norm, strict=True):
            message = elu_(attend(norm(states[-1]), edge_index, edge_attr))
            states.append(states[-1] + nn.functional.dropout(message, self.dropout, self.training))
        return torch.cat(states, dim=1)

    def _is_compiled_for(self, x: torch.Tensor, edge_attr: torch.Tensor) -> bool:
        """Whether all is float32 on a CPU, and no feature is asked for its gradient."""
        return (
            x.device.type == "cpu"
            and x.dtype == torch.float32
            and not (x.requires_grad or edge_attr.requires_grad)
            and not torch.is_autocast_enabled("cpu")
            and not torch.compiler.is_compiling()
        )

    def _drawn(self) -> tuple[float, list[tuple[np.uint32, np.uint32]]]:
        """The chance to be dropped, and two random words for each layer, which torch's seed decides."""
        if not self.training:
            return 0.0, [(np.uint32(0), np.uint32(0))] * len(self.attend)
        words = torch.empty(2 * len(self.attend), dtype=torch.int64).random_(2**32).numpy().astype(np.uint32)
        return self.dropout, list(zip(words[::2], words[1::2], strict=True))

    def _parameters_in_order(self) -> list[torch.Tensor]:
        """As ``Stack`` takes them."""
        ordered = [self.project.weight, self.project.bias]
        for norm, attend in zip(self.norm, self.attend, strict=True):
            ordered += [norm.weight, norm.bias, attend.lin.weight, attend.att_src, attend.att_dst]
            ordered += [attend.lin_edge.weight, attend.att_edge, attend.bias]
        return ordered
