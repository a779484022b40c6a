"""The graph store: all windows' graphs in a few flat arrays with offsets, in one memory-mapped safetensors file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from canids.artifacts import read_names, unchecked_names
from canids.errors import ArtifactError
from canids.graphs.readings import EDGE_FEATURES, GRAPH_FEATURES, NODE_FEATURES
from canids.pieces import InPieces, write_pieces

READINGS = ("known", "own")
NODE_COLUMNS = tuple(f"{reading}_{name}" for reading in READINGS for name in NODE_FEATURES)
EDGE_COLUMNS = tuple(f"{reading}_{name}" for reading in READINGS for name in EDGE_FEATURES)
GRAPH_COLUMNS = tuple(f"{reading}_{name}" for reading in READINGS for name in GRAPH_FEATURES)


@dataclass(frozen=True)
class GraphStore:
    """Graphs of w windows, with N nodes and E edges in all.

    Counts are kept as they are counted and IDs by their place in a table; readings in half precision, which is finer
    than any of them is known (they are logarithms within ±8, and costs below 12).

    Attributes:
        nodes: (N, len(NODE_COLUMNS)) float16. node_start: (w + 1,) int64, window i has ``node_start[i:i + 2]``.
        node_id: (N,) int16 (int32 where there are more IDs), place in ``ids``. node_frames: (N,) uint8.
        ids: (K,) int64, arbitration IDs (bit 31 set for a 29-bit one).
        edges: (2, E) uint8, source and target within the window. edge_start: (w + 1,) int64.
        edge_features: (E, len(EDGE_COLUMNS)) float16. edge_frames: (E,) uint8, how often the target followed.
        graph_features: (w, len(GRAPH_COLUMNS)) float16.
        label: (w,) int64, 1 where a frame of the window was injected or the window lies in an attack span.
        attack_type: (w,) int16, index into ``attack_types``. capture: (w,) int16, index into ``captures``.
        role: (w,) int8, index into ``splits.ROLES``.
        position: (w,) int32, the window's place in its capture. last_frame: (w,) int32, its last frame's.
        start, end: (w,) float64, s since the capture's first frame.
        captures: ``<scenario>/<capture>`` names. attack_types: names.
    """

    nodes: torch.Tensor
    node_start: torch.Tensor
    node_id: torch.Tensor
    node_frames: torch.Tensor
    ids: torch.Tensor
    edges: torch.Tensor
    edge_start: torch.Tensor
    edge_features: torch.Tensor
    edge_frames: torch.Tensor
    graph_features: torch.Tensor
    label: torch.Tensor
    attack_type: torch.Tensor
    capture: torch.Tensor
    role: torch.Tensor
    position: torch.Tensor
    last_frame: torch.Tensor
    start: torch.Tensor
    end: torch.Tensor
    captures: tuple[str, ...]
    attack_types: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.label)

    def nodes_per_window(self) -> torch.Tensor:
        """(w,) int64."""
        return self.node_start.diff()

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(getattr(self, name).nbytes for name in _TENSORS)

    def to(self, device: torch.device | str) -> GraphStore:
        """The store on another device."""
        return replace(self, **{name: getattr(self, name).to(device) for name in _TENSORS})

    @cached_property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """What a batch is gathered from (``GATHERED``), in the host's memory; half precision as its bits."""
        tensors = (getattr(self, name) for name in GATHERED)
        return tuple((t.view(torch.uint16) if t.dtype == torch.float16 else t).numpy() for t in tensors)

    @property
    def read_by(self) -> torch.Tensor:
        """(w,) int64 which readings speak of each window: bit i stands for ``READINGS[i]``, 0 for none."""
        present = [self.graph_features[:, GRAPH_COLUMNS.index(f"{reading}_present")] > 0 for reading in READINGS]
        return sum(there.long() << bit for bit, there in enumerate(present))

    def without(self, reading: str) -> GraphStore:
        """The store as if a reading were not there: what a vehicle that no one enrolled, or a warm-up, looks like."""
        blanked = {}
        for name, columns in (
            ("nodes", NODE_COLUMNS),
            ("edge_features", EDGE_COLUMNS),
            ("graph_features", GRAPH_COLUMNS),
        ):
            blanked[name] = getattr(self, name).clone()
            blanked[name][:, [column.startswith(f"{reading}_") for column in columns]] = 0
        return replace(self, **blanked)

    def select(self, windows: torch.Tensor) -> GraphStore:
        """The store of some windows only ((k,) int64, in the order wanted)."""
        return pick([(self, windows)])


WINDOW_COLUMNS = ("label", "attack_type", "capture", "role", "position", "last_frame", "start", "end")
GATHERED = (
    "node_start", "edge_start", "nodes", "node_frames", "graph_features", "edges", "edge_features", "edge_frames",
    "label",
)  # fmt: skip
_TENSORS = tuple(each.name for each in fields(GraphStore) if each.name not in ("captures", "attack_types"))
_START_OF = {
    **dict.fromkeys(("nodes", "node_id", "node_frames"), "node_start"),
    **dict.fromkeys(("edges", "edge_features", "edge_frames"), "edge_start"),
}


