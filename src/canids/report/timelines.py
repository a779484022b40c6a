"""Score timelines: what each detector said of every window of a test capture, and when it was under attack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from markupsafe import Markup
from matplotlib.axes import Axes

from canids.report.formats import detector_name, number, plural, seconds
from canids.report.inputs import Evaluation
from canids.report.style import INK, SPAN_COLOUR, colour, figure, svg

WIDTH = 9.4  # in
LISTED_SPANS = 6


@dataclass(frozen=True)
class Timeline:
    """The drawing of one capture, and what can be read from it."""

    scenario: str
    capture: str
    drawing: Markup
    caption: str


def timelines(evaluation: Evaluation, captures: dict[str, dict[str, Any]]) -> Iterator[Timeline]:
    """One timeline for each test capture of an evaluation.

    Args:
        captures: the ``captures`` of ``graphs.json``, for the attack spans.
    """
    tested = evaluation.scores.filter(pl.col("role") == "test")
    detectors = sorted(evaluation.thresholds, key=lambda name: name != "fusion")
    limits = {name: (tested[name].min() - 1, tested[name].max() + 1) for name in detectors}
    for (scenario, capture), windows in tested.group_by(["scenario", "capture"], maintain_order=True):
        spans = captures.get(f"{scenario}/{capture}", {}).get("attack_spans", [])
        drawing = draw_timeline(windows.sort("start"), evaluation.thresholds, limits, spans, f"{scenario}/{capture}")
        yield Timeline(scenario, capture, drawing, _caption(windows, spans))


def draw_timeline(
    windows: pl.DataFrame,
    thresholds: dict[str, float],
    limits: dict[str, tuple[float, float]],
    spans: Sequence[dict[str, Any]],
    title: str,
) -> Markup:
    """The scores of a capture's windows over time.

    Args:
        windows: in time order: ``start``, ``end`` (s), ``label``, ``fusion_alarm``, a score (log-odds) per detector.
        thresholds: of each detector. limits: the score axis of each detector, in the order of the panels.
        spans: attacks with ``start``, ``end`` (s) and ``kind``.
    """
    detectors = list(limits)
    drawn = figure(WIDTH, 0.75 + 0.95 * len(detectors))
    heights = [0.32, *(1.6 if name == "fusion" else 1.0 for name in detectors)]
    strip, *panels = drawn.subplots(len(heights), sharex=True, height_ratios=heights)
    middle = (windows["start"] + windows["end"]).to_numpy() / 2
    for axes in (strip, *panels):
        for number_, span in enumerate(spans):
            gid = f"attack-span-{number_}"
            axes.axvspan(span["start"], span["end"], color=SPAN_COLOUR, linewidth=0, zorder=0, gid=gid)
    _strip(strip, windows)
    for axes, name in zip(panels, detectors, strict=True):
        axes.plot(middle, windows[name].to_numpy(), color=colour(name), linewidth=1.0 if name == "fusion" else 0.7)
        axes.axhline(thresholds[name], color=INK, linewidth=0.8, linestyle=(0, (4, 2)), gid=f"threshold-{name}")
        axes.set(ylim=limits[name], ylabel=detector_name(name))
        axes.yaxis.label.set(color=colour(name), weight="bold")
        label = f"threshold {number(thresholds[name])}"
        # written beside the panel, where it covers no score
        axes.annotate(label, (1, thresholds[name]), xycoords=("axes fraction", "data"), xytext=(3, 0), fontsize=6.5,
                      textcoords="offset points", va="center", annotation_clip=False)  # fmt: skip
    panels[-1].set(xlim=(0, windows["end"].max()), xlabel="time since the capture's first frame (s)")
    return svg(drawn, f"Scores of {title} over time, attack spans shaded")


def runs(chosen: np.ndarray, start: np.ndarray, end: np.ndarray) -> list[tuple[float, float]]:
    """Stretches of consecutive chosen windows as (start, length) in the unit of ``start`` and ``end``: all (w,)."""
    edge = np.flatnonzero(np.diff(np.concatenate([[0], chosen.astype(np.int8), [0]])))
    return [(float(start[a]), float(end[b - 1] - start[a])) for a, b in zip(edge[::2], edge[1::2], strict=True)]


def _strip(axes: Axes, windows: pl.DataFrame) -> None:
    """Above the scores: which windows hold an attack, and which raise the fusion's alarm."""
    start, end = windows["start"].to_numpy(), windows["end"].to_numpy()
    attacked, alarm = windows["label"].to_numpy() == 1, windows["fusion_alarm"].to_numpy()
    axes.broken_barh(runs(attacked, start, end), (1.1, 0.8), facecolor=INK, gid="attacked-windows")
    axes.broken_barh(runs(alarm, start, end), (0.1, 0.8), facecolor=colour("fusion"), gid="alarms")
    axes.set(ylim=(0, 2), yticks=(0.5, 1.5), yticklabels=("alarm", "attacked"))
    axes.tick_params(axis="both", length=0, labelsize=6.5, labelbottom=False)
    axes.grid(False)
    axes.spines[:].set_visible(False)


def _caption(windows: pl.DataFrame, spans: Sequence[dict[str, Any]]) -> str:
    alarm, attacked = windows["fusion_alarm"], windows["label"] == 1
    false_alarms, missed = int((alarm & ~attacked).sum()), int((~alarm & attacked).sum())
    said = (
        f"{plural(len(windows), 'window')} in {seconds(windows['end'].max())}, {int(attacked.sum()):,} attacked; "
        f"the fusion raises {plural(false_alarms, 'false alarm')} and misses {plural(missed, 'attacked window')}."
    )
    if not spans:
        return f"{said} No attack span."
    listed = [f"{span['start']:.1f} to {span['end']:.1f} s ({span['kind']})" for span in spans[:LISTED_SPANS]]
    more = f" and {len(spans) - LISTED_SPANS} more" if len(spans) > LISTED_SPANS else ""
    return f"{said} {plural(len(spans), 'attack span')}: {', '.join(listed)}{more}."
