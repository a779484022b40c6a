"""A cause of an alarm as a short sentence."""

from __future__ import annotations

import math

from canids.evaluation.causes import Cause
from canids.graphs.windows import EXTENDED

TIMING = ("interval_mean", "interval_min", "fast_max", "fast_share")


def name_of(key: int) -> str:
    """``0x140``; eight digits for a 29-bit ID."""
    return f"0x{key & ~int(EXTENDED):08X}" if key & int(EXTENDED) else f"0x{key:03X}"


def sentence(cause: Cause, repeats: bool) -> str:
    """What is unusual about the ID.

    Args:
        repeats: whether the ID's rarer doing in the window was to repeat its payload, rather than to change it.
    """
    name, statistic = name_of(cause.key), cause.statistic.removesuffix("_z")
    if statistic == "silence":
        return f"{name} has been silent for {_times(math.exp(cause.features['silence']))} its longest usual pause"
    if statistic == "unseen":
        return f"{name} is no ID that this vehicle has shown"
    if statistic == "share":
        return f"{name} sends {_times(_ratio(cause, 'share'))} its usual share of the frames"
    if statistic in TIMING and _ratio(cause, "interval_min") < 1:
        return f"a frame of {name} comes after {_percent(_ratio(cause, 'interval_min'))} of its usual interval"
    if statistic in (*TIMING, "interval_max"):
        return f"{name} pauses for {_times(_ratio(cause, 'interval_max'))} its usual interval"
    if statistic in ("repeat_mean", "repeat_max"):
        probability = math.exp(-math.sinh(cause.features["repeat_max"]))  # of the rarer thing that it did
        if probability >= 0.5:
            return f"{name} {'repeats' if repeats else 'changes'} its payload in every frame"
        usually = _percent(1 - probability)
        doing = "repeats a payload that changes" if repeats else "changes a payload that repeats"
        return f"{name} {doing} {usually} of the time"
    if statistic in ("flips_mean", "flips_max"):
        return f"bits of {name}'s payload change that usually stay"
    if statistic in ("bits_mean", "bits_max"):
        return f"{name}'s payload holds bits that it usually does not"
    return f"{name} follows an ID that it hardly ever follows"


def _ratio(cause: Cause, feature: str) -> float:
    """A feature that is the asinh of a logarithm, undone."""
    return math.exp(min(math.sinh(cause.features[feature]), 50.0))


def _times(ratio: float) -> str:
    return f"{ratio:.3g} times"


def _percent(share: float) -> str:
    """Digits enough to tell what is nearly all, or nearly nothing, from all and nothing."""
    digits = max(0, min(4, math.ceil(-math.log10(max(min(share, 1 - share), 1e-6))) - 2)) if 0 < share < 1 else 0
    return f"{100 * share:.{digits}f} %"
