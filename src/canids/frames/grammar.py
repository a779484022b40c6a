"""Text formats whose every line stands for itself, told as regular expressions (of Rust's regex crate)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from canids.frames.lines import EMPTY, first_lines

LARGEST_ID = 0x1FFFFFFF
LARGEST_STANDARD_ID = 0x7FF


ROW = ("timestamp", "arbitration_id", "is_extended", "payload", "attack", "kind", "channel", "outcome")

Checks = Sequence[tuple[pl.Expr, str]]  # what is wrong where it holds (a null does not), and the outcome it then has


@dataclass(frozen=True)
class Grammar:
    """How a line of a format reads.

    Attributes:
        frame: pattern of a line that holds a frame, with named groups; the first of them takes part in every match.
        values: the columns of ``lines.Parse`` from the groups' columns, and further ones for the checks.
        checks: on the values; the first that holds is the line's outcome.
        usual: pattern of most lines, which ``split`` can take apart; matching a pattern and splitting at a separator
            is four times as fast as finding groups.
        split: such lines → the groups' columns.
        left_out: (pattern, outcome) of other lines that belong to the format.
        faults: (pattern, reason) for what is then left: the reason beside the first pattern that does *not* match.
        fault: the reason if all of them do.
    """

    frame: str
    values: Sequence[pl.Expr]
    checks: Checks
    usual: str | None = None
    split: Callable[[pl.Series], pl.DataFrame] | None = None
    left_out: Sequence[tuple[str, str]] = ()
    faults: Sequence[tuple[str, str]] = ()
    fault: str = "not a line of this format"

    def recognises(self, head: bytes) -> bool:
        """Whether one of a file's first lines holds a frame of this format."""
        return pl.Series(first_lines(head), dtype=pl.String).str.contains(self.frame).any()

    def parse(self, lines: pl.Series) -> pl.DataFrame:
        """Lines → rows, see ``lines.Parse``."""
        if self.usual is None:
            return self._others(lines)
        fits = lines.str.contains(self.usual)
        usual = checked(self.split(lines if fits.all() else lines.filter(fits)), self.values, self.checks)
        if len(usual) == len(lines):
            return usual
        rows = pl.concat([usual, self._others(lines.filter(~fits))])
        order = pl.concat([fits.arg_true(), (~fits).arg_true()])
        return rows[order.arg_sort()]

    def _others(self, lines: pl.Series) -> pl.DataFrame:
        groups = lines.str.extract_groups(self.frame).struct.unnest()
        rows = checked(groups, self.values, self.checks)
        missed = groups.to_series(0).is_null()
        if not missed.any():
            return rows
        why = lines.filter(missed).to_frame("line").select(self._why())
        return rows.with_columns(rows["outcome"].scatter(missed.arg_true(), why.to_series()))

    def _why(self) -> pl.Expr:
        line = pl.col("line")
        chain = pl.when(False).then(pl.lit(EMPTY))
        for pattern, outcome in [*self.left_out, ("^$", EMPTY)]:
            chain = chain.when(line.str.contains(pattern)).then(pl.lit(outcome))
        for pattern, reason in self.faults:
            chain = chain.when(~line.str.contains(pattern)).then(pl.lit(reason))
        return chain.otherwise(pl.lit(self.fault)).alias("outcome")


def checked(fields: pl.DataFrame, values: Sequence[pl.Expr], checks: Checks) -> pl.DataFrame:
    """Rows (see ``lines.Parse``) of what the fields say, with the first reason against each."""
    rows = fields.select(values)
    failed = rows.select(pl.any_horizontal(check.fill_null(False) for check, _ in checks)).to_series()
    outcome = pl.Series("outcome", [None], pl.String).new_from_index(0, len(rows))
    if failed.any():
        chain = pl.when(False).then(pl.lit(None, pl.String))
        for check, reason in checks:
            chain = chain.when(check.fill_null(False)).then(pl.lit(reason))
        reasons = rows.filter(failed).select(chain.otherwise(pl.lit(None, pl.String))).to_series()
        outcome = outcome.scatter(failed.arg_true(), reasons)
    rows = rows.with_columns(outcome)
    return rows.select(name for name in ROW if name in rows.columns)


def seconds(name: str) -> pl.Expr:
    """A column of decimal numbers as float64; null where it is none."""
    return pl.col(name).cast(pl.Float64, strict=False)


def hexadecimal(name: str) -> pl.Expr:
    """A column of hex digits as integer; null where there are too many of them."""
    return pl.col(name).str.to_integer(base=16, dtype=pl.UInt64, strict=False)


def small_integer(name: str) -> pl.Expr:
    """A column of decimal digits as integer; null where there are too many of them."""
    return pl.col(name).cast(pl.UInt32, strict=False)


def without_blanks(name: str) -> pl.Expr:
    """A column of bytes with blanks between as hex digits alone."""
    return pl.col(name).str.replace_all(" ", "", literal=True).str.replace_all("\t", "", literal=True)


def extended_by_length(digits: pl.Expr, number: pl.Expr) -> pl.Expr:
    """Whether an ID is extended where nothing but its spelling tells: standard ones have three or four digits."""
    return (number > LARGEST_STANDARD_ID) | (digits == 8)


# Checks of the columns ``timestamp``, ``arbitration_id``, ``is_extended``, ``payload`` and ``dlc`` (bytes told).
TIME_CHECKS: Checks = [(~pl.col("timestamp").is_finite().fill_null(False), "unreadable timestamp")]
ID_CHECKS: Checks = [
    (pl.col("arbitration_id").is_null() | (pl.col("arbitration_id") > LARGEST_ID), "ID over 29 bits"),
    (~pl.col("is_extended") & (pl.col("arbitration_id") > LARGEST_STANDARD_ID), "standard ID over 11 bits"),
]
ODD_LENGTH: Checks = [(pl.col("payload").str.len_bytes() % 2 == 1, "payload of odd length")]
FD_LENGTHS: Checks = [
    (
        ~(pl.col("payload").str.len_bytes() <= 16)
        & ~pl.col("payload").str.len_bytes().is_in([2 * length for length in (12, 16, 20, 24, 32, 48, 64)]),
        "payload of a length that no frame has",
    )
]
OVER_8_BYTES: Checks = [(pl.col("payload").str.len_bytes() > 16, "payload over 8 bytes")]
DLC_CHECKS: Checks = [
    (pl.col("dlc").is_null(), "unreadable DLC"),
    (pl.col("payload").str.len_bytes() != 2 * pl.col("dlc"), "payload not as long as its DLC"),
]
