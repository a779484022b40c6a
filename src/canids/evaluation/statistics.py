"""Intervals: of a mean over seeds, and of the difference between two detectors on the same recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 2000
BLOCK = 25  # windows in a block of time: neighbours resemble each other, so they are drawn together


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval; ``low`` and ``high`` are NaN where one value cannot tell."""

    mean: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


def mean_interval(values: Sequence[float]) -> Interval:
    """Student's t interval of a mean over seeds; what is NaN is left out."""
    known = np.asarray(values, float)
    known = known[~np.isnan(known)]
    if len(known) == 0:
        return Interval(np.nan, np.nan, np.nan)
    mean = float(known.mean())
    if len(known) == 1:
        return Interval(mean, np.nan, np.nan)
    reach = float(stats.sem(known) * stats.t.ppf((1 + CONFIDENCE) / 2, len(known) - 1))
    return Interval(mean, mean - reach, mean + reach)


@dataclass(frozen=True)
class Resamples:
    """A bootstrap of w windows in B blocks: block (w,), and how often each resample draws each block (r, B)."""

    block: np.ndarray
    weights: np.ndarray


def resample(recording: np.ndarray, position: np.ndarray, seed: int = 0) -> Resamples:
    """Draw recordings with replacement, then blocks of ``BLOCK`` windows within each.

    What two captures of one recording or two neighbouring windows have in common is not counted twice. A recording
    alone leaves its blocks to draw from, and intervals that are too narrow for other recordings.

    Args:
        recording: (w,) whichever values tell recordings apart. position: (w,) place in the capture.
    """
    recordings, of = np.unique(recording, return_inverse=True)
    pairs, block = np.unique(np.stack([of, position // BLOCK]), axis=1, return_inverse=True)
    random = np.random.default_rng(seed)
    return Resamples(block, np.stack([_draw(pairs[0], len(recordings), random) for _ in range(RESAMPLES)]))


def f1_difference(
    resamples: Resamples, label: np.ndarray, one: np.ndarray, other: np.ndarray
) -> tuple[Interval, float]:
    """F1 of one detector minus that of another on the same windows.

    Args:
        label: (w,) 0 or 1. one, other: (s, w) bool, alarms of each seed; the F1s are means over these.

    Returns:
        The difference with its percentile interval, and the share of resamples in which it is not above 0.
    """
    blocks = resamples.weights.shape[1]
    weights = np.concatenate([np.ones((1, blocks)), resamples.weights])
    f1 = [_f1(_counts(label, alarm, resamples.block, blocks), weights) for alarm in (one, other)]
    difference, *drawn = f1[0] - f1[1]
    drawn = np.array(drawn)[~np.isnan(drawn)]
    if not len(drawn):
        return Interval(float(difference), np.nan, np.nan), np.nan
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(difference), float(low), float(high)), float((drawn <= 0).mean())


def _counts(label: np.ndarray, alarm: np.ndarray, block: np.ndarray, blocks: int) -> np.ndarray:
    """(s, blocks, 2): true positives, and wrong windows of each block."""
    attacked = label == 1
    return np.stack(
        [
            np.stack([np.bincount(block, some, blocks) for some in (each & attacked, each != attacked)], axis=1)
            for each in alarm
        ]
    )


def _draw(owner: np.ndarray, recordings: int, random: np.random.Generator) -> np.ndarray:
    """(blocks,) how often each block is drawn."""
    weight = np.zeros(len(owner))
    for recording in random.integers(recordings, size=recordings):
        mine = np.flatnonzero(owner == recording)
        np.add.at(weight, random.choice(mine, len(mine)), 1)
    return weight


def _f1(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(r,) F1 of each resample, the mean over seeds; NaN without an attacked window and an alarm."""
    right, wrong = np.moveaxis(weights @ counts, 2, 0)  # (s, r) each
    with np.errstate(invalid="ignore"):
        return (2 * right / (2 * right + wrong)).mean(axis=0)
