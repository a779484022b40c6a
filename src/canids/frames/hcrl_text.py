"""HCRL attack-free and OTIDS text.

``Timestamp: 1479121434.850202        ID: 0350    000    DLC: 8    05 28 84 66 6d 00 00 a2``: IDs and bytes in hex; the
number between ID and DLC is 100 for a remote frame. The text carries no labels.
Source: https://ocslab.hksecurity.net/Dataset/CAN-intrusion-dataset (OTIDS) and normal_run_data.txt of Car-Hacking.
"""

from __future__ import annotations

import polars as pl

from canids.frames.grammar import (
    DLC_CHECKS,
    ID_CHECKS,
    OVER_8_BYTES,
    TIME_CHECKS,
    Grammar,
    extended_by_length,
    hexadecimal,
    seconds,
    small_integer,
    without_blanks,
)
from canids.frames.lines import read_lines
from canids.frames.opening import Source
from canids.frames.reading import REMOTE_FRAME, Reading, ReadOptions


def _split(lines: pl.Series) -> pl.DataFrame:
    fields = lines.str.split_exact("    ", 5).struct.rename_fields(list("abcdef")).struct.unnest()
    return fields.select(
        pl.col("a").str.slice(11).alias("time"),
        pl.col("c").str.slice(4).alias("id"),
        pl.col("d").alias("remote"),
        pl.col("e").str.slice(5).alias("dlc"),
        pl.col("f").fill_null("").alias("bytes"),
    )


GRAMMAR = Grammar(
    frame=r"^Timestamp:[ \t]*(?P<time>[0-9]+(?:\.[0-9]*)?)[ \t]+ID:[ \t]*(?P<id>[0-9a-fA-F]+)[ \t]+"
    r"(?P<remote>[01]00)[ \t]+DLC:[ \t]*(?P<dlc>[0-9]+)(?P<bytes>(?:[ \t]+[0-9a-fA-F]{2})*)$",
    usual=r"^Timestamp: [0-9]+\.[0-9]+        ID: [0-9a-fA-F]+    [01]00    DLC: [0-9]"
    r"(?:    [0-9a-fA-F]{2}(?: [0-9a-fA-F]{2})*)?$",
    split=_split,
    values=[
        seconds("time").alias("timestamp"),
        hexadecimal("id").alias("arbitration_id"),
        extended_by_length(pl.col("id").str.len_bytes(), hexadecimal("id")).alias("is_extended"),
        pl.col("remote"),
        small_integer("dlc"),
        without_blanks("bytes").alias("payload"),
        pl.lit(None, pl.Boolean).alias("attack"),
    ],
    checks=[
        *TIME_CHECKS,
        *ID_CHECKS,
        (pl.col("remote") == "100", REMOTE_FRAME),
        *DLC_CHECKS,
        *OVER_8_BYTES,
    ],
    faults=[
        (r"^Timestamp:.*ID:.*DLC:", "not a line of Timestamp, ID and DLC"),
        (r"^Timestamp:[ \t]*[0-9]+(?:\.[0-9]*)?[ \t]", "unreadable timestamp"),
        (r"ID:[ \t]*[0-9a-fA-F]+[ \t]", "ID not hexadecimal"),
        (r"[ \t][01]00[ \t]+DLC:", "remote flag neither 000 nor 100"),
        (r"DLC:[ \t]*[0-9]+(?:[ \t]|$)", "unreadable DLC"),
    ],
    fault="payload not hexadecimal",
)


def read(source: Source, options: ReadOptions) -> Reading:
    """Read a capture; see ``readers.Format``."""
    return read_lines(source, GRAMMAR.parse, options)
