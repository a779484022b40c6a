"""Labels from a file of attack intervals, for logs that carry none: CSV, or ROAD's capture_metadata.json."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from canids.errors import DatasetError
from canids.frames.frames import ATTACK_FREE, Frames

COLUMNS = ("capture", "start", "end")
EARLIEST_DATE = 1e8  # s; a smaller start counts from the capture's first frame
ANY_ID = "XXX"
WILDCARD = "X"


@dataclass(frozen=True)
class AttackInterval:
    """Frames that are attacks.

    Attributes:
        start, end: seconds since the first frame, or dates as the log's own.
        arbitration_ids: their IDs; empty for any.
        pattern: hex digits of their payload, ``X`` for any digit; empty for any payload.
        kind: attack type; empty where the dataset's config tells it.
    """

    start: float
    end: float
    arbitration_ids: tuple[int, ...] = ()
    pattern: str = ""
    kind: str = ""


def intervals_of_file(path: Path, capture: str) -> list[AttackInterval]:
    """The intervals that a file lists for a capture.

    Args:
        path: CSV with the columns ``COLUMNS`` and optionally ``arbitration_ids`` (hex, separated by blanks) and
            ``kind``; or JSON that maps captures to ``injection_interval``, ``injection_id`` and
            ``injection_data_str`` (null where nothing was injected).
        capture: its name.

    Raises:
        DatasetError: the file is missing, damaged or neither.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return _of_json(text, capture) if text.lstrip().startswith("{") else _of_csv(text, capture)
    except (OSError, ValueError, TypeError, AttributeError, PolarsError) as error:
        said = " ".join(str(error).split())[:200]
        raise DatasetError(
            f"{path}: neither a CSV of attack intervals ({', '.join(COLUMNS)}) nor ROAD's metadata: {said}"
        ) from None


def label_by_intervals(frames: Frames, intervals: Sequence[AttackInterval], attack_type: str) -> Frames:
    """The frames, those within the intervals labelled besides those that are; ``frames`` is in time order."""
    attack, kind, kinds = frames.attack.copy(), frames.attack_type.copy(), list(frames.attack_types)
    for interval in intervals:
        hit = _hits(frames, interval)
        name = interval.kind or attack_type
        if name not in kinds[1:]:
            kinds.append(name)
        kind[hit & ~attack] = kinds.index(name, 1)
        attack |= hit
    return replace(frames, attack=attack, attack_type=kind, attack_types=tuple(kinds or [ATTACK_FREE]))


def _hits(frames: Frames, interval: AttackInterval) -> np.ndarray:
    start = 0.0 if interval.start >= EARLIEST_DATE else frames.timestamp[0]
    # ROAD's intervals are the times of the first and last injected frame, rounded to a microsecond.
    first, last = (start + seconds for seconds in (interval.start - 1e-6, interval.end + 1e-6))
    hit = (frames.timestamp >= first) & (frames.timestamp <= last)
    if interval.arbitration_ids:
        hit &= np.isin(frames.arbitration_id, interval.arbitration_ids)
    if interval.pattern:
        payload = frames.payload if frames.payload_fd is None else frames.payload_fd
        digits = interval.pattern
        hit &= frames.dlc * 2 == len(digits)
        for place, digit in enumerate(digits):
            if digit != WILDCARD:
                nibble = payload[:, place // 2] >> (4 if place % 2 == 0 else 0) & 0xF
                hit &= nibble == int(digit, 16)
    return hit


def _of_csv(text: str, capture: str) -> list[AttackInterval]:
    rows = pl.read_csv(text.encode(), infer_schema=False)
    missing = [name for name in COLUMNS if name not in rows.columns]
    if missing:
        raise ValueError(f"missing column {', '.join(missing)}")
    return [
        _interval(row["start"], row["end"], row.get("arbitration_ids"), "", row.get("kind"))
        for row in rows.filter(pl.col("capture") == capture).iter_rows(named=True)
    ]


def _of_json(text: str, capture: str) -> list[AttackInterval]:
    facts = json.loads(text).get(capture) or {}
    span = facts.get("injection_interval")
    if not span:
        return []
    start, end = span
    number = facts.get("injection_id")
    number = "" if number in (None, ANY_ID) else str(number)
    return [_interval(start, end, number, facts.get("injection_data_str"), "")]


def _interval(start, end, ids: str | None, pattern: str | None, kind: str | None) -> AttackInterval:
    start, end = float(start), float(end)
    if not (math.isfinite(start) and math.isfinite(end) and start <= end):
        raise ValueError(f"no interval: {start} to {end}")
    pattern = (pattern or "").upper()
    if not re.fullmatch(r"([0-9A-FX]{2})*", pattern):
        raise ValueError(f"no payload pattern: {pattern!r}")
    pattern = pattern if pattern.strip(WILDCARD) else ""
    return AttackInterval(start, end, tuple(int(each, 16) for each in (ids or "").split()), pattern, kind or "")
