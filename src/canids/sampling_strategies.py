"""The strategies of sampling a GAT's training windows (the setting ``models.gat.sampling``)."""

from __future__ import annotations

STRATEGIES = (
    "none",
    "class-weighted",
    "focal",
    "undersampling-random",
    "undersampling-vgae",
    "curriculum-random",
    "curriculum-vgae",
)


def needs_vgae(sampling: str) -> bool:
    """Whether a strategy asks a trained VGAE which windows are hard."""
    return sampling.endswith("-vgae")
