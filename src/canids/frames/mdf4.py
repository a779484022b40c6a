"""ASAM MDF4 with CAN bus logging, through asammdf.

asammdf trusts the file: a damaged one may crash its compiled parts or send it round in circles. So it runs in a process
of its own (``mdf4_process``), which ends at worst in a refused file.
Source: ASAM MDF bus logging, https://www.asam.net/standards/detail/mdf/
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from canids.errors import CaptureError
from canids.frames.messages import collect_messages
from canids.frames.opening import Source
from canids.frames.reading import Reading, ReadOptions

MAGIC, VERSION = b"MDF     ", slice(8, 9)
PATIENCE_S, PATIENCE_S_PER_BYTE = 120.0, 1e-5  # asammdf reads some 10 MB/s


def recognises(head: bytes) -> bool:
    return head.startswith(MAGIC) and head[VERSION] == b"4"


def read(source: Source, options: ReadOptions) -> Reading:
    """Read a capture; see ``readers.Format``. Records take the place of lines; they are merged by time."""
    with source.file() as path, tempfile.TemporaryDirectory(prefix="canids-") as folder:
        out = Path(folder) / "messages.arrow"
        command = [sys.executable, "-m", "canids.frames.mdf4_process", str(path), str(out)]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE_S + PATIENCE_S_PER_BYTE * path.stat().st_size,
            )
        except subprocess.TimeoutExpired as error:
            raise CaptureError(f"{source.path}: cannot be read as MDF4: no end after {error.timeout:.0f} s") from None
        if done.returncode:
            said = done.stderr.strip().splitlines()[-1:] or [f"asammdf crashed ({done.returncode})"]
            raise CaptureError(f"{source.path}: cannot be read as MDF4: {said[0][:200]}")
        reading = collect_messages([pl.read_ipc(out)], options).reading()
    order = np.argsort(reading.frames.timestamp, kind="stable")
    return dataclasses.replace(reading, frames=reading.frames.take(order))
