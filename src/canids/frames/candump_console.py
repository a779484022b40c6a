"""candump's console view: `` (1436509052.249713)  can0  044   [6]  2A 36 6C 2B BA 00``, with or without the time.

IDs of three hex digits are standard, of eight extended; ``[08]`` has two digits for CAN FD; ``remote request`` and
``ERRORFRAME`` stand behind what is neither. With -a the payload follows once more in quotes, with -x the interface is
followed by the direction and flags.
Source: https://github.com/linux-can/can-utils (candump.c).
"""

from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl

from canids.frames.candump_log import DELTAS, TIME, id_checks, summing_times, times_are_intervals
from canids.frames.grammar import (
    DLC_CHECKS,
    FD_LENGTHS,
    TIME_CHECKS,
    Grammar,
    hexadecimal,
    seconds,
    small_integer,
    without_blanks,
)
from canids.frames.lines import read_lines
from canids.frames.opening import Source
from canids.frames.reading import Reading, ReadOptions


def _grammar(options: ReadOptions) -> Grammar:
    digits = pl.col("id").str.len_bytes()
    date = pl.col("date").str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us").dt.epoch("us") / 1e6
    time = pl.coalesce(seconds("time"), date)  # a date is local time, of which only the differences matter
    return Grammar(
        frame=r"^(?P<start>)(?:\((?:(?P<time>[0-9]+(?:\.[0-9]*)?)|"
        r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?))\)[ \t]+)?"
        r"(?P<interface>[^ \t()\[\]#,;]+)[ \t]+(?:[TR]X [-B] [-E][ \t]+)?(?P<id>[0-9a-fA-F]+)[ \t]+"
        r"\[(?P<dlc>[0-9]{1,2})\](?:[ \t]+(?P<remote>remote request)|(?P<bytes>(?:[ \t]+[0-9a-fA-F]{2})*))"
        r"(?:[ \t]+(?:ERRORFRAME|'.*'))?$",
        values=[
            (pl.coalesce(time, pl.lit(0.0)) if options.frame_interval else time).alias("timestamp"),
            (pl.col("time").is_null() & pl.col("date").is_null()).alias("untimed"),
            hexadecimal("id").alias("arbitration_id"),
            (digits == 8).alias("is_extended"),
            without_blanks("bytes").fill_null("").alias("payload"),
            pl.lit(None, pl.Boolean).alias("attack"),
            pl.col("interface").alias("channel"),
            digits.alias("digits"),
            (pl.col("dlc").str.len_bytes() == 2).alias("is_fd"),
            small_integer("dlc"),
            "remote",
        ],
        checks=[
            *([] if options.frame_interval else [(pl.col("untimed"), "no timestamp")]),
            *TIME_CHECKS,
            *id_checks(options.channel),
            *DLC_CHECKS,
            (~pl.col("is_fd") & (pl.col("dlc") > 8), "payload over 8 bytes"),
            *FD_LENGTHS,
        ],
        faults=[
            (r"\[.*\]", "not a line of interface ID [length] data"),
            (r"^(?:\((?:[0-9]+(?:\.[0-9]*)?|[0-9-]{10} [0-9:.]+)\)|[^(])", "unreadable timestamp"),
            (r"[ \t][0-9a-fA-F]+[ \t]+\[", "ID not hexadecimal"),
            (r"\[[0-9]{1,2}\]", "unreadable DLC"),
        ],
        fault="payload not hexadecimal",
    )


GRAMMAR = _grammar(ReadOptions())


def read(source: Source, options: ReadOptions) -> Reading:
    """Read a capture; see ``readers.Format``. A log without times needs ``options.frame_interval``."""
    parse = _grammar(options).parse
    if times_are_intervals(source.head):
        reading = read_lines(source, summing_times(parse, TIME), options)
        return dataclasses.replace(reading, notes=(DELTAS,))
    reading = read_lines(source, parse, options)
    frames = reading.frames
    if not options.frame_interval or frames.timestamp.any():
        return reading
    times = np.arange(len(frames)) * options.frame_interval
    note = f"no times; one frame every {options.frame_interval:g} s was assumed"
    return dataclasses.replace(reading, frames=dataclasses.replace(frames, timestamp=times), notes=(note,))
