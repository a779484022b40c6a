"""The log formats, told apart by content: the one way from a log file to its frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from canids.errors import CaptureError
from canids.frames import (
    asc,
    blf,
    candump_console,
    candump_log,
    hcrl_csv,
    hcrl_text,
    headed_csv,
    mdf4,
    parquet_log,
    python_can_csv,
    sqlite_log,
    trc,
)
from canids.frames.opening import PACKED_SUFFIXES, Source, open_source
from canids.frames.reading import SECONDS, Reading, ReadOptions


@dataclass(frozen=True)
class Format:
    """A log format.

    Attributes:
        name: what users call it.
        suffixes: of its files, as ``dataset.captures_on_disk`` looks for them.
        recognises: whether a file with this beginning is of the format.
        read: read such a file. Raises CaptureError where the file as a whole cannot be read.
    """

    name: str
    suffixes: tuple[str, ...]
    recognises: Callable[[bytes], bool]
    read: Callable[[Source, ReadOptions], Reading]


# In this order: a format stands before those that would take its files for their own.
FORMATS = (
    Format("Parquet", (".parquet",), parquet_log.recognises, parquet_log.read),
    Format("Vector BLF", (".blf",), blf.recognises, blf.read),
    Format("ASAM MDF4", (".mf4",), mdf4.recognises, mdf4.read),
    Format("python-can SQLite", (".db", ".sqlite"), sqlite_log.recognises, sqlite_log.read),
    Format("Vector ASC", (".asc",), asc.recognises, asc.read),
    Format("PEAK TRC", (".trc",), trc.recognises, trc.read),
    Format("candump log", (".log",), candump_log.GRAMMAR.recognises, candump_log.read),
    Format("HCRL text", (".txt",), hcrl_text.GRAMMAR.recognises, hcrl_text.read),
    Format("candump console", (".txt", ".log"), candump_console.GRAMMAR.recognises, candump_console.read),
    Format("python-can CSV", (".csv",), python_can_csv.recognises, python_can_csv.read),
    Format("CSV with a header", (".csv", ".tsv"), headed_csv.recognises, headed_csv.read),
    Format("HCRL CSV", (".csv", ".txt"), hcrl_csv.GRAMMAR.recognises, hcrl_csv.read),
)
ANY_TEXT = ".txt"
SUFFIXES = tuple(dict.fromkeys(suffix for each in FORMATS for suffix in each.suffixes))


def read_capture(path: Path, options: ReadOptions | None = None) -> Reading:
    """Read a log file of any known format.

    Raises:
        CaptureError: the file is missing, empty, damaged or of no known format.
    """
    options = options or ReadOptions()
    source = open_source(path)
    found = _format_of(source.head)
    if headed_csv.names_columns(source.head, options.columns.values()):
        found = next(each for each in FORMATS if each.read is headed_csv.read)
    if found is None:
        raise CaptureError(f"{path}: {_unknown(source.head)}; known: {', '.join(each.name for each in FORMATS)}")
    reading = found.read(source, options)
    frames, notes = reading.frames, reading.notes
    if len(reading.channels) > 1 and options.channel is None:
        notes += (f"frames of {len(reading.channels)} channels are mixed; choose one with dataset.reading.channel",)
    if options.time_unit != "s":
        frames = dataclasses.replace(frames, timestamp=frames.timestamp * SECONDS[options.time_unit])
    unit = likely_time_unit(frames.timestamp)
    if unit != "s":
        notes += (f"times look like {unit}, not s; if they are, set dataset.reading.time_unit={unit}",)
    return dataclasses.replace(reading, frames=frames, notes=notes, format=found.name)


def capture_name(path: Path) -> str | None:
    """A capture's name: its file's name without the suffixes of format and packing; None if it is no capture.

    Anything may be called ``.txt``: such a file is a capture if its content is one.
    """
    packed = next((suffix for suffix in PACKED_SUFFIXES if path.name.lower().endswith(suffix)), "")
    plain = path.name[: len(path.name) - len(packed)]
    suffix = next((suffix for suffix in SUFFIXES if plain.lower().endswith(suffix)), None)
    if suffix is None or not plain[: -len(suffix)] or (suffix == ANY_TEXT and not _is_log(path)):
        return None
    return plain[: -len(suffix)]


def _format_of(head: bytes) -> Format | None:
    return next((each for each in FORMATS if each.recognises(head)), None)


def _is_log(path: Path) -> bool:
    try:
        return _format_of(open_source(path).head) is not None
    except CaptureError:
        return False


def likely_time_unit(times: np.ndarray) -> str:
    """The unit that times seem to be in, by the median gap: on a bus in use it is between 0.05 ms and 50 ms."""
    gaps = np.diff(times)
    gaps = gaps[gaps > 0]
    if len(gaps) < 100:
        return "s"
    # Whether most gaps are below a bound is told by counting them, at a tenth of what their median costs.
    return next((u for u, scale in SECONDS.items() if 2 * np.count_nonzero(gaps < 0.05 / scale) > len(gaps)), "ns")


def _unknown(head: bytes) -> str:
    if head[1:64:2].count(0) > 24 or head[:64:2].count(0) > 24:
        return "looks like UTF-16 without a byte order mark; convert it to UTF-8"
    if b"\0" in head[:4096]:
        return "a binary file of no known log format"
    return "a text of no known log format"
