"""python-can's CSV: ``timestamp,arbitration_id,extended,remote,error,dlc,data``, the ID as 0x…, the data in base64."""

from __future__ import annotations

import polars as pl

from canids.frames.grammar import DLC_CHECKS, FD_LENGTHS, ID_CHECKS, TIME_CHECKS, Grammar, small_integer
from canids.frames.lines import first_lines, read_lines
from canids.frames.opening import Source
from canids.frames.reading import ERROR_FRAME, REMOTE_FRAME, Reading, ReadOptions

HEADER = "timestamp,arbitration_id,extended,remote,error,dlc,data"
FIELD = r"[^,]*,"
GRAMMAR = Grammar(
    frame=r"^(?P<time>[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?),0[xX](?P<id>[0-9a-fA-F]+),(?P<extended>[01]),"
    r"(?P<remote>[01]),(?P<error>[01]),(?P<dlc>[0-9]+),(?P<data>[0-9a-zA-Z+/]*={0,2})$",
    values=[
        pl.col("time").cast(pl.Float64, strict=False).alias("timestamp"),
        pl.col("id").str.to_integer(base=16, dtype=pl.UInt64, strict=False).alias("arbitration_id"),
        (pl.col("extended") == "1").alias("is_extended"),
        (pl.col("remote") == "1").alias("remote"),
        (pl.col("error") == "1").alias("error"),
        small_integer("dlc"),
        pl.col("data").str.decode("base64", strict=False).bin.encode("hex").fill_null("?").alias("payload"),
        pl.lit(None, pl.Boolean).alias("attack"),
    ],
    checks=[
        *TIME_CHECKS,
        (pl.col("error"), ERROR_FRAME),
        *ID_CHECKS,
        (pl.col("remote"), REMOTE_FRAME),
        (pl.col("payload") == "?", "data not base64"),
        *DLC_CHECKS,
        *FD_LENGTHS,
    ],
    faults=[
        (rf"^(?:{FIELD}){{6}}[^,]*$", "wrong number of fields"),
        (r"^[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?,", "unreadable timestamp"),
        (rf"^{FIELD}0[xX][0-9a-fA-F]+,", "ID not hexadecimal"),
        (rf"^(?:{FIELD}){{2}}[01],[01],[01],", "flag neither 0 nor 1"),
        (rf"^(?:{FIELD}){{5}}[0-9]+,", "unreadable DLC"),
    ],
    fault="data not base64",
)


def recognises(head: bytes) -> bool:
    """Whether the first line is python-can's header."""
    return first_lines(head, 1) == (HEADER,)


def read(source: Source, options: ReadOptions) -> Reading:
    """Read a capture; see ``readers.Format``."""
    return read_lines(source, GRAMMAR.parse, options, header_lines=1)