Parts = Sequence[tuple[GraphStore, torch.Tensor]]  # windows of stores that name the same IDs, captures, attack types


def pick(parts: Parts) -> GraphStore:
    """One store of some windows ((k,) int64, in the order wanted) of each of several stores."""
    first = parts[0][0]
    tensors = {name: torch.from_numpy(each.joined()) for name, each in _pieces(parts).items()}
    return GraphStore(**tensors, captures=first.captures, attack_types=first.attack_types)


def _pieces(parts: Parts) -> dict[str, InPieces]:
    """The arrays of ``pick``; windows that follow each other are one piece."""
    stores = [{name: getattr(store, name).numpy() for name in _TENSORS} for store, _ in parts]
    chosen = [windows.numpy() for _, windows in parts]
    runs = [(store, *run) for store, windows in zip(stores, chosen, strict=True) for run in _runs(windows)]
    picked = {"ids": InPieces(stores[0]["ids"].shape, [stores[0]["ids"]])}
    for name in (*_START_OF, "graph_features", *WINDOW_COLUMNS):
        pieces = [stores[0][name][..., :0] if name == "edges" else stores[0][name][:0]]
        for store, first, last in runs:
            if name in _START_OF:
                first, last = store[_START_OF[name]][[first, last]].tolist()
            pieces.append(store[name][..., first:last] if name == "edges" else store[name][first:last])
        if name == "edges":  # all sources come first
            length = sum(piece.shape[1] for piece in pieces)
            picked[name] = InPieces((2, length), [piece[end] for end in (0, 1) for piece in pieces])
        else:
            length = sum(len(piece) for piece in pieces)
            picked[name] = InPieces((length, *pieces[0].shape[1:]), pieces)
    for name in ("node_start", "edge_start"):
        counts = [np.diff(store[name])[windows] for store, windows in zip(stores, chosen, strict=True)]
        start = np.cumsum(np.concatenate([[0], *counts]))
        picked[name] = InPieces(start.shape, [start])
    return picked


def concatenate(stores: Sequence[GraphStore]) -> GraphStore:
    """One store of several that name the same IDs, captures and attack types."""
    return pick([(store, torch.arange(len(store))) for store in stores])


def _runs(windows: np.ndarray) -> list[tuple[int, int]]:
    """[first, last + 1) of the stretches in which each window follows the one before."""
    if not len(windows):
        return []
    breaks = np.flatnonzero(np.diff(windows) != 1)
    first, last = windows[np.append(0, breaks + 1)], windows[np.append(breaks, -1)] + 1
    return list(zip(first.tolist(), last.tolist(), strict=True))


def save_store(path: Path, store: GraphStore) -> None:
    """Write a store as one safetensors file, atomically."""
    save_parts(path, [(store, torch.arange(len(store)))])


def save_parts(path: Path, parts: Parts) -> GraphStore:
    """Write the store that ``pick`` makes of some parts, atomically; what lies in the file then, memory-mapped."""
    first = parts[0][0]
    write_pieces(path, _pieces(parts), captures=first.captures, attack_types=first.attack_types)
    return _mapped(path, unchecked_names)


def load_store(path: Path) -> GraphStore:
    """Open a store, its arrays memory-mapped.

    Raises:
        ArtifactError: the file is missing, damaged (its checksum tells), or made with other features than this
            version computes.
    """
    try:
        store = _mapped(path, read_names)
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: not a graph store ({error}); run the graphs stage again") from None
    for name, columns in (("nodes", NODE_COLUMNS), ("edge_features", EDGE_COLUMNS), ("graph_features", GRAPH_COLUMNS)):
        if getattr(store, name).shape[1] != len(columns):
            raise ArtifactError(f"{path}: {name} has {getattr(store, name).shape[1]} columns, this version computes "
                                f"{len(columns)}; run the graphs stage again")  # fmt: skip
    return store


def _mapped(path: Path, names: Callable[[Path], dict[str, list[str]]]) -> GraphStore:
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in _TENSORS}
    return GraphStore(**tensors, **{name: tuple(each) for name, each in names(path).items()})


def store_of_arrays(**arrays: np.ndarray | tuple[str, ...]) -> GraphStore:
    """A store from numpy arrays, each converted to the type that it is kept in."""
    index = np.int16 if len(arrays["ids"]) <= np.iinfo(np.int16).max else np.int32
    kept = {
        "nodes": np.float16, "edge_features": np.float16, "graph_features": np.float16,
        "node_id": index, "node_frames": np.uint8, "edge_frames": np.uint8, "ids": np.int64,
        "edges": np.uint8, "node_start": np.int64, "edge_start": np.int64,
        "label": np.int64, "attack_type": np.int16, "capture": np.int16, "role": np.int8,
        "position": np.int32, "last_frame": np.int32, "start": np.float64, "end": np.float64,
    }  # fmt: skip
    tensors = {name: torch.from_numpy(np.ascontiguousarray(arrays.pop(name), dtype)) for name, dtype in kept.items()}
    return GraphStore(**tensors, **arrays)
