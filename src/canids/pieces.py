"""A safetensors file of arrays that are given in pieces.

Each piece goes from where it is to the file, and is hashed on its way: large arrays are neither joined in memory nor
read back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from canids.artifacts import NAMES, NO_CHECKSUM, atomic_path

# numpy's names of types and safetensors', in the order in which it puts arrays of them.
TYPES = {
    "int64": "I64",
    "float64": "F64",
    "int32": "I32",
    "float16": "F16",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
}
ALIGNMENT = 8  # bytes of which the header's length is a multiple


@dataclass(frozen=True)
class InPieces:
    """An array of some shape; its values are those of its pieces (all of one type), one after another."""

    shape: tuple[int, ...]
    pieces: Sequence[np.ndarray]

    @property
    def dtype(self) -> np.dtype:
        return self.pieces[0].dtype

    def joined(self) -> np.ndarray:
        """The array."""
        return np.concatenate([piece.reshape(-1) for piece in self.pieces]).reshape(self.shape)


def write_pieces(path: Path, arrays: Mapping[str, InPieces], **names: Any) -> None:
    """Write what ``artifacts.write_tensors`` would write of the joined arrays, byte by byte, atomically."""
    order = sorted(arrays, key=lambda name: (list(TYPES).index(arrays[name].dtype.name), name))
    head = _head({name: arrays[name] for name in order}, json.dumps({**names, "sha256": NO_CHECKSUM}))
    digest = hashlib.sha256(head)
    with atomic_path(path, synced=False) as beside, beside.open("wb") as file:
        file.write(head)
        for name in order:
            for piece in arrays[name].pieces:
                content = np.ascontiguousarray(piece).reshape(-1).view(np.uint8)
                digest.update(content)
                file.write(content)
        file.seek(head.rindex(NO_CHECKSUM.encode()))
        file.write(digest.hexdigest().encode())


def _head(arrays: Mapping[str, InPieces], names: str) -> bytes:
    """A safetensors file up to its first array: the header's length, and the header."""
    header: dict[str, Any] = {"__metadata__": {NAMES: names}}
    end = 0
    for name, array in arrays.items():
        begin, end = end, end + int(np.prod(array.shape)) * array.dtype.itemsize
        header[name] = {"dtype": TYPES[array.dtype.name], "shape": list(array.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return len(text).to_bytes(8, "little") + text
