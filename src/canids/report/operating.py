"""How far probabilities can be trusted, and what each false-alarm rate buys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from canids.evaluation.curves import delay_curve, operating_curve
from canids.evaluation.events import HOUR_S
from canids.evaluation.evidence import SUMMED, validation_delays
from canids.evaluation.judge import drives_of, scores_of
from canids.evaluation.reliability import expected_calibration_error, reliability
from canids.evaluation.thresholds import CUSUM
from canids.report.formats import detector_name, number, rate
from canids.report.inputs import Evaluation
from canids.report.style import FAINT, colour, figure, svg

PANEL = (4.8, 3.3)  # in


def draw_reliability(evaluations: Sequence[Evaluation]) -> Markup:
    """Share of attacked test windows against the probability that each detector gave them.

    Args:
        evaluations: the seeds of one scale; their windows are counted together.
    """
    scale = evaluations[0].scale
    windows = pl.concat([e.scores.filter(pl.col("role") == "test") for e in evaluations], how="diagonal")
    label = windows["label"].to_numpy()
    drawn = figure(PANEL[0], PANEL[1])
    axes = drawn.subplots()
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle=(0, (4, 2)))
    for name in evaluations[0].thresholds:
        if name == CUSUM:
            continue  # no probability
        score = windows[name].to_numpy()
        table = reliability(label, score)
        described = f"{detector_name(name)}, ECE {rate(expected_calibration_error(label, score))}"
        axes.plot(table.predicted, table.observed, "o-", color=colour(name), markersize=3, label=described)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), title=scale.capitalize())
    axes.set(xlabel="probability of an attack, as given", ylabel="share attacked")
    axes.legend(loc="upper left")
    return svg(drawn, f"Reliability of the {scale} detectors' probabilities on the test windows")


def draw_operating(evaluations: Sequence[Evaluation], graphs: dict[str, Any]) -> Markup | None:
    """Attacks found and their median delay against false alarms per hour; None without driving or without attacks.

    Args:
        evaluations: the seeds of one scale, a line each. graphs: ``graphs.json``, for the attack spans.
    """
    scale = evaluations[0].scale
    drawn = figure(PANEL[0], PANEL[1] + 0.9)
    found_axes, delay_axes = drawn.subplots(2, sharex=True)
    left = right = 0.0
    for place, evaluation in enumerate(evaluations):
        tested = evaluation.scores.filter(pl.col("role") == "test")
        drives = list(drives_of(tested, graphs).values())
        for name in evaluation.thresholds:
            scores = scores_of(tested, name)
            curve = operating_curve(drives, scores)
            if not len(curve.threshold) or not any(drive.spans for drive in drives):
                return None
            delay, found = delay_curve(drives, scores, curve.threshold)
            left, right = 0.5 / curve.hours, max(right, curve.false_alarms_per_hour.max())
            at = np.maximum(curve.false_alarms_per_hour, left)
            label = detector_name(name) if place == 0 else None
            _draw_line(found_axes, delay_axes, at, delay, found, name, label)
    _finish(drawn, left, right, scale)
    return svg(drawn, f"Attacks found by the {scale} detectors, and their delay, against false alarms per hour")


def draw_evidence(evaluations: Sequence[Evaluation], graphs: dict[str, Any]) -> Markup | None:
    """The fusion window by window, and its evidence summed over time, on validation windows; None without either.

    Args:
        evaluations: the seeds of one scale, a line each. graphs: ``graphs.json``, for the attack spans.
    """
    scale = evaluations[0].scale
    if CUSUM not in evaluations[0].thresholds:
        return None
    drawn = figure(PANEL[0], PANEL[1] + 0.9)
    found_axes, delay_axes = drawn.subplots(2, sharex=True)
    left = right = 0.0
    for place, evaluation in enumerate(evaluations):
        measured = validation_delays(evaluation.scores, graphs, (SUMMED, CUSUM))
        if not measured:
            return None
        for name, each in measured.items():
            left, right = 0.5 / each.curve.hours, max(right, each.curve.false_alarms_per_hour.max())
            at = np.maximum(each.curve.false_alarms_per_hour, left)
            label = detector_name(name) if place == 0 else None
            _draw_line(found_axes, delay_axes, at, each.delay, each.found, name, label)
    _finish(drawn, left, right, scale)
    return svg(drawn, f"Validation attacks found by the {scale} fusion and its cusum against false alarms per hour")


def _draw_line(
    found_axes: Axes,
    delay_axes: Axes,
    at: np.ndarray,
    delay: np.ndarray,
    found: np.ndarray,
    name: str,
    label: str | None,
) -> None:
    """A detector's line in both panels; in steps, for between two thresholds there is none that does better."""
    found_axes.plot(at, found, color=colour(name), label=label, drawstyle="steps-post")
    # an infinite delay (most attacks missed) leaves a gap
    shown = np.where(np.isfinite(delay), delay, np.nan)
    delay_axes.plot(at, shown, color=colour(name), drawstyle="steps-post")


def _finish(drawn: Figure, left: float, right: float, scale: str) -> None:
    """Axes, title and legend of attacks found above their delay."""
    found_axes, delay_axes = drawn.axes
    found_axes.set(xscale="log", xlim=(left, max(right, 2 * left)), ylim=(0, 1.03), ylabel="attacks found")
    found_axes.set_title(scale.capitalize())
    delay_axes.set(yscale="log", xlabel="false alarms per hour", ylabel="median delay (s)")
    for axis in (found_axes.xaxis, delay_axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_locator(NullLocator())
    drawn.legend(loc="outside lower center", ncols=3)


def driving_sentence(evaluation: Evaluation, graphs: dict[str, Any]) -> str:
    """How much attack-free driving false alarms are counted on, and what rate it can tell."""
    tested = evaluation.scores.filter(pl.col("role") == "test")
    seconds = sum(float(drive.seconds[drive.before].sum()) for drive in drives_of(tested, graphs).values())
    if not seconds:
        return "There is no attack-free driving in the test captures, so no false-alarm rate."
    return (
        f"There are {number(seconds, 0)} s of attack-free driving in the test captures: one false alarm in them is "
        f"{number(HOUR_S / seconds, 0)} per hour, and no rate below that can be told apart from none."
    )
