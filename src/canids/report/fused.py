"""The fusion beside its alternatives: other ways to fuse the same two scores, on the same states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from canids.fusion.names import ALTERNATIVES
from canids.report.formats import number, plural
from canids.report.inputs import Model
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


def beginning_sentences(models: Sequence[Model]) -> list[str]:
    """For each scale in how many seeds the DQN stayed where it began, at the weighted average's α.

    Args:
        models: every model; those that are no fusion are passed over.
    """
    sentences = []
    for scale in FUSED_SCALES:
        fusions = [m.metrics for m in models if (m.name, m.scale) == ("fusion", scale)]
        stayed = [each["weighted_alpha"] for each in fusions if each["kept_step"] == 0]
        if stayed:
            alphas = ", ".join(number(alpha) for alpha in sorted(set(stayed)))
            sentences.append(
                f"The {scale} DQN stays at the weighted average’s α ({alphas}) in {len(stayed)} of "
                f"{plural(len(fusions), 'seed')}: nothing that it learnt gains more than chance on validation."
            )
    return sentences


def _compared(metrics: Sequence[dict[str, Any]]) -> pd.DataFrame:
    means = over_seeds(tidy(metrics, "table"))
    return means[(means["capture"] == "all") & means["detector"].isin(COMPARED)]
