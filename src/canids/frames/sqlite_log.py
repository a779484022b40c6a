"""python-can's SQLite log: the table ``messages`` with ts, arbitration_id, extended, remote, error, dlc and data."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import polars as pl

from canids.errors import CaptureError
from canids.frames.messages import AT_ONCE, MESSAGE, collect_messages
from canids.frames.opening import Source
from canids.frames.reading import Reading, ReadOptions

MAGIC = b"SQLite format 3\0"
QUERY = "SELECT ts, arbitration_id, extended, remote, error, dlc, data FROM messages"
NUMBERS = ("arbitration_id", "is_extended", "remote", "error", "dlc")


def recognises(head: bytes) -> bool:
    return head.startswith(MAGIC)


def read(source: Source, options: ReadOptions) -> Reading:
    """Read a capture; see ``readers.Format``. Rows take the place of lines."""
    with source.file() as path:
        try:
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
            try:
                return collect_messages(_batches(connection.execute(QUERY)), options).reading()
            finally:
                connection.close()
        except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:  # the last from damage in the schema's text
            raise CaptureError(f"{source.path}: cannot be read as python-can's SQLite log: {error}") from None


def _batches(cursor: sqlite3.Cursor) -> Iterator[pl.DataFrame]:
    while rows := cursor.fetchmany(AT_ONCE):
        time, *numbers, data = zip(*rows, strict=True)
        # SQLite keeps whatever type was written: what is of another becomes null, and fails in its own row.
        columns = {"timestamp": [each if isinstance(each, int | float) else None for each in time]}
        for name, values in zip(NUMBERS, numbers, strict=True):
            columns[name] = [each if isinstance(each, int) else None for each in values]
        columns["data"] = [each if isinstance(each, bytes) else None for each in data]
        columns["channel"] = [None] * len(rows)
        yield pl.DataFrame(columns, schema_overrides={"data": pl.Binary}, strict=False).cast(MESSAGE)
