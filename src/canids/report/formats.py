"""How numbers and names are written: in tables, in figures and in sentences alike."""

from __future__ import annotations

import math

UNDEFINED = "–"

DETECTOR_NAMES = {
    "vgae": "VGAE",
    "gat": "GAT",
    "fusion": "Fusion",
    "cusum": "CUSUM",
    "weighted": "Weighted",
    "logistic": "Logistic",
    "mlp": "MLP",
    "bandit": "LinUCB",
    "lightgbm": "LightGBM",
    "tail_probability": "Tail probability",
    "inter_arrival": "Inter-arrival",
    "profile_rules": "Profile rules",
    "isolation_forest": "Isolation forest",
}


def detector_name(detector: str) -> str:
    """What a detector or a model is called in the report."""
    return DETECTOR_NAMES.get(detector, detector)


def rate(value: float | None, digits: int = 3) -> str:
    """A number from 0 to 1; one that only rounding would make perfect says so (``>0.999``, ``<0.001``)."""
    if value is None or math.isnan(value):
        return UNDEFINED
    text = f"{value:.{digits}f}"
    if value < 1 and float(text) == 1:
        return f">{1 - 10**-digits:.{digits}f}"
    if value > 0 and float(text) == 0:
        return f"<{10**-digits:.{digits}f}"
    return text.replace("-", "−")


def auroc(value: float | None) -> str:
    """An AUROC or a false-positive rate: the fourth digit matters."""
    return rate(value, 4)


def number(value: float | None, digits: int = 2) -> str:
    """A number of any size, with a true minus sign."""
    if value is None or math.isnan(value):
        return UNDEFINED
    text = f"{value:,.{digits}f}"
    # what rounds to zero has no sign
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else text.replace("-", "−")


def power_of_ten(value: float) -> str:
    """``10⁻³``: the label of a decade on a log axis."""
    exponent = f"{math.log10(value):.0f}"
    return "10" + exponent.translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def count(value: float | None) -> str:
    """A count, or a mean of counts with one decimal."""
    if value is None or math.isnan(value):
        return UNDEFINED
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def seconds(value: float | None) -> str:
    """A duration given in seconds."""
    if value is None or math.isnan(value):
        return UNDEFINED
    if value < 120:
        return f"{value:.1f} s"
    minutes = round(value / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def size(value: float | None) -> str:
    """A size given in bytes, in powers of 1000."""
    if value is None or math.isnan(value):
        return UNDEFINED
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= scale:
            return f"{value / scale:.1f} {unit}"
    return f"{value:.0f} B"


def plural(n: float, noun: str, many: str = "") -> str:
    """``1 error``, ``2 errors``, ``2.5 errors``, ``2 losses``."""
    return f"{count(n)} {noun if n == 1 else many or noun + 's'}"
