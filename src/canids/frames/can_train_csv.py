"""Reader of the can-train-and-test CSV layout: ``timestamp,arbitration_id,data_field,attack``, plain or gzipped."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as pc

from canids.errors import CaptureError
from canids.frames.frames import ATTACK_FREE, Frames

COLUMNS = ("timestamp", "arbitration_id", "data_field", "attack")
EXAMPLES = 10
LONGEST_HEADER = 4096
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
BLANKS = " \t\v\f\r"


@dataclass(frozen=True)
class Reading:
    """What a reader made of a log file: frames in file order, and each line it could not use.

    Attributes:
        lines: data lines in the file; ``len(frames)`` + the rejected ones.
        rejected: reason → number of lines.
        examples: the first rejected lines as (line number, reason, text).
    """

    frames: Frames
    lines: int
    rejected: dict[str, int] = field(default_factory=dict)
    examples: list[tuple[int, str, str]] = field(default_factory=list)


def read_can_train_csv(path: Path, attack_type: str = ATTACK_FREE) -> Reading:
    """Read a capture.

    Args:
        path: the file.
        attack_type: name of the attack that frames labelled 1 belong to.

    Raises:
        CaptureError: the file is empty, damaged, or lacks one of ``COLUMNS``.
    """
    table, wrong_fields = _split_into_fields(Path(path))
    parsed = pl.from_arrow(table.select(COLUMNS)).select(_conversions())
    reason = parsed["reason"]
    good = reason.is_null().to_numpy()
    rejected = Counter(dict(reason.drop_nulls().value_counts().iter_rows()))
    rejected.update(why for _, why, _ in wrong_fields)
    examples = wrong_fields + _examples(table, reason, [line for line, _, _ in wrong_fields])
    return Reading(
        frames=_frames(parsed.filter(good), attack_type),
        lines=len(table) + len(wrong_fields),
        rejected=dict(sorted(rejected.items())),
        examples=sorted(examples)[:EXAMPLES],
    )


def _split_into_fields(path: Path) -> tuple[pa.Table, list[tuple[int, str, str]]]:
    """The file's fields as strings, and the lines that have too few or too many of them."""
    wrong_fields = []

    def note(row: pc.InvalidRow) -> str:
        reason = "wrong number of fields" if row.text.strip() else "empty line"
        wrong_fields.append((row.number + 1, reason, row.text))  # the header is line 1
        return "skip"

    if not path.is_file():
        raise CaptureError(f"{path}: there is no such file")
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            text = stream.read_buffer()
        names = _header(path, text)
        table = pc.read_csv(
            pa.BufferReader(text.slice(_header_end(text))),
            # One thread: lines keep their numbers, and captures are ingested side by side. Bytes that are no text
            # become some Latin-1 letter, which then fails in its own line alone.
            read_options=pc.ReadOptions(
                use_threads=False,
                column_names=names,
                encoding="utf8" if memoryview(text).tobytes().isascii() else "latin1",
            ),
            parse_options=pc.ParseOptions(quote_char=False, ignore_empty_lines=False, invalid_row_handler=note),
            convert_options=pc.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string())),
        )
    except (pa.ArrowException, OSError) as error:
        raise CaptureError(f"{path}: cannot be read as CSV: {error}") from None
    if len(table) + len(wrong_fields) == 0:
        raise CaptureError(f"{path}: no line of data below the header")
    return table, wrong_fields


def _header_end(text: pa.Buffer) -> int:
    """Where the data begins: behind the first line."""
    newline = text.slice(0, min(text.size, LONGEST_HEADER)).to_pybytes().find(b"\n")
    return newline + 1 if newline >= 0 else text.size


