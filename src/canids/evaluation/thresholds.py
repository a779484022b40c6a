"""Operating points, set on validation windows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from canids.artifacts import read_json, write_json
from canids.errors import ArtifactError

SMALLEST = 1e-7
CUSUM = "cusum"  # the detector that sums evidence over time
POINTS_FILE = "thresholds.json"


@dataclass(frozen=True)
class OperatingPoints:
    """Where detectors alarm.

    Attributes:
        limits: detector → log-odds above which a window alarms, if it is read as those are that the limit was set on.
        read_by: how these are read (``GraphStore.read_by``); every other window alarms above even odds.
        tolerance: of F1, that they were set with.
        cusum: how evidence is summed over time (``evaluation.cusum``); empty where it is not.
    """

    limits: dict[str, float]
    read_by: int
    tolerance: float
    cusum: dict[str, float] = field(default_factory=dict)

    def margin(self, name: str) -> pl.Expr:
        """A detector's score less the threshold that its window is held to: above 0 is an alarm.

        A threshold that was set on windows of enrolled vehicles says nothing of windows that are read otherwise. The
        sum over time runs through all of them, and its threshold was set on all.
        """
        holds = (pl.col("read_by") == self.read_by) | pl.lit(name == CUSUM)
        return pl.col(name) - pl.when(holds).then(self.limits[name]).otherwise(0.0)


def write_points(folder: Path, points: OperatingPoints) -> None:
    """Write operating points into the folder of an evaluation."""
    content = {
        "thresholds": points.limits,
        "read_by": points.read_by,
        "tolerance": points.tolerance,
        "cusum": points.cusum,
    }
    write_json(folder / POINTS_FILE, content)


def read_points(folder: Path) -> OperatingPoints:
    """The operating points of an evaluation's folder. Raises: ArtifactError."""
    content = read_json(folder / POINTS_FILE)
    if "cusum" not in content:
        raise ArtifactError(f"{folder / POINTS_FILE}: says nothing of the cusum; evaluate again")
    return OperatingPoints(content["thresholds"], content["read_by"], content["tolerance"], content["cusum"])


def logit(probability: np.ndarray) -> np.ndarray:
    """Log-odds, finite for probabilities of 0 and 1."""
    p = np.clip(probability.astype(np.float64), SMALLEST, 1 - SMALLEST)
    return np.log(p / (1 - p))


def operating_point(score: np.ndarray, label: np.ndarray, tolerance: float) -> float:
    """The middle of the range of thresholds around the best one whose F1 is as good, give or take the tolerance.

    The best threshold itself hugs whichever few windows happened to validate (the standard error of an F1 on a few
    hundred attacked windows is about 0.02); the middle of the plateau keeps the widest distance to both classes. A
    score above the threshold is an alarm.

    Args:
        score: (n,) larger is more suspicious. label: (n,) 0 or 1. tolerance: of F1.

    Raises:
        ValueError: one of the classes is missing.
    """
    if len(np.unique(label)) < 2:
        raise ValueError("a threshold needs attacked and attack-free windows")
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    # Alarm on the k largest: only where the next score is smaller is there a threshold that does.
    last_of_its_value = np.append(ranked[:-1] != ranked[1:], True)
    f1 = 2 * np.cumsum(label[order]) / (np.arange(1, len(score) + 1) + label.sum())
    values, f1 = ranked[last_of_its_value], f1[last_of_its_value]
    best = int(f1.argmax())
    worse = f1 < f1[best] - tolerance
    first = int(np.flatnonzero(worse[:best])[-1]) + 1 if worse[:best].any() else 0
    beyond = int(np.flatnonzero(worse[best:])[0]) + best if worse[best:].any() else len(values)
    below = values[beyond] if beyond < len(values) else values[-1] - 1
    return float((values[first] + below) / 2)
