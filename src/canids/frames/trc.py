"""PEAK TRC, versions 1.0 to 2.1: a line a message, times in milliseconds since the start that the header tells.

The version and, from 2.0 on, the columns stand in the header (``;$FILEVERSION=2.1``, ``;$COLUMNS=N,O,T,B,I,d,R,L,D``);
without a version it is 1.0. IDs of up to four digits are standard, of eight extended.
Source: PEAK CAN TRC file format (PCAN-Trace), https://www.peak-system.com
"""

from __future__ import annotations

import re

import polars as pl

from canids.errors import CaptureError
from canids.frames.asc import LENGTH_OF_DLC
from canids.frames.grammar import (
    DLC_CHECKS,
    FD_LENGTHS,
    ID_CHECKS,
    TIME_CHECKS,
    Checks,
    Grammar,
    extended_by_length,
    hexadecimal,
    small_integer,
    without_blanks,
)
from canids.frames.lines import first_lines, read_lines
from canids.frames.opening import Source
from canids.frames.reading import ERROR_FRAME, NO_FRAME, OTHER_CHANNEL, REMOTE_FRAME, Reading, ReadOptions

HEADER = re.compile(r";\$FILEVERSION|;[ \t]*Message Number", re.IGNORECASE)
VERSION_1_0 = re.compile(r"[0-9]+\)[ \t]+[0-9]+(?:\.[0-9]+)?[ \t]+[0-9A-F]{4,8}[ \t]+[0-8][ \t]")
EXCEL_EPOCH_S = -2_209_161_600.0  # 1899-12-30 in Unix time, from which the header counts days
NUMBER, TIME, ID = r"(?P<number>[0-9]+)\)?", r"(?P<time>[0-9]+(?:\.[0-9]*)?)", "(?P<id>[0-9a-fA-F]+)"
LENGTH, REMOTE, DATA = "(?P<dlc>[0-9]+)", "(?P<remote>RTR)", "(?P<bytes>(?:{blank}[0-9a-fA-F]{{2}})*)"
COLUMNS = {
    "1.0": (NUMBER, TIME, ID, LENGTH),
    "1.1": (NUMBER, TIME, "(?:Rx|Tx)", ID, LENGTH),
    "1.2": (NUMBER, TIME, "(?P<channel>[0-9]+)", "(?:Rx|Tx)", ID, LENGTH),
    "1.3": (NUMBER, TIME, "(?P<channel>[0-9]+)", "(?:Rx|Tx)", ID, "[^ \t]+", LENGTH),
}
OF_LETTER = {
    "N": NUMBER,
    "O": TIME,
    "T": "(?P<type>DT|FD|FB|FE|BI|RR)",
    "B": "(?P<channel>[0-9]+)",
    "I": ID,
    "l": LENGTH,
    "L": LENGTH,
}
DEFAULT_LETTERS = {"2.0": "N,O,T,I,d,l,D", "2.1": "N,O,T,B,I,d,R,L,D"}
BLANK = "[ \t]+"


def recognises(head: bytes) -> bool:
    """Whether a header of TRC, or a line of version 1.0, is among the first lines."""
    return any(HEADER.match(line) or VERSION_1_0.match(line) for line in first_lines(head, 40))


def read(source: Source, options: ReadOptions) -> Reading:
    """Read a capture; see ``readers.Format``."""
    header = [line for line in first_lines(source.head) if line.startswith(";$")]
    told = dict(line[2:].split("=", 1) for line in header if "=" in line)
    version = told.get("FILEVERSION", "1.0").strip()
    letters = (told.get("COLUMNS") or DEFAULT_LETTERS.get(version, "")).strip()
    try:
        start = float(told["STARTTIME"]) * 86_400 + EXCEL_EPOCH_S
    except (KeyError, ValueError):
        start = 0.0
    columns = _columns(version, letters)
    names = re.findall(r"\?P<(\w+)>", " ".join(columns))
    if not {"time", "id", "dlc"} <= set(names) or len(set(names)) < len(names):
        raise CaptureError(f"{source.path}: the header's columns ({letters}) do not tell time, ID and length once each")
    length_code = version not in COLUMNS and "L" in letters
    return read_lines(source, _grammar(version, columns, names, length_code, start, options.channel).parse, options)


def _columns(version: str, letters: str) -> list[str]:
    """Patterns of the columns but the data."""
    if letters and version not in COLUMNS:
        told = [letter.strip() for letter in letters.split(",")]
        return [OF_LETTER.get(letter, "[^ \t]+") for letter in told if letter != "D"]
    return list(COLUMNS.get(version, COLUMNS["1.0"]))


def _grammar(
    version: str, columns: list[str], names: list[str], length_code: bool, start: float, channel: str | None
) -> Grammar:
    frame = BLANK.join(columns)
    data = DATA.format(blank=BLANK)
    dlc = small_integer("dlc")
    if length_code:
        dlc = dlc.replace_strict(dict(enumerate(LENGTH_OF_DLC)), default=None, return_dtype=pl.UInt32)
    remote = pl.col("remote").is_not_null() | (pl.col("type") == "RR" if "type" in names else pl.lit(False))
    checks: Checks = [*TIME_CHECKS, *ID_CHECKS, (pl.col("remote"), REMOTE_FRAME), *DLC_CHECKS, *FD_LENGTHS]
    if "channel" in names and channel:
        checks = [(pl.col("channel") != channel, OTHER_CHANNEL), *checks]
    return Grammar(
        frame=rf"^{frame}(?:{BLANK}{REMOTE}|{data})$",
        values=[
            (pl.col("time").cast(pl.Float64, strict=False) / 1000 + start).alias("timestamp"),
            hexadecimal("id").alias("arbitration_id"),
            extended_by_length(pl.col("id").str.len_bytes(), hexadecimal("id")).alias("is_extended"),
            dlc.alias("dlc"),
            without_blanks("bytes").fill_null("").alias("payload"),
            pl.lit(None, pl.Boolean).alias("attack"),
            remote.alias("remote"),
            *(["channel"] if "channel" in names else []),
        ],
        checks=checks,
        left_out=[
            (r"^$|^;", NO_FRAME),
            (rf"^[0-9]+\)?{BLANK}[0-9.]+{BLANK}(?:[0-9]+{BLANK})?(?:Error|ER)(?:[ \t]|$)", ERROR_FRAME),
            (rf"^[0-9]+\)?{BLANK}[0-9.]+{BLANK}(?:[0-9]+{BLANK})?(?:Warng|ST|EC|EV)(?:[ \t]|$)", NO_FRAME),
            (rf"^[0-9]+\){BLANK}[0-9.]+{BLANK}FFFFFFFF{BLANK}", NO_FRAME),  # the bus's state in version 1.0
        ],
        faults=[
            (rf"^[0-9]+\)?{BLANK}", "no message number"),
            (rf"^[0-9]+\)?{BLANK}[0-9]+(?:\.[0-9]*)?{BLANK}", "unreadable timestamp"),
            (rf"^{frame}(?:[ \t]|$)", f"not a message of version {version}"),
        ],
        fault="payload not hexadecimal",
    )