def _header(path: Path, text: pa.Buffer) -> list[str]:
    """The column names."""
    if text.size == 0:
        raise CaptureError(f"{path}: the file is empty")
    header = text.slice(0, min(_header_end(text), LONGEST_HEADER)).to_pybytes().removeprefix(BYTE_ORDER_MARK).strip()
    if not header.isascii() or not header.decode("ascii").isprintable():
        raise CaptureError(f"{path}: not a text file with the columns {', '.join(COLUMNS)}")
    found = [name.strip() for name in header.decode("ascii").split(",")]
    twice = sorted({name for name in COLUMNS if found.count(name) > 1})
    if twice:
        raise CaptureError(f"{path}: column {', '.join(twice)} stands in the header twice")
    missing = [name for name in COLUMNS if name not in found]
    if missing:
        raise CaptureError(
            f"{path}: missing column{'s' * (len(missing) > 1)} {', '.join(missing)} (found: {', '.join(found)[:200]})"
        )
    if _header_end(text) == text.size:
        raise CaptureError(f"{path}: no line of data below the header")
    return found


def _conversions() -> list[pl.Expr]:
    timestamp, arbitration_id, payload, attack = (pl.col(name).str.strip_chars(BLANKS) for name in COLUMNS)
    seconds = timestamp.cast(pl.Float64, strict=False)
    number = arbitration_id.str.to_integer(base=16, dtype=pl.UInt64, strict=False)
    # Zero-padded on the right, eight bytes are one big-endian integer.
    packed = payload.str.pad_end(16, "0").str.to_integer(base=16, dtype=pl.UInt64, strict=False)
    label = attack.cast(pl.Float64, strict=False)
    digits = payload.str.len_bytes()
    empty = pl.all_horizontal(pl.col(name).str.len_bytes() == 0 for name in COLUMNS)
    reason = (
        pl.when(empty)
        .then(pl.lit("empty line"))
        .when(~seconds.is_finite().fill_null(False))
        .then(pl.lit("unreadable timestamp"))
        .when(number.is_null() | arbitration_id.str.starts_with("+"))
        .then(pl.lit("ID not hexadecimal"))
        .when(number > 0x1FFFFFFF)
        .then(pl.lit("ID over 29 bits"))
        .when(digits > 16)
        .then(pl.lit("payload over 8 bytes"))
        .when(packed.is_null() | payload.str.starts_with("+"))
        .then(pl.lit("payload not hexadecimal"))
        .when(digits % 2 == 1)
        .then(pl.lit("payload of odd length"))
        .when(~label.is_in([0.0, 1.0]).fill_null(False))
        .then(pl.lit("label neither 0 nor 1"))
    )
    return [
        seconds.alias("timestamp"),
        number.alias("arbitration_id"),
        # Standard identifiers have up to three digits; loggers write extended ones with eight.
        ((number > 0x7FF) | (arbitration_id.str.len_bytes() == 8)).alias("is_extended"),
        packed.alias("payload"),
        (digits // 2).alias("dlc"),
        (label == 1).alias("attack"),
        reason.alias("reason"),
    ]


def _frames(parsed: pl.DataFrame, attack_type: str) -> Frames:
    attack = parsed["attack"].to_numpy()
    return Frames(
        timestamp=parsed["timestamp"].to_numpy(),
        arbitration_id=parsed["arbitration_id"].to_numpy().astype(np.uint32),
        is_extended=parsed["is_extended"].to_numpy(),
        dlc=parsed["dlc"].to_numpy().astype(np.uint8),
        payload=parsed["payload"].to_numpy().astype(">u8").view(np.uint8).reshape(-1, 8),
        attack=attack,
        attack_type=attack.astype(np.int8),
        attack_types=(ATTACK_FREE, attack_type),
    )


def _examples(table: pa.Table, reason: pl.Series, skipped: list[int]) -> list[tuple[int, str, str]]:
    rows = np.flatnonzero(reason.is_not_null().to_numpy())[:EXAMPLES]
    if not len(rows):
        return []
    # Line 1 is the header; each skipped line before a row pushes it down by one.
    lines = np.setdiff1d(np.arange(2, len(table) + len(skipped) + 2), skipped, assume_unique=True)
    texts = table.take(rows).to_pylist()
    return [
        (int(lines[row]), reason[int(row)], ",".join(str(value) for value in text.values()))
        for row, text in zip(rows, texts, strict=True)
    ]
