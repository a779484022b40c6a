"""Attack spans of a capture: from its labels, and from a file where an attack labels no frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from canids.errors import DatasetError
from canids.frames.frames import AttackSpan, Frames, distinct_ids

BURST_GAP_S = 1.0  # injected frames further apart belong to two bursts
MOST_IDS = 8  # a span that uses more IDs than this names none
COLUMNS = ("capture", "start", "end", "kind", "arbitration_ids")


def spans_of_labels(frames: Frames) -> list[AttackSpan]:
    """Bursts of labelled frames: stretches without a pause of more than ``BURST_GAP_S``."""
    at = np.flatnonzero(frames.attack)
    if not len(at):
        return []
    seconds = frames.timestamp - frames.timestamp[0]
    breaks = np.flatnonzero(np.diff(seconds[at]) > BURST_GAP_S) + 1
    return [_span(frames, seconds, burst) for burst in np.split(at, breaks)]


def spans_of_file(path: Path, capture: str) -> list[AttackSpan]:
    """The spans that a file lists for a capture.

    Args:
        path: CSV with the columns ``COLUMNS``; seconds since the first frame, IDs in hex separated by spaces.
        capture: ``<scenario>/<name>``.

    Raises:
        DatasetError: the file is missing or is not such a CSV.
    """
    schema = {
        "capture": pl.String,
        "start": pl.Float64,
        "end": pl.Float64,
        "kind": pl.String,
        "arbitration_ids": pl.String,
    }
    try:
        rows = pl.read_csv(path, schema_overrides=schema, columns=list(COLUMNS)).filter(pl.col("capture") == capture)
        return [
            AttackSpan(start, end, kind, tuple(int(each, 16) for each in (ids or "").split()))
            for _, start, end, kind, ids in rows.select(COLUMNS).iter_rows()
        ]
    except (PolarsError, OSError, ValueError) as error:
        raise DatasetError(f"{path}: not a CSV of attack spans ({', '.join(COLUMNS)}): {error}") from None


def _span(frames: Frames, seconds: np.ndarray, burst: np.ndarray) -> AttackSpan:
    ids = distinct_ids(frames.arbitration_id[burst])
    return AttackSpan(
        start=float(seconds[burst[0]]),
        end=float(seconds[burst[-1]]),
        kind=frames.attack_types[frames.attack_type[burst[0]]],
        arbitration_ids=tuple(ids.tolist()) if len(ids) <= MOST_IDS else (),
    )
