"""candump's log form: ``(1436509052.249713) can0 044#2A366C2BBA00``, as candump -l, cansend and python-can write it.

IDs of three hex digits are standard, of eight extended; ``#R`` is a remote frame, ``##<flags>`` CAN FD, an ID with the
bit 0x20000000 an error frame. Behind the frame may stand the direction (T or R) and a label (1 = injected, CAN-MIRGU).
Times may be absolute, since the start, or since the line before.
Source: https://github.com/linux-can/can-utils (lib.h); ROAD and CAN-MIRGU are published in this form.
"""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import polars as pl

from canids.frames.grammar import (
    FD_LENGTHS,
    LARGEST_ID,
    LARGEST_STANDARD_ID,
    ODD_LENGTH,
    TIME_CHECKS,
    Checks,
    Grammar,
    hexadecimal,
    seconds,
)
from canids.frames.lines import Parse, read_lines
from canids.frames.opening import Source
from canids.frames.reading import ERROR_FRAME, OTHER_CHANNEL, REMOTE_FRAME, Reading, ReadOptions

ERROR_FLAG = 0x20000000
TIME = r"^\(([0-9]+\.[0-9]+)\)"
EARLIEST_DATE = 1e8  # s; a smaller time is no date but an interval
STEPS_BACK_OF_DELTAS = 0.1  # share; of times since the start next to none go back, of intervals about half
DELTAS = "times are intervals between lines; they were summed up"


def id_checks(channel: str | None) -> Checks:
    """Checks of candump's IDs, whose ``digits`` tell what they are."""
    number, digits = pl.col("arbitration_id"), pl.col("digits")
    return [
        ((digits != 3) & (digits != 8), "ID of neither 3 nor 8 digits"),
        ((pl.col("channel") != channel) if channel else pl.lit(False), OTHER_CHANNEL),
        (number & ERROR_FLAG != 0, ERROR_FRAME),
        ((digits == 3) & (number > LARGEST_STANDARD_ID), "standard ID over 11 bits"),
        (number > LARGEST_ID, "ID over 29 bits"),
        (pl.col("remote").is_not_null(), REMOTE_FRAME),
    ]


def _split(lines: pl.Series) -> pl.DataFrame:
    fields = lines.str.splitn(" ", 3).struct.rename_fields(["time", "interface", "frame"]).struct.unnest()
    frame = pl.col("frame").str.splitn("#", 2).struct
    time = pl.col("time")
    return fields.select(
        time.str.slice(1, time.str.len_bytes() - 2),
        "interface",
        frame.field("field_0").alias("id"),
        *(pl.lit(None, pl.String).alias(name) for name in ("remote", "flags", "fd", "label")),
        frame.field("field_1").alias("classic"),
    )


def _grammar(channel: str | None) -> Grammar:
    digits = pl.col("id").str.len_bytes()
    return Grammar(
        frame=r"^\((?P<time>[0-9]+(?:\.[0-9]*)?)\)[ \t]+(?P<interface>[^ \t#]+)[ \t]+(?P<id>[0-9a-fA-F]+)#"
        r"(?:(?P<remote>[rR][0-9a-fA-F]?)|#(?P<flags>[0-9a-fA-F])(?P<fd>[0-9a-fA-F]*)|(?P<classic>[0-9a-fA-F.]*))"
        r"(?:_[0-9a-fA-F])?(?:[ \t]+[TR])?(?:[ \t]+(?P<label>[01]))?$",
        usual=r"^\([0-9]+\.[0-9]+\) [^ \t#]+ [0-9a-fA-F]+#[0-9a-fA-F]*$",
        split=_split,
        values=[
            seconds("time").alias("timestamp"),
            hexadecimal("id").alias("arbitration_id"),
            (digits == 8).alias("is_extended"),
            pl.coalesce("fd", pl.col("classic").str.replace_all(".", "", literal=True), pl.lit("")).alias("payload"),
            (pl.col("label") == "1").alias("attack"),
            pl.col("interface").alias("channel"),
            digits.alias("digits"),
            pl.col("flags").is_not_null().alias("is_fd"),
            "remote",
        ],
        checks=[
            *TIME_CHECKS,
            *id_checks(channel),
            *ODD_LENGTH,
            (~pl.col("is_fd") & (pl.col("payload").str.len_bytes() > 16), "payload over 8 bytes"),
            *FD_LENGTHS,
        ],
        faults=[
            (r"^\(.*\).*#", "not a line of (time) interface ID#data"),
            (r"^\([0-9]+(?:\.[0-9]*)?\)", "unreadable timestamp"),
            (r"^[^)]*\)[ \t]+[^ \t#]+[ \t]", "no interface"),
            (r"^[^#]*[ \t][0-9a-fA-F]+#", "ID not hexadecimal"),
            (r"#(?:[rR][0-9a-fA-F]?|#?[0-9a-fA-F.]*)(?:_[0-9a-fA-F])?(?:[ \t]|$)", "payload not hexadecimal"),
        ],
        fault="text behind the frame",
    )


GRAMMAR = _grammar(None)


def read(source: Source, options: ReadOptions) -> Reading:
    """Read a capture; see ``readers.Format``."""
    parse = _grammar(options.channel).parse
    if not times_are_intervals(source.head):
        return read_lines(source, parse, options)
    reading = read_lines(source, summing_times(parse, TIME), options)
    return dataclasses.replace(reading, notes=(DELTAS,))


def times_are_intervals(head: bytes) -> bool:
    """Whether the times at the beginning of a log are those since the line before (candump -t d)."""
    found = re.findall(TIME.replace("^", r"^[ \t]*").encode(), head, re.MULTILINE)
    times = np.array([float(time) for time in found])
    if len(times) < 3 or times.max() >= EARLIEST_DATE:
        return False
    return bool(np.mean(np.diff(times) < 0) > STEPS_BACK_OF_DELTAS)


def summing_times(parse: Parse, time: str) -> Parse:
    """A parser that sums up the times of all lines, those that are no frames included.

    Args:
        time: pattern of a line's time, its first group, by which even a line that is no frame moves the clock.
    """
    total = 0.0

    def summed(lines: pl.Series) -> pl.DataFrame:
        nonlocal total
        steps = lines.str.extract(time).str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
        times = total + steps.fill_null(0.0).cum_sum()
        total = float(times[-1])
        return parse(lines).with_columns(times.alias("timestamp"))

    return summed
