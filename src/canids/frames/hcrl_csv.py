"""HCRL Car-Hacking and Survival CSV: ``1478198376.389427,0316,8,05,21,68,09,21,21,00,6f,R``, without a header.

As many byte columns as the DLC says, so that the flag stands elsewhere on every line: R a frame of the vehicle, T an
injected one. Lines without a flag (some attack-free files) are unlabelled. IDs and bytes are hexadecimal.
Source: https://ocslab.hksecurity.net/Datasets/car-hacking-dataset and .../survival-ids
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
)
from canids.frames.lines import read_lines
from canids.frames.opening import Source
from canids.frames.reading import Reading, ReadOptions


def _split(lines: pl.Series) -> pl.DataFrame:
    fields = lines.str.splitn(",", 4).struct.rename_fields(["time", "id", "dlc", "rest"]).struct.unnest()
    rest = pl.col("rest")
    # Either "R" alone or "05,21,R".
    return fields.select(
        "time",
        "id",
        "dlc",
        rest.str.slice(0, rest.str.len_bytes() - 1).alias("bytes"),
        rest.str.slice(-1).alias("flag"),
    )


GRAMMAR = Grammar(
    frame=r"^(?P<time>[0-9]+(?:\.[0-9]*)?),(?P<id>[0-9a-fA-F]+),(?P<dlc>[0-9])(?P<bytes>(?:,[0-9a-fA-F]{2})*)"
    r"(?:,(?P<flag>[RT]))?$",
    usual=r"^[0-9]+(?:\.[0-9]*)?,[0-9a-fA-F]+,[0-9](?:,[0-9a-fA-F]{2})*,[RT]$",
    split=_split,
    values=[
        seconds("time").alias("timestamp"),
        hexadecimal("id").alias("arbitration_id"),
        extended_by_length(pl.col("id").str.len_bytes(), hexadecimal("id")).alias("is_extended"),
        small_integer("dlc"),
        pl.col("bytes").str.replace_all(",", "", literal=True).alias("payload"),
        (pl.col("flag") == "T").alias("attack"),
    ],
    checks=[*TIME_CHECKS, *ID_CHECKS, *DLC_CHECKS, *OVER_8_BYTES],
    faults=[
        (r"^[^,]*,[^,]*,[^,]*", "wrong number of fields"),
        (r"^[0-9]+(?:\.[0-9]*)?,", "unreadable timestamp"),
        (r"^[^,]*,[0-9a-fA-F]+,", "ID not hexadecimal"),
        (r"^[^,]*,[^,]*,[0-9](?:,|$)", "unreadable DLC"),
        (r",[RT]$", "flag neither R nor T"),
    ],
    fault="payload not hexadecimal",
)


def read(source: Source, options: ReadOptions) -> Reading:
    """Read a capture; see ``readers.Format``."""
    return read_lines(source, GRAMMAR.parse, options)
