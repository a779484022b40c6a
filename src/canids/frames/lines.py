"""Text logs, line by line yet never in a Python loop: chunks of lines → columns, and what became of each line."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

import numpy as np
import polars as pl
import pyarrow as pa

from canids.errors import CaptureError
from canids.frames.collecting import Collector
from canids.frames.opening import Source
from canids.frames.reading import Reading, ReadOptions

CHUNK = 1 << 24  # bytes that are parsed at once
PIECE = 1 << 12  # lines
BLANKS = " \t\v\f\r"
EMPTY = "empty line"

# Lines → one row each of ``timestamp`` (f64, s), ``arbitration_id`` (u32), ``is_extended``, ``payload`` (hex digits),
# ``attack`` (null: the line does not say), optionally ``kind`` (of attack) and ``channel``, and ``outcome``: null for a
# frame, else why there is none. Where there is an outcome the other columns mean nothing.
Parse = Callable[[pl.Series], pl.DataFrame]
# n whole lines → where each starts ((n + 1,)), whether it is plain ((n,) bool), and columns for ``FrameColumns``.
Plain = Callable[[bytes], tuple[np.ndarray, np.ndarray, Mapping[str, np.ndarray]]]


def read_lines(
    source: Source, parse: Parse, options: ReadOptions, header_lines: int = 0, plain: Plain | None = None
) -> Reading:
    """Read a text log in chunks of bounded size.

    Args:
        header_lines: lines at the beginning that are no data; they count only where lines are numbered.
        plain: reads plain lines, to the same frames and faster than ``parse``, which is given the others only.

    Raises:
        CaptureError: the file cannot be unpacked, or holds no line of data.
    """
    collector = Collector(options.attack_type)
    seen = 0
    with source.stream() as stream:
        for chunk in chunks_of_lines(stream):
            while seen < header_lines and chunk:
                chunk = chunk[chunk.index(b"\n") + 1 :]
                seen += 1
            for lines, columns in _runs(chunk, plain):
                if columns is None:
                    texts = series_of_lines(lines)
                    collector.add(parse(texts), seen + 1, texts.__getitem__)
                    seen += len(texts)
                else:
                    collector.add_frames(columns)
                    seen += len(columns["timestamp"])
    if collector.rows == 0:
        raise CaptureError(f"{source.path}: no line of data below the header")
    return collector.reading()


def _runs(chunk: bytes, plain: Plain | None) -> Iterator[tuple[bytes, Mapping[str, np.ndarray] | None]]:
    """Runs of lines, each with its columns where all of its lines are plain.

    Whether they are is told by the piece, and neighbours that are alike make one run: a line is not worth a call.
    """
    if not chunk:
        return
    if plain is None:
        yield chunk, None
        return
    start, is_plain, columns = plain(chunk)
    pieces = np.logical_and.reduceat(is_plain, np.arange(0, len(is_plain), PIECE))
    borders = [0, *(PIECE * (np.flatnonzero(np.diff(pieces)) + 1)).tolist(), len(is_plain)]
    for first, last in itertools.pairwise(borders):
        mine = {name: values[first:last] for name, values in columns.items()}
        yield chunk[start[first] : start[last]], mine if pieces[first // PIECE] else None


def chunks_of_lines(stream: BinaryIO, size: int = CHUNK) -> Iterator[bytes]:
    """The stream in pieces of whole lines that end in ``\\n``, of about ``size`` bytes unless a line is longer.

    Windows and old Macintosh line ends become ``\\n``; the last line gets one if it has none.
    """
    parts: list[bytes] = []
    held = b""
    while piece := stream.read(size):
        piece = held + piece
        held = b"\r" if piece.endswith(b"\r") else b""  # \r\n may not be torn
        piece = piece.removesuffix(held)
        if b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        cut = piece.rfind(b"\n") + 1
        if cut:
            yield b"".join([*parts, piece[:cut]])
            parts = []
        parts.append(piece[cut:])
    if rest := b"".join(parts):
        yield rest + b"\n"
    elif held:
        yield b"\n"


def series_of_lines(chunk: bytes) -> pl.Series:
    """The lines of a chunk as strings without their ends and without blanks around."""
    if not chunk.isascii():
        # What is no text becomes U+FFFD, which no format reads: it costs its own line alone.
        chunk = chunk.decode("utf-8", "replace").encode()
    ends = np.flatnonzero(np.frombuffer(chunk, np.uint8) == ord("\n"))
    offsets = np.concatenate([np.zeros(1, np.int64), ends + 1])
    lines = pa.LargeStringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(chunk))
    return pl.Series("line", pl.from_arrow(lines)).str.strip_chars(BLANKS + "\n")


def first_lines(head: bytes, count: int = 100) -> tuple[str, ...]:
    """The first lines of a file that are not empty, without blanks around: what text formats are recognised by."""
    # Found one by one: to keep them for the next format would mean to hash the whole head, which takes longer.
    lines = itertools.islice(re.finditer(rb"[^\r\n]+", head), 2 * count)
    texts = (line[0][:100_000].decode("utf-8", "replace").strip(BLANKS) for line in lines)
    return tuple(text for text in texts if text)[:count]
