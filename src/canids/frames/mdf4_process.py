"""The process that runs asammdf: ``python -m canids.frames.mdf4_process <MDF4 file> <Arrow file to write>``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import numpy as np
import polars as pl
from asammdf import MDF, Signal

from canids.frames.messages import MESSAGE

KINDS = ("CAN_DataFrame", "CAN_RemoteFrame", "CAN_ErrorFrame")


def main(path: str, out: str) -> None:
    """Write the file's messages (``messages.MESSAGE``); whatever is wrong ends in exit code 1 and one line."""
    logging.disable(logging.CRITICAL)
    try:
        with MDF(path) as log:
            tables = list(_tables(log))
        if not tables:
            raise ValueError(f"no CAN bus logging in it ({', '.join(KINDS)})")
        pl.concat(tables).write_ipc(out)
    except Exception as error:  # of asammdf, on a damaged file, anything
        sys.exit(" ".join(str(error).split()) or type(error).__name__)


def _tables(log: MDF) -> Iterator[pl.DataFrame]:
    start = log.header.start_time.timestamp()
    for number, group in enumerate(log.groups):
        names = {channel.name for channel in group.channels}
        kind = next((kind for kind in KINDS if kind in names), None)
        if kind is not None and group.channel_group.cycles_nr:
            yield _messages(log.get(kind, group=number), kind, start)


def _messages(signal: Signal, kind: str, start: float) -> pl.DataFrame:
    samples = signal.samples
    count = len(samples)

    def field(name: str, default: int | None) -> np.ndarray | list:
        full = f"{kind}.{name}"
        return samples[full].astype(np.int64) if full in samples.dtype.names else [default] * count

    identifier = np.asarray(field("ID", 0))
    # Some loggers write the extended flag into the ID's top bit instead of a field of its own.
    extended = np.asarray(field("IDE", 0)).astype(bool) | (identifier >> 31 & 1).astype(bool)
    length = field("DataLength", None) if kind != "CAN_RemoteFrame" else field("DLC", None)
    data: list[bytes] = [b""] * count
    if kind == "CAN_DataFrame":
        padded = samples[f"{kind}.DataBytes"]
        data = [row[:used].tobytes() for row, used in zip(padded, np.asarray(length).tolist(), strict=True)]
    channel = field("BusChannel", None)
    return pl.DataFrame(
        {
            "timestamp": signal.timestamps.astype(np.float64) + start,
            "arbitration_id": identifier & 0x1FFFFFFF,
            "is_extended": extended,
            "error": [kind == "CAN_ErrorFrame"] * count,
            "remote": [kind == "CAN_RemoteFrame"] * count,
            "dlc": length,
            "data": data,
            "channel": [None if each is None else str(each) for each in channel],
        },
        schema=MESSAGE,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
