"""Vector ASC: classic frames, CAN FD frames and events side by side, times in seconds since the measurement began.

``2.501 1  C8  Rx  d 8 09 08 …``; ``30.8 CANFD  3 Tx  50005x  name  1 0 f 64 01 02 …`` (BRS, ESI, DLC, bytes, data and
then bit timing). An ``x`` marks extended IDs; the header says whether numbers are hex or decimal, and whether times
count from the line before. Its date is not read (it comes in the locale of the logging machine, with 12 or 24 hours):
times stay relative, which is all that anything here depends on. Some locales write times with a comma.
Source: the ASC logging files format specification of Vector; https://bitbucket.org/tobylorenz/vector_asc
"""

from __future__ import annotations

import re

import polars as pl

from canids.frames.candump_log import summing_times
from canids.frames.grammar import (
    FD_LENGTHS,
    ID_CHECKS,
    ODD_LENGTH,
    TIME_CHECKS,
    Grammar,
)
from canids.frames.lines import first_lines, read_lines
from canids.frames.opening import Source
from canids.frames.reading import ERROR_FRAME, NO_FRAME, OTHER_CHANNEL, REMOTE_FRAME, Reading, ReadOptions
from canids.frames.table_fields import HEX_OF_DECIMAL

TIME = r"^([0-9]+[.,][0-9]+)[ \t]"
BASE = re.compile(r"base[ \t]+(hex|dec)(?:[ \t]+timestamps[ \t]+(absolute|relative))?", re.IGNORECASE)
HEADER = re.compile(r"date[ \t]+\w+[ \t]+\w+|base[ \t]+(hex|dec)|begin[ \t]+triggerblock", re.IGNORECASE)
LENGTH_OF_DLC = [*range(9), 12, 16, 20, 24, 32, 48, 64]
RTR_FLAG = 0x10


def recognises(head: bytes) -> bool:
    """Whether one of the first lines is one of an ASC header."""
    return any(HEADER.match(line) for line in first_lines(head, 20))


def read(source: Source, options: ReadOptions) -> Reading:
    """Read a capture; see ``readers.Format``."""
    base = next(filter(None, map(BASE.match, first_lines(source.head))), None)
    decimal = base is not None and base[1].lower() == "dec"
    parse = _grammar(decimal, options.channel).parse
    if base is not None and (base[2] or "").lower() == "relative":
        parse = summing_times(parse, TIME)
    return read_lines(source, parse, options)


def _grammar(decimal: bool, channel: str | None) -> Grammar:
    number = "[0-9]+" if decimal else "[0-9a-fA-F]+"
    byte = "[0-9]{1,3}" if decimal else "[0-9a-fA-F]{2}"
    base = 10 if decimal else 16
    is_fd = pl.col("fd_id").is_not_null()
    tokens = pl.coalesce("bytes", "rest").str.replace_all(r"[ \t]+", " ").str.strip_chars(" ").str.split(" ")
    told = pl.coalesce(pl.col("dlc").str.to_integer(base=base, strict=False).clip(0, 8), _integer("fd_length"))
    # Behind a CAN FD frame's data stands the bit timing: the length tells where the data ends.
    data = tokens.list.head(told.fill_null(0))
    if decimal:
        data = data.list.eval(pl.element().replace_strict(HEX_OF_DECIMAL, default="?", return_dtype=pl.String))
    return Grammar(
        frame=r"^(?P<time>[0-9]+[.,][0-9]+)[ \t]+(?:"
        rf"(?P<channel>[0-9]+)[ \t]+(?P<id>{number})(?P<x>[xX]?)[ \t]+(?:Rx|Tx|TxRq)[ \t]+"
        rf"(?:(?P<remote>r)(?:[ \t].*)?|d[ \t]+(?P<dlc>{number})(?P<bytes>(?:[ \t]+{byte})*)(?:[ \t]+[A-Za-z]+ = .*)?)|"
        rf"CANFD[ \t]+(?P<fd_channel>[0-9]+)[ \t]+(?:Rx|Tx|TxRq)[ \t]+(?P<fd_id>{number})(?P<fd_x>[xX]?)[ \t]+"
        rf"(?:[A-Za-z_][^ \t]*[ \t]+)?[01][ \t]+[01][ \t]+(?P<fd_dlc>{number})[ \t]+(?P<fd_length>[0-9]+)"
        r"(?P<rest>(?:[ \t]+[0-9a-fA-F]+)*))$",
        values=[
            pl.col("time").str.replace(",", ".", literal=True).cast(pl.Float64, strict=False).alias("timestamp"),
            pl.coalesce("channel", "fd_channel"),
            pl.coalesce("id", "fd_id").str.to_integer(base=base, dtype=pl.UInt64, strict=False).alias("arbitration_id"),
            (pl.coalesce("x", "fd_x").str.len_bytes() == 1).alias("is_extended"),
            data.list.join("").alias("payload"),
            pl.lit(None, pl.Boolean).alias("attack"),
            told.alias("told"),
            pl.col("remote").is_not_null().alias("remote"),
            # A CAN FD line without data is a remote frame unless its DLC is 0 as well.
            (is_fd & (_integer("fd_length") == 0) & (_integer("fd_dlc", base) != 0)).alias("fd_remote"),
            (is_fd & ~_integer("fd_length").is_in(LENGTH_OF_DLC)).alias("odd_fd_length"),
        ],
        checks=[
            *TIME_CHECKS,
            *ID_CHECKS,
            ((pl.col("channel") != channel) if channel else pl.lit(False), OTHER_CHANNEL),
            (pl.col("remote") | pl.col("fd_remote"), REMOTE_FRAME),
            (pl.col("told").is_null() | pl.col("odd_fd_length"), "unreadable DLC"),
            (~pl.col("payload").str.contains("^[0-9a-fA-F]*$"), "byte over 255"),
            (pl.col("payload").str.len_bytes() != 2 * pl.col("told"), "payload not as long as its DLC"),
            *ODD_LENGTH,
            *FD_LENGTHS,
        ],
        left_out=[
            (r"(?i)^[0-9]+[.,][0-9]+[ \t]+(?:CANFD[ \t]+)?[0-9]+[ \t]+(?:(?:Rx|Tx)[ \t]+)?ErrorFrame", ERROR_FRAME),
            (r"^$|^//|^[0-9]+[.,][0-9]+[ \t]+[0-9]+[ \t]+Statistic:", NO_FRAME),
            (r"(?i)^(?:date|base|begin|end|previous|(?:no[ \t]+)?internal)[ \t]", NO_FRAME),
            (r"^[0-9]+[.,][0-9]+[ \t]+CANFD[ \t]", "not a CAN FD frame"),
            (r"^[0-9]+[.,][0-9]+[ \t]+[A-Za-z]", NO_FRAME),
        ],
        faults=[
            (TIME, "unreadable timestamp"),
            (r"^[^ \t]+[ \t]+[0-9]+[ \t]", "no channel"),
            (rf"^[^ \t]+[ \t]+[0-9]+[ \t]+{number}[xX]?[ \t]", f"ID not {'decimal' if decimal else 'hexadecimal'}"),
            (r"[ \t](?:Rx|Tx|TxRq)[ \t]+[dr](?:[ \t]|$)", "neither a data nor a remote frame"),
        ],
        fault=f"payload not {'decimal' if decimal else 'hexadecimal'}",
    )


def _integer(name: str, base: int = 10) -> pl.Expr:
    return pl.col(name).str.to_integer(base=base, strict=False)
