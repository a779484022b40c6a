"""Columns that an ablation leaves out: they are there, and 0."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from canids.graphs.readings import Reading
from canids.graphs.store import EDGE_COLUMNS, GRAPH_COLUMNS, NODE_COLUMNS


def without(name: str, reading: Reading, left_out: Iterable[str]) -> Reading:
    """A capture's reading (of ``READINGS``) with every column of some readings, channels or all z scores set to 0.

    Args:
        left_out: as ``graph.leave_out`` has them.
    """
    parts = ((reading.nodes, NODE_COLUMNS), (reading.edges, EDGE_COLUMNS), (reading.graphs, GRAPH_COLUMNS))
    return Reading(*(_without(values, columns, name, tuple(left_out)) for values, columns in parts))


def leaves_out(name: str, column: str) -> bool:
    """Whether a column of a store belongs to what is left out."""
    reading, _, feature = column.partition("_")
    return name == reading or feature.partition("_")[0] == name or (name == "z" and feature.endswith("_z"))


def _without(values: np.ndarray, columns: Sequence[str], reading: str, names: tuple[str, ...]) -> np.ndarray:
    mine = [column for column in columns if column.startswith(f"{reading}_")]
    kept = [not any(leaves_out(name, column) for name in names) for column in mine]
    return values if all(kept) else np.where(kept, values, np.float32(0))
