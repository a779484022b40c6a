"""The stack of graph attention layers that VGAE and GAT share."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch_geometric.nn import GATConv

from canids.models.elu import elu_
from canids.models.stack import EPSILON, SLOPE, Stack
from canids.models.sums import largest_by, sum_by


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
            message = elu_(attended(attend, norm(states[-1]), edge_index, edge_attr))
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


def attended(layer: GATConv, x: torch.Tensor, edge_index: torch.Tensor, edge_attr: torch.Tensor) -> torch.Tensor:
    """What a layer makes of x (N, W), in fewer operations, none of which waits for a device.

    A score is linear in the features: the product that gives messages gives scores too. The shares' sum is taken
    together with the messages', and divided by afterwards.
    """
    (source, target), heads, width = edge_index, layer.heads, layer.lin.weight.shape[0]
    weight = torch.cat([layer.lin.weight, *(_scoring(layer.lin, each) for each in (layer.att_src, layer.att_dst))])
    rows, of_edge = x @ weight.t(), edge_attr @ _scoring(layer.lin_edge, layer.att_edge).t()
    sent = rows[:, : width + heads].index_select(0, source)
    score = sent[:, width:].float() + rows[:, width + heads :].index_select(0, target).float() + of_edge.float()
    score = nn.functional.leaky_relu(score, SLOPE)
    share = (score - largest_by(score, target, len(x)).index_select(0, target)).exp()
    message = share[:, :, None] * sent[:, :width].view(len(source), heads, layer.out_channels)
    summed = sum_by(torch.cat([message.flatten(1), share], dim=1), target, len(x))
    total = summed[:, width:].clamp_min(1)  # the largest share is 1, and without an edge the messages are 0
    return (summed[:, :width].view(len(x), heads, -1) / total[:, :, None]).flatten(1) + layer.bias


def _scoring(product: nn.Linear, scores: torch.Tensor) -> torch.Tensor:
    """(H, inputs): the product's weight (H C, inputs) with each head's scores (1, H, C) multiplied out."""
    heads, channels = scores.shape[1:]
    return (product.weight.view(heads, channels, -1) * scores[0, :, :, None]).sum(dim=1)
