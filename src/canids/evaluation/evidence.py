"""Evidence over time: Page's cumulative sum (1954) of the fusion's log-odds along each capture.

A window says little about one rare injected frame, and one odd window is no attack. The sum rises with what each window
says in favour of an attack, falls with what it says against it, and an alarm stands while it is above a threshold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from canids.errors import DatasetError
from canids.evaluation.curves import OperatingCurve, delay_curve, operating_curve
from canids.evaluation.events import HOUR_S, Drive, drive_of
from canids.evaluation.thresholds import CUSUM, OperatingPoints, operating_point
from canids.fusion.environment import find_runs

SUMMED = "fusion"  # whose log-odds are summed
HELD_OUT = ("select", "calibrate")  # roles of windows that neither models nor fusion were fitted on
# By how much an enrolment may raise the drift (log-odds): a window with odds of 400 to 1 speaks for an attack
# whatever the enrolment held.
MOST_RAISED = 6.0
FINENESS = 0.01  # of the raised drift
BELOW_CEILING = 1.0  # so far below a sum's ceiling its threshold stays, at the least


@dataclass(frozen=True)
class Cusum:
    """How log-odds are summed.

    Attributes:
        drift: log-odds that leave the sum as it is; those above raise it. ceiling: the most that it holds, so that an
            alarm ends soon after its attack.
    """

    drift: float
    ceiling: float

    def along(self, log_odds: np.ndarray) -> np.ndarray:
        """(w,) the sum after each of some consecutive windows, which depends on these and those before them alone."""
        total, sums = 0.0, []
        for gain in (log_odds - self.drift).tolist():
            total = min(max(total + gain, 0.0), self.ceiling)
            sums.append(total)
        return np.array(sums)


def with_cusum(scores: pl.DataFrame, cusum: Cusum) -> pl.DataFrame:
    """Adds ``cusum``: the sum of the fusion's log-odds, which begins anew with each capture, and behind each gap.

    Args:
        scores: a row per window; those of a capture and role together, in time order.
    """
    log_odds = scores[SUMMED].to_numpy()
    summed = np.zeros(len(scores))
    for run in _runs(scores):
        summed[run] = cusum.along(log_odds[run])
    return scores.with_columns(pl.Series(CUSUM, summed))


def with_cusum_point(
    points: OperatingPoints, cusum: Cusum, scores: pl.DataFrame, graphs: dict[str, Any]
) -> OperatingPoints:
    """Adds the sum's settings, and its threshold, set on the windows that calibrate as those of the detectors are.

    What it tells is whether an attack goes on, not whether this very window holds an injected frame: windows within an
    attack count as attacked. The sum runs on from windows that are read by one profile to those that are read by both,
    so that all of them set it, and it holds for all.

    Args:
        scores: with ``cusum``. graphs: the content of ``graphs.json``, for the attack spans.

    Raises:
        DatasetError: an attack goes on in every window that calibrates.
    """
    calibrate = scores.filter(pl.col("role") == "calibrate")
    going_on = _under_attack(calibrate, graphs)
    if going_on.all():
        raise DatasetError("an attack goes on in every window that calibrates: no threshold can be set for the cusum")
    limit = operating_point(calibrate[CUSUM].to_numpy(), going_on.astype(int), points.tolerance)
    return OperatingPoints(
        {**points.limits, CUSUM: max(limit, 0.0)},
        points.read_by,
        points.tolerance,
        {"drift": cusum.drift, "ceiling": cusum.ceiling},
    )


def quiet_cusum(scores: pl.DataFrame, cusum: Cusum, limit: float) -> Cusum:
    """The sum that stays below its threshold all along some attack-free drives: with the least drift that does it.

    The next hour is as likely to exceed the most that h hours reached as any hour among them: drives of h hours leave
    about 1 / h alarms an hour (the rank argument of conformal prediction). The drift is raised by ``MOST_RAISED`` at
    most, so that an attack among the drives cannot silence the detector, and is never lowered.

    Args:
        scores: a row per window of the drives; those of a capture together, in time order. limit: of the sum.
    """

    def alarms(raised: float) -> bool:
        return bool((with_cusum(scores, replace(cusum, drift=cusum.drift + raised))[CUSUM] > limit).any())

    low, high = 0.0, MOST_RAISED
    if not alarms(low):
        return cusum
    while high - low > FINENESS:
        middle = (low + high) / 2
        low, high = (middle, high) if alarms(middle) else (low, middle)
    return replace(cusum, drift=cusum.drift + high)


def quiet_limit(scores: pl.DataFrame, cusum: Cusum, limit: float, per_hour: float) -> float:
    """The sum's threshold that leaves so many false alarms an hour, where none of some drives exceeded ``limit``.

    Drives of h hours promise about 1 / h alarms an hour (``quiet_cusum``). The chance that a sum of log-likelihood
    ratios reaches S falls as e^-S (Wald, 1945): for fewer alarms the threshold is raised by the logarithm of the one
    rate over the other. It stays below the ceiling, or nothing would alarm, and is never lowered.

    Args:
        scores: a row per window of the drives. per_hour: false alarms.
    """
    lasted = scores.group_by("scenario", "capture").agg(seconds=pl.col("end").max() - pl.col("start").min())
    promised = HOUR_S / max(lasted["seconds"].sum(), 1.0)
    return max(limit, min(limit + float(np.log(promised / per_hour)), cusum.ceiling - BELOW_CEILING))


@dataclass(frozen=True)
class Delays:
    """What a detector gives at each of p thresholds on validation windows.

    Attributes:
        curve: false alarms per hour. delay: (p,) median delay (s), a missed attack's being infinite.
        found: (p,) share of attacks found.
    """

    curve: OperatingCurve
    delay: np.ndarray
    found: np.ndarray


def validation_delays(scores: pl.DataFrame, graphs: dict[str, Any], names: tuple[str, ...]) -> dict[str, Delays]:
    """Delay and attacks found against false alarms per hour, on the windows that select and calibrate.

    False alarms are those in attack-free captures. Of each run of consecutive windows its first attack counts: what
    follows an attack bears its traces, and an alarm that still stands would find the next one without having seen it.

    Returns:
        Nothing where there are no such attacks or captures.
    """
    validating = scores.filter(pl.col("role").is_in(HELD_OUT))
    parts = list(_first_attacks_and_quiet(validating, graphs))
    drives = [drive for drive, _ in parts]
    if not any(drive.spans for drive in drives) or all(drive.spans for drive in drives):
        return {}
    found = {}
    for name in names:
        each = [validating[name].to_numpy()[rows] for _, rows in parts]
        curve = operating_curve(drives, each)
        found[name] = Delays(curve, *delay_curve(drives, each, curve.threshold))
    return found


def _first_attacks_and_quiet(scores: pl.DataFrame, graphs: dict[str, Any]) -> Iterator[tuple[Drive, np.ndarray]]:
    """Runs of attack-free captures, and the windows during the first attack of other runs: drive and rows of each."""
    for run in _runs(scores):
        windows = scores[run]
        key = "/".join(windows.select("scenario", "capture").row(0))
        drive = drive_of(windows, graphs["captures"][key])
        if not drive.spans:
            yield drive, run
            continue
        within = [(span, drive.during(span)) for span in drive.spans if span.start >= drive.start[0]]
        span, during = min(((s, d) for s, d in within if d.any()), key=lambda each: each[0].start, default=(None, None))
        if span is not None:
            yield Drive(drive.start[during], drive.end[during], drive.last_frame[during], (span,)), run[during]


def _under_attack(scores: pl.DataFrame, graphs: dict[str, Any]) -> np.ndarray:
    """(w,) bool, windows that are labelled as attacked or overlap an attack in time."""
    attacked = scores["label"].to_numpy() == 1
    for run in _runs(scores):
        key = "/".join(scores.select("scenario", "capture").row(int(run[0])))
        attacked[run] |= ~drive_of(scores[run], graphs["captures"][key]).outside
    return attacked


def _runs(scores: pl.DataFrame) -> list[np.ndarray]:
    """Rows of consecutive windows of one capture and role."""
    together = scores.select(pl.struct("scenario", "capture", "role").rle_id()).to_series().to_numpy()
    return find_runs(together, scores["position"].to_numpy())
