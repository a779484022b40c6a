"""A capture's readings side by side in the half precision of a store, each written where its columns are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from canids.graphs.readings import Reading
from canids.graphs.store import EDGE_COLUMNS, GRAPH_COLUMNS, NODE_COLUMNS, READINGS
from canids.graphs.windows import WindowedCapture

SERIAL = 32_767  # numbers that torch converts itself; for more it wakes threads, and they would be in each other's way


@dataclass(frozen=True)
class JoinedReadings:
    """All zero where nothing was written yet.

    Attributes:
        nodes: (nodes, len(NODE_COLUMNS)) float16. edges: (edges, len(EDGE_COLUMNS)) float16.
        graphs: (w, len(GRAPH_COLUMNS)) float16.
    """

    nodes: np.ndarray
    edges: np.ndarray
    graphs: np.ndarray

    @classmethod
    def empty(cls, capture: WindowedCapture) -> JoinedReadings:
        """Room for the readings of a capture."""
        return cls(
            nodes=np.zeros((len(capture.node_code), len(NODE_COLUMNS)), np.float16),
            edges=np.zeros((len(capture.edge_frames), len(EDGE_COLUMNS)), np.float16),
            graphs=np.zeros((len(capture), len(GRAPH_COLUMNS)), np.float16),
        )

    def write(self, name: str, reading: Reading) -> None:
        """Fill in the reading of a name."""
        for part, values in vars(reading).items():
            place = READINGS.index(name) * values.shape[1]
            _narrow(values, getattr(self, part)[:, place : place + values.shape[1]])


def _narrow(values: np.ndarray, out: np.ndarray) -> None:
    """Write (n, c) float32 into (n, c) float16; torch does it many times faster than numpy."""
    rows = SERIAL // values.shape[1]
    for single, half in zip(torch.from_numpy(values).split(rows), torch.from_numpy(out).split(rows), strict=True):
        half.copy_(single)
