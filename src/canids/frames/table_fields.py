"""Frames from a table's fields as strings: CSV with a header and Parquet with columns of its own share this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from canids.frames.frames import ATTACK_FREE
from canids.frames.grammar import FD_LENGTHS, ID_CHECKS, ODD_LENGTH, OVER_8_BYTES, TIME_CHECKS, checked
from canids.frames.lines import BLANKS, EMPTY
from canids.frames.table_columns import TableColumns

NORMAL_WORDS = ("0", "0.0", "r", "false", "normal", "benign", "attack-free", "attack_free")
ATTACK_WORDS = ("1", "1.0", "t", "true", "attack", "malicious")
LABELS = dict.fromkeys(NORMAL_WORDS, False) | dict.fromkeys(ATTACK_WORDS, True)
HEX_OF_DECIMAL = {str(value): f"{value:02x}" for value in range(256)}
SPACED_BYTES = r"^[0-9a-fA-F]{2}(?:[ \t]+[0-9a-fA-F]{2})+$"


@dataclass(frozen=True)
class Notation:
    """How a table writes numbers.

    Attributes:
        decimal_ids, decimal_bytes: in decimal digits, not in hex ones.
        decimal_comma: times have a comma where others have a point.
        decorated: fields may have blanks around or within, stand in double quotes, or begin with 0x.
    """

    decimal_ids: bool = False
    decimal_bytes: bool = False
    decimal_comma: bool = False
    decorated: bool = True


def frames_of_fields(fields: pl.DataFrame, columns: TableColumns, notation: Notation) -> pl.DataFrame:
    """Rows (see ``lines.Parse``) of a table of strings; a null field is one that the row lacks.

    Args:
        fields: ``columns.count`` columns and one more, which holds what a row has beyond them (else null).
    """
    names = fields.columns
    complete = fields.to_series(columns.count - 1).is_not_null() & fields.to_series(columns.count).is_null()
    used = [*columns.place.values(), *columns.payload_bytes]
    fields = fields.select(names[place] for place in used)
    if notation.decorated:
        fields = fields.select(_undecorated(pl.col(name)) for name in fields.columns)

    def at(field: str) -> pl.Expr | None:
        return pl.col(names[columns.place[field]]) if field in columns.place else None

    empty = pl.all_horizontal(pl.col(name).fill_null("").str.len_bytes() == 0 for name in fields.columns)
    dlc = at("dlc").cast(pl.Float64, strict=False).cast(pl.UInt8, strict=False) if "dlc" in columns.place else None
    bytes_at = [names[place] for place in columns.payload_bytes]
    if bytes_at:
        payload = _joined(bytes_at, dlc, notation.decimal_bytes)
    else:
        payload = _spaces_out(at("data_field")) if notation.decorated else at("data_field")
    words = fields[names[columns.place["attack"]]].drop_nulls().unique().to_list() if "attack" in columns.place else []
    values = [
        _seconds(at("timestamp"), notation.decimal_comma).alias("timestamp"),
        *_identifier(at("arbitration_id"), notation.decimal_ids),
        payload.fill_null("?").alias("payload"),  # no hex digit
        *_labels(at("attack"), at("attack_type"), words),
        empty.alias("empty"),
        pl.lit(complete).alias("complete"),
    ]
    checks = [
        (~pl.col("complete") & (pl.col("empty") | (columns.count == 1)), EMPTY),
        (~pl.col("complete"), "wrong number of fields"),
        (pl.col("empty"), EMPTY),
        *TIME_CHECKS,
        (pl.col("arbitration_id").is_null(), f"ID not {'decimal' if notation.decimal_ids else 'hexadecimal'}"),
        *ID_CHECKS,
        (pl.col("payload").str.contains(r"[^0-9a-fA-F]"), _not_bytes(bool(bytes_at), notation)),
        *ODD_LENGTH,
        *(OVER_8_BYTES if dlc is None else FD_LENGTHS),  # damage doubles digits too: a long payload needs a witness
    ]
    if dlc is not None:
        values.append(dlc.alias("dlc"))
        checks += [
            (pl.col("dlc").is_null(), "unreadable DLC"),
            (pl.col("payload").str.len_bytes() != 2 * pl.col("dlc").cast(pl.UInt32), "payload not as long as its DLC"),
        ]
    if "attack" in columns.place:
        checks.append((pl.col("attack").is_null(), "label neither 0 nor 1"))
    return checked(fields, values, checks)


def _undecorated(field: pl.Expr) -> pl.Expr:
    plain = field.str.strip_chars(BLANKS).str.replace(r'^"([^"]*)"$', "${1}").str.strip_chars(BLANKS)
    return plain.str.replace(r"^0[xX]", "")


def _seconds(time: pl.Expr | None, decimal_comma: bool) -> pl.Expr:
    if time is None:
        return pl.lit(0.0)
    return (time.str.replace(",", ".", literal=True) if decimal_comma else time).cast(pl.Float64, strict=False)


def _identifier(digits: pl.Expr, decimal: bool) -> list[pl.Expr]:
    number = (
        digits.cast(pl.UInt64, strict=False)
        if decimal
        else digits.str.to_integer(base=16, dtype=pl.UInt64, strict=False)
    )
    number = pl.when(~digits.str.starts_with("+")).then(number)  # a sign is no part of an ID
    extended = number > 0x7FF
    if not decimal:
        extended = extended | (digits.str.len_bytes() == 8)  # loggers write extended IDs with eight digits
    return [number.alias("arbitration_id"), extended.alias("is_extended")]


def _spaces_out(payload: pl.Expr) -> pl.Expr:
    """Hex digits, from bytes that may be spaced; one digit with a blank beside it stays and is refused."""
    joined = payload.str.replace_all(" ", "", literal=True).str.replace_all("\t", "", literal=True)
    return pl.when(payload.str.contains(SPACED_BYTES)).then(joined).otherwise(payload)


def _joined(names: Sequence[str], dlc: pl.Expr | None, decimal: bool) -> pl.Expr:
    """Hex digits of bytes in columns: as many as the DLC says, else up to the first empty one."""
    digits = [_byte(pl.col(name), decimal) for name in names]
    if dlc is not None:
        used = [
            pl.when(dlc > place).then(digit.fill_null("?")).otherwise(pl.lit("")) for place, digit in enumerate(digits)
        ]
        return pl.concat_str(used)
    blank = [pl.col(name).str.len_bytes() == 0 for name in names]
    used = []
    for place, digit in enumerate(digits):
        rest_is_blank = pl.all_horizontal(blank[place:])
        used.append(pl.when(rest_is_blank).then(pl.lit("")).otherwise(digit.fill_null("?")))
    return pl.concat_str(used)


def _byte(text: pl.Expr, decimal: bool) -> pl.Expr:
    if decimal:
        whole = text.str.strip_suffix(".0")
        return whole.replace_strict(HEX_OF_DECIMAL, default=None, return_dtype=pl.String)
    return pl.when(text.str.contains(r"^[0-9a-fA-F]{1,2}$")).then(text.str.pad_start(2, "0"))


def _labels(label: pl.Expr | None, kind: pl.Expr | None, words: Sequence[str]) -> list[pl.Expr]:
    """``attack`` and, where the table tells it, ``kind``; ``words``: every label that occurs."""
    if label is None and kind is None:
        return [pl.lit(None, pl.Boolean).alias("attack")]
    normal = kind.str.to_lowercase().is_in(NORMAL_WORDS) if kind is not None else None
    if label is not None:
        attack = pl.lit(None, pl.Boolean)
        for word in words:  # comparing strings is several times as fast as looking them up
            if word.lower() in LABELS:
                attack = pl.when(label == word).then(LABELS[word.lower()]).otherwise(attack)
    else:
        attack = pl.when(kind.str.len_bytes() > 0).then(~normal)
    if kind is None:
        return [attack.alias("attack")]
    named = pl.when(normal | (kind.str.len_bytes() == 0)).then(pl.lit(ATTACK_FREE)).otherwise(kind)
    return [attack.alias("attack"), named.alias("kind")]


def _not_bytes(in_columns: bool, notation: Notation) -> str:
    return "payload not in decimal bytes" if in_columns and notation.decimal_bytes else "payload not hexadecimal"
