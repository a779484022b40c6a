"""Tail probabilities of attack-free traffic."""

from __future__ import annotations

import numpy as np

TAIL = 0.01
NO_EVIDENCE = ("heard", "unsteady")  # node features that speak of an ID's reference, and not of the window
LEAST_EXCESS = 0.05  # in the features' own scale (asinh, ln): a channel that was constant is not infinitely surprising


def minus_log_p(reference: np.ndarray, value: np.ndarray) -> np.ndarray:
    """-ln P(a reference value reaches ``value``), counted up to the 99 % quantile and exponential beyond it.

    The mean excess sets the exponential's scale (the excess of many distributions over a high threshold is, Pickands,
    1975), so that it tells apart what no reference reached.

    Args:
        reference: (n,) sorted. value: (m,), NaN stays NaN.
    """
    limit = np.quantile(reference, 1 - TAIL)
    beyond = reference[reference > limit]
    excess = max(float((beyond - limit).mean()) if len(beyond) else 0.0, LEAST_EXCESS)
    reaching = len(reference) - np.searchsorted(reference, value, side="left")
    counted = np.where(np.isnan(value), np.nan, -np.log(np.maximum(reaching / len(reference), TAIL)))
    return np.where(value > limit, -np.log(TAIL) + (value - limit) / excess, counted)
