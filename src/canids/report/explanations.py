"""What carried an alarm, drawn; and how often that was an attacked ID."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from canids.report.style import FAINT, colour, figure, svg

SIZE = (3.6, 0.95)  # in


def attacked_ids(explanations: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """A row per capture whose attacks name their IDs, the mean over seeds; see ``canids.evaluation.explain``."""
    rows = [row for each in explanations for row in each["attacked_ids"]]
    if not rows:
        return pd.DataFrame()
    frame = pd.DataFrame(rows).assign(arbitration_ids=[", ".join(row["arbitration_ids"]) for row in rows])
    return frame.groupby(["capture", "arbitration_ids"], sort=False).mean(numeric_only=True).reset_index()


def draw_causes(alarm: dict[str, Any]) -> Markup:
    """The IDs that carried an alarm, by how improbable each was in its most surprising channel."""
    causes = alarm["causes"][::-1]
    drawn = figure(*SIZE)
    axes = drawn.subplots()
    ink = colour("fusion") if alarm["attack_type"] else FAINT
    labels = [f"{cause['arbitration_id']} {cause['statistic'].replace('_', ' ')}" for cause in causes]
    axes.barh(range(len(causes)), [cause["surprise"] / math.log(10) for cause in causes], color=ink, height=0.6)
    axes.set(yticks=range(len(causes)), yticklabels=labels, xlabel="−log₁₀ p on attack-free traffic")
    axes.grid(False, axis="y")
    return svg(drawn, f"IDs behind the alarm at {alarm['start']:.3f} s of {alarm['capture']}")
