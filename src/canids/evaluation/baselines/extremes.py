"""Each window as one row: the extremes and means of its nodes' features, and its graph features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from canids.graphs.store import GRAPH_COLUMNS, NODE_COLUMNS, READINGS, GraphStore

COLUMNS = (*(f"{how}_{name}" for how in ("max", "min", "mean") for name in NODE_COLUMNS), *GRAPH_COLUMNS)


@dataclass(frozen=True)
class Extremes:
    """w windows.

    Attributes:
        values: (w, len(COLUMNS)) float32, NaN where the reading was not there.
        present: (w, len(READINGS)) bool, whether it was.
    """

    values: np.ndarray
    present: np.ndarray

    def column(self, name: str) -> np.ndarray:
        """(w,)."""
        return self.values[:, COLUMNS.index(name)]

    @property
    def read_by(self) -> np.ndarray:
        """(w,) int which readings speak of each window, as ``GraphStore.read_by`` tells it."""
        return (self.present << np.arange(len(READINGS))).sum(axis=1)

    def without(self, reading: str) -> Extremes:
        """The same windows, as if a reading were not there."""
        values, present = self.values.copy(), self.present.copy()
        values[:, columns_of(reading)] = np.nan
        present[:, READINGS.index(reading)] = False
        return replace(self, values=values, present=present)

    def take(self, windows: np.ndarray) -> Extremes:
        """Some windows: an index or a mask."""
        return Extremes(self.values[windows], self.present[windows])


def columns_of(reading: str) -> np.ndarray:
    """Indices in ``COLUMNS`` of what belongs to a reading."""
    heads = (f"{reading}_", *(f"{how}_{reading}_" for how in ("max", "min", "mean")))
    return np.flatnonzero([name.startswith(heads) for name in COLUMNS])


def window_extremes(stores: Sequence[GraphStore]) -> Extremes:
    """The windows of some stores, one store after the other."""
    values = np.concatenate([_rows(store) for store in stores])
    present = values[:, [COLUMNS.index(f"{reading}_present") for reading in READINGS]] > 0
    for place, reading in enumerate(READINGS):
        values[np.ix_(~present[:, place], columns_of(reading))] = np.nan
    return Extremes(values, present)


def _rows(store: GraphStore) -> np.ndarray:
    nodes, start = store.nodes.float().numpy(), store.node_start.numpy()
    count = np.diff(start)[:, None]
    first = start[:-1]
    return np.concatenate(
        [
            np.maximum.reduceat(nodes, first),
            np.minimum.reduceat(nodes, first),
            np.add.reduceat(nodes, first) / count,
            store.graph_features.float().numpy(),
        ],
        axis=1,
    )
