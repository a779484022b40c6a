"""Parquet as a log: the project's own frame table, or any table whose columns are known or named in the config.

IDs may be integers or hex digits; payloads hex digits, binary, lists of bytes, or bytes in columns of their own; binary
and lists may be padded where there is a DLC.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from polars.exceptions import PolarsError

from canids.errors import ArtifactError, CaptureError
from canids.frames.collecting import Collector
from canids.frames.opening import Source
from canids.frames.parquet import FACTS, read_frames
from canids.frames.reading import Reading, ReadOptions
from canids.frames.table_columns import TableColumns, find_columns
from canids.frames.table_fields import HEX_OF_DECIMAL, Notation, frames_of_fields

MAGIC = b"PAR1"
AT_ONCE = 500_000  # rows


def recognises(head: bytes) -> bool:
    return head.startswith(MAGIC)


def read(source: Source, options: ReadOptions) -> Reading:
    """Read a capture; see ``readers.Format``. Rows take the place of lines."""
    with source.file() as path:
        try:
            file = pq.ParquetFile(path)
            if FACTS in (file.schema_arrow.metadata or {}):
                frames, facts = read_frames(path)
                return Reading(frames, len(frames), labelled=bool(facts.get("labelled", True)))
            return _table(source.path, file, options)
        except (pa.ArrowException, PolarsError, ArtifactError, OSError, ValueError, TypeError) as error:
            said = " ".join(str(error).split())[:200]
            raise CaptureError(f"{source.path}: cannot be read as Parquet: {said}") from None


def _table(path: Path, file: pq.ParquetFile, options: ReadOptions) -> Reading:
    columns = find_columns(str(path), file.schema_arrow.names, options.columns)
    names = file.schema_arrow.names
    used = {place: names[place] for place in {*columns.place.values(), *columns.payload_bytes}}
    order = list(used)
    here = TableColumns(
        {field: order.index(place) for field, place in columns.place.items()},
        tuple(order.index(place) for place in columns.payload_bytes),
        len(order),
    )
    collector = Collector(options.attack_type)
    for batch in file.iter_batches(AT_ONCE, columns=list(used.values())):
        batch.validate(full=True)  # polars trusts what it is given, and dies of text that is none
        # Without metadata, which polars decodes as text as well.
        table = pl.from_arrow(pa.table(batch.columns, names=batch.schema.names)).select(used.values())
        notation = _notation(table, here, options.number_base)
        fields = _strings(table, here).with_columns(pl.lit(None, pl.String).alias("beyond the table"))
        rows = frames_of_fields(fields, here, notation)
        collector.add(rows, collector.rows + 1, lambda row, table=table: str(table.row(row)))
    return collector.reading()


def _notation(table: pl.DataFrame, columns: TableColumns, base: str) -> Notation:
    dtypes = table.dtypes
    whole = dtypes[columns.place["arbitration_id"]].is_integer()
    whole_bytes = all(dtypes[place].is_integer() for place in columns.payload_bytes)
    return Notation(decimal_ids=whole or base == "decimal", decimal_bytes=whole_bytes or base == "decimal")


def _strings(table: pl.DataFrame, columns: TableColumns) -> pl.DataFrame:
    """The table as a CSV would have it; nulls as empty fields."""
    made = []
    for place, (name, dtype) in enumerate(table.schema.items()):
        column = pl.col(name)
        if dtype == pl.Binary:
            text = column.bin.encode("hex")
        elif dtype.is_temporal():
            text = (column.cast(pl.Datetime("ns")).dt.epoch("ns") / 1e9).cast(pl.String)
        elif isinstance(dtype, pl.List | pl.Array):
            byte = pl.element().cast(pl.String).replace_strict(HEX_OF_DECIMAL, default="?", return_dtype=pl.String)
            text = column.cast(pl.List(dtype.inner)).list.eval(byte).list.join("")
        else:
            text = column.cast(pl.String)
        padded = place == columns.place.get("data_field") and (
            dtype == pl.Binary or isinstance(dtype, pl.List | pl.Array)
        )
        if padded and "dlc" in columns.place:
            dlc = pl.col(table.columns[columns.place["dlc"]]).cast(pl.UInt8, strict=False)
            text = text.str.slice(0, 2 * dlc.fill_null(0).cast(pl.UInt32))
        made.append(text.fill_null("").alias(name))
    return table.select(made)
