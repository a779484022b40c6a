"""The untrained rule: how rarely does any channel of attack-free traffic go as far as in this window?"""

from __future__ import annotations

import numpy as np

from canids.evaluation.baselines.extremes import COLUMNS, Extremes
from canids.evaluation.tails import NO_EVIDENCE, minus_log_p
from canids.graphs.store import GRAPH_COLUMNS, NODE_COLUMNS

FEWEST = 50  # windows that a tail rests on
CHANNELS = [name for name in NODE_COLUMNS if not name.endswith(NO_EVIDENCE)]
SIDES = [
    *((f"max_{name}", 1) for name in CHANNELS),
    *((f"min_{name}", -1) for name in CHANNELS),
    *((name, side) for name in GRAPH_COLUMNS if not name.endswith("_present") for side in (1, -1)),
]


def tail_probability(attack_free: Extremes, windows: Extremes) -> np.ndarray:
    """(w,) ln(1 - ln p) of the least probable channel of each window; 0 where there is none.

    Args:
        attack_free: windows to count tails on. windows: those to score.
    """
    surprise = np.zeros(len(windows.values))
    for name, side in SIDES:
        column = COLUMNS.index(name)
        reference = side * attack_free.values[:, column]
        reference = np.sort(reference[~np.isnan(reference)])
        if len(reference) >= FEWEST:
            surprise = np.fmax(surprise, minus_log_p(reference, side * windows.values[:, column]))
    return np.log1p(surprise)
