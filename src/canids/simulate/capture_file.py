"""A capture as a log file, in the columns of the public datasets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from canids.artifacts import atomic_path
from canids.frames.frames import Frames


def write_capture(path: Path, frames: Frames) -> None:
    """Write frames as CSV, atomically.

    Columns: ``timestamp`` (s, six decimals), ``arbitration_id`` (upper-case hex, three digits, or eight for an extended
    ID), ``data_field`` (upper-case hex, two digits a byte, may be empty), ``attack`` (1 = injected).
    """
    table = pl.DataFrame(
        {
            "timestamp": frames.timestamp,
            "arbitration_id": _id_column(frames),
            "data_field": _payload_column(frames),
            "attack": frames.attack.astype(np.uint8),
        }
    )
    with atomic_path(path) as beside:
        table.write_csv(beside, float_precision=6, quote_style="never")


def _id_column(frames: Frames) -> pl.Series:
    numbers, inverse = np.unique(frames.arbitration_id.astype(np.int64) << 1 | frames.is_extended, return_inverse=True)
    names = [f"{number >> 1:08X}" if number & 1 else f"{number >> 1:03X}" for number in numbers.tolist()]
    return pl.Series(names, dtype=pl.String).gather(inverse)


def _payload_column(frames: Frames) -> pl.Series:
    used = np.arange(8) < frames.dlc[:, None]
    offsets = np.zeros(len(frames) + 1, np.int64)
    np.cumsum(frames.dlc, out=offsets[1:])
    values = np.ascontiguousarray(frames.payload[used])
    binary = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(frames), [None, pa.py_buffer(offsets), pa.py_buffer(values)]
    )
    return pl.Series("data_field", binary).bin.encode("hex").str.to_uppercase()
