"""The fusion beside its alternatives: other ways to fuse the same two scores, on the same states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from canids.fusion.names import ALTERNATIVES
from canids.report.sentences import comparison_sentences
from canids.report.tables import over_seeds, tidy, with_best

FUSED_SCALES = ("student", "teacher")
COMPARED = ("gat", "fusion", *ALTERNATIVES)


def fused_tables(metrics: Sequence[dict[str, Any]]) -> list[tuple[str, pd.DataFrame]]:
    """For each scenario, its name and a row (mean over seeds) per scale and way to fuse, the GAT alone before them."""
    means = _compared(metrics)
    return list(with_best(means, ["scenario", "scale"]).groupby("scenario", sort=False))


def fused_sentences(metrics: Sequence[dict[str, Any]], scale: str) -> list[tuple[str, str]]:
    """The scenarios where an alternative of a scale has a higher F1, or a higher AUROC, than the DQN."""
    means = _compared(metrics)
    return comparison_sentences(means[means["detector"] != "gat"], scale, alone="")


def _compared(metrics: Sequence[dict[str, Any]]) -> pd.DataFrame:
    means = over_seeds(tidy(metrics, "table"))
    return means[(means["capture"] == "all") & means["detector"].isin(COMPARED)]
