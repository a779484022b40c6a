"""Frames of binary logs, which come as tables of numbers and bytes."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from canids.frames.collecting import Collector
from canids.frames.grammar import FD_LENGTHS, ID_CHECKS, TIME_CHECKS, Checks, checked
from canids.frames.reading import ERROR_FRAME, OTHER_CHANNEL, REMOTE_FRAME, ReadOptions

AT_ONCE = 200_000  # messages
MESSAGE = {
    "timestamp": pl.Float64,
    "arbitration_id": pl.Int64,
    "is_extended": pl.Boolean,
    "error": pl.Boolean,
    "remote": pl.Boolean,
    "dlc": pl.Int64,  # bytes
    "data": pl.Binary,
    "channel": pl.String,
}


def collect_messages(batches: Iterable[pl.DataFrame], options: ReadOptions) -> Collector:
    """Collect messages.

    Args:
        batches: tables with the columns ``MESSAGE``, nulls where a message has no such value.
    """
    collector = Collector(options.attack_type)
    for batch in batches:
        rows = checked(batch, _values(), _checks(options.channel))
        collector.add(rows, collector.rows + 1, lambda row, batch=batch: str(batch.row(row)))
    return collector


def _values() -> list[pl.Expr]:
    return [
        pl.col("timestamp"),
        pl.col("arbitration_id"),
        pl.col("is_extended").fill_null(False),
        pl.col("error").fill_null(False),
        pl.col("remote").fill_null(False),
        pl.col("dlc"),
        pl.col("data").fill_null(b"").bin.encode("hex").alias("payload"),
        pl.lit(None, pl.Boolean).alias("attack"),
        pl.col("channel"),
    ]


def _checks(channel: str | None) -> Checks:
    return [
        (pl.col("channel").ne_missing(channel) if channel else pl.lit(False), OTHER_CHANNEL),
        (pl.col("error"), ERROR_FRAME),
        *TIME_CHECKS,
        (pl.col("arbitration_id") < 0, "negative ID"),
        *ID_CHECKS,
        (pl.col("remote"), REMOTE_FRAME),
        (
            pl.col("dlc").is_null() | (pl.col("payload").str.len_bytes() != 2 * pl.col("dlc")),
            "payload not as long as its DLC",
        ),
        *FD_LENGTHS,
    ]
