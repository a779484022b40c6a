"""Sums over rows that share an index, as nodes share a target of their edges, or a graph.

On a GPU ``scatter_add``, where it has to be deterministic, copies from the host and sorts single numbers; ``index_add``
sorts rows, copies nothing and can be captured. On a CPU it would go row by row.
"""

from __future__ import annotations

import torch
from torch_geometric.utils import scatter


def sum_by(rows: torch.Tensor, index: torch.Tensor, count: int) -> torch.Tensor:
    """rows (R, …), index (R,) → (count, …)."""
    if rows.device.type == "cpu":
        return scatter(rows, index, 0, count, "sum")
    return rows.new_zeros(count, *rows.shape[1:]).index_add(0, index, rows)


def mean_by(rows: torch.Tensor, index: torch.Tensor, count: int) -> torch.Tensor:
    """rows (R, C), index (R,) → (count, C); 0 where there is no row."""
    if rows.device.type == "cpu":
        return scatter(rows, index, 0, count, "mean")
    summed = sum_by(torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1), index, count)
    return summed[:, :-1] / summed[:, -1:].clamp_min(1)


def largest_by(rows: torch.Tensor, index: torch.Tensor, count: int) -> torch.Tensor:
    """rows (R, C), index (R,) → (count, C), without a gradient; 0 where there is no row."""
    return scatter(rows.detach(), index, 0, count, "max")
