"""Inter-arrival times against limits of each ID, without assuming their distribution.

Of the time-based detectors compared on the ROAD dataset, those that assume no distribution do best (Blevins et al.,
2021, arXiv 2101.05781). The limit is the profile's ``shortest``: a quantile, not a fitted density. An ID that the
profile does not know has no limit, and counts as the largest excess.
"""

from __future__ import annotations

import numpy as np

from canids.evaluation.baselines.extremes import Extremes
from canids.graphs.readings import LARGEST
from canids.graphs.store import READINGS


def inter_arrival(windows: Extremes) -> np.ndarray:
    """(w,) how far a window's shortest interval lies below its ID's limit, in either reading; 0 where none does."""
    excess = [
        np.fmax(windows.column(f"max_{reading}_fast_max"), LARGEST * windows.column(f"max_{reading}_unseen"))
        for reading in READINGS
    ]
    return np.nan_to_num(np.fmax.reduce(excess))
