"""CSV with a header, columns by name.

- can-train-and-test: ``timestamp,arbitration_id,data_field,attack``
- M-CAN and B-CAN: ``Timestamp, ID, DLC, "7F 00 …", Label``
- Attack & Defense Challenge 2020: ``Timestamp,Arbitration_ID,DLC,Data,Class,SubClass``
- CICIoV2024: decimal bytes in columns of their own
- whatever columns the dataset's config names

Separated by commas, semicolons or tabs; in the latter two a time may have a decimal comma.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from functools import partial

import numpy as np
import polars as pl

from canids.errors import CaptureError
from canids.frames.lines import BLANKS, Plain, first_lines, read_lines
from canids.frames.opening import Source
from canids.frames.reading import Reading, ReadOptions
from canids.frames.table_columns import ALIASES, SEPARATORS, TableColumns, find_columns, plain_name
from canids.frames.table_fields import Notation, frames_of_fields

LONGEST_HEADER = 4096
NAMES = {alias for aliases in ALIASES.values() for alias in aliases}
FIELDS = ("timestamp", "arbitration_id", "data_field", "attack")  # of a table that has plain lines
DECIMAL, HEXADECIMAL = "decimal", "hex"


def recognises(head: bytes) -> bool:
    """Whether the first line is a header that names a field of a frame."""
    header = _header(head)
    return any(plain_name(name) in NAMES for name in _names(header)) if header else False


def names_columns(head: bytes, names: Iterable[str]) -> bool:
    """Whether the first line is a header with any of some columns."""
    header = _header(head)
    wanted = {plain_name(name) for name in names}
    return header is not None and any(plain_name(name) in wanted for name in _names(header))


def read(source: Source, options: ReadOptions) -> Reading:
    """Read a capture; see ``readers.Format``."""
    header = _header(source.head)
    if header is None:
        raise CaptureError(f"{source.path}: not a text file with the columns {', '.join(ALIASES)}")
    separator = _separator(header)
    untimed = options.frame_interval > 0
    columns = find_columns(str(source.path), _names(header), options.columns, untimed)
    fields = [line.split(separator) for line in first_lines(source.head)[1:]]
    notation = _notation(fields, columns, options.number_base, separator)

    def parse(lines: pl.Series) -> pl.DataFrame:
        table = lines.str.split_exact(separator, columns.count).struct.unnest()
        decorated = lines.str.contains(r'[ \t\v\f"xX]').any()
        return frames_of_fields(table, columns, dataclasses.replace(notation, decorated=decorated))

    plain = _plain(columns, notation) if separator == "," else None
    reading = read_lines(source, parse, options, header_lines=1, plain=plain)
    if "timestamp" in columns.place:
        return reading
    times = np.arange(len(reading.frames)) * options.frame_interval
    note = f"no times; one frame every {options.frame_interval:g} s was assumed"
    frames = dataclasses.replace(reading.frames, timestamp=times)
    return dataclasses.replace(reading, frames=frames, notes=(note,))


def _plain(columns: TableColumns, notation: Notation) -> Plain | None:
    """Reads the table's plain lines, where it has the columns for it and no others."""
    if len(columns.place) != columns.count or set(columns.place) != set(FIELDS) or notation.decimal_ids:
        return None
    # Here, for nothing else that reads needs the compiler, which takes longer to import than a small capture to read.
    from canids.frames.plain_csv import plain_lines

    return partial(plain_lines, order=tuple(FIELDS.index(field) for field in sorted(FIELDS, key=columns.place.get)))


def _header(head: bytes) -> str | None:
    """The first line, unless it is no text."""
    line = re.split(rb"[\r\n]", head[:LONGEST_HEADER].lstrip(b"\r\n"), maxsplit=1)[0]
    try:
        header = line.decode().strip(BLANKS)
    except UnicodeDecodeError:
        return None
    return header if header.replace("\t", "").isprintable() and header else None


def _separator(header: str) -> str:
    return max(SEPARATORS, key=header.count)


def _names(header: str) -> list[str]:
    return [name.strip().strip('"').strip() for name in header.split(_separator(header))]


def _notation(rows: list[list[str]], columns: TableColumns, base: str, separator: str) -> Notation:
    """How numbers are written, judged by the first rows where the config does not say."""

    def tokens(places: tuple[int, ...]) -> list[str]:
        found = (row[place].strip(BLANKS + '"') for row in rows if len(row) == columns.count for place in places)
        return [token for token in found if token]

    in_bytes = tokens(columns.payload_bytes)
    in_ids = tokens((columns.place["arbitration_id"],))
    decimal_bytes = base == DECIMAL or (base != HEXADECIMAL and _decimal(in_bytes))
    hexadecimal_ids = base == HEXADECIMAL or any(re.search(r"[a-fA-FxX]|^0.", token) for token in in_ids)
    decimal_ids = base == DECIMAL or (bool(columns.payload_bytes) and decimal_bytes and not hexadecimal_ids)
    return Notation(decimal_ids, decimal_bytes, decimal_comma=separator != ",")


def _decimal(tokens: list[str]) -> bool:
    """Whether bytes are decimal: no letter, no leading zero, and not all of two digits."""
    if any(re.search(r"[a-fA-FxX]|^0[0-9]", token) for token in tokens):
        return False
    return any(len(token) != 2 for token in tokens)
