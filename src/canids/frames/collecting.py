"""Rows in, a reading out: frames are collected, everything else is counted by what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from canids.frames.columns import FrameColumns
from canids.frames.reading import EXAMPLES, LEFT_OUT, LONGEST_EXAMPLE, Reading


class Collector:
    """Collects rows (see ``lines.Parse``) chunk by chunk."""

    def __init__(self, attack_type: str) -> None:
        self.columns = FrameColumns(attack_type)
        self.outcomes: Counter[str] = Counter()
        self.channels: Counter[str] = Counter()
        self.examples: list[tuple[int, str, str]] = []
        self.rows = 0

    def add(self, rows: pl.DataFrame, first_number: int, text_of: Callable[[int], str]) -> None:
        """Take a chunk.

        Args:
            first_number: line number of the chunk's first row.
            text_of: row of the chunk → its text, to be shown if it is rejected.
        """
        self.rows += len(rows)
        outcome = rows["outcome"]
        good = outcome.is_null()
        if not good.all():
            self.outcomes.update(dict(outcome.drop_nulls().value_counts().iter_rows()))
            if len(self.examples) < EXAMPLES:
                rejected = ~good & ~outcome.is_in(LEFT_OUT).fill_null(False)
                self.examples += [
                    (first_number + row, outcome[row], text_of(row)[:LONGEST_EXAMPLE])
                    for row in rejected.arg_true()[: EXAMPLES - len(self.examples)].to_list()
                ]
            rows = rows.filter(good)
        if "channel" in rows.columns:
            self.channels.update(dict(rows["channel"].drop_nulls().value_counts().iter_rows()))
        self.columns.add(rows)

    def add_frames(self, columns: Mapping[str, np.ndarray]) -> None:
        """Take lines of a chunk that all are frames, see ``FrameColumns.add_labelled``."""
        self.rows += len(columns["timestamp"])
        self.columns.add_labelled(columns)

    def reading(self, others: Mapping[str, int] | None = None, notes: tuple[str, ...] = ()) -> Reading:
        """What was collected; ``others`` are outcomes of what gave no row."""
        others = others or {}
        outcomes = self.outcomes + Counter(others)
        known = [(outcome, count) for outcome, count in sorted(outcomes.items()) if count]
        frames, labelled = self.columns.frames()
        extra = [(self.rows + 1, outcome, "") for outcome, count in others.items() if count and outcome not in LEFT_OUT]
        return Reading(
            frames=frames,
            lines=self.rows + sum(others.values()),
            rejected={outcome: count for outcome, count in known if outcome not in LEFT_OUT},
            examples=[*self.examples, *extra][:EXAMPLES],
            left_out={outcome: count for outcome, count in known if outcome in LEFT_OUT},
            labelled=labelled,
            channels=dict(sorted(self.channels.items())),
            notes=notes,
        )
