"""The models that a configuration describes."""

from __future__ import annotations

from omegaconf import DictConfig

from canids.models.gat import Gat
from canids.models.vgae import Vgae


def build_vgae(settings: DictConfig, scale: str) -> Vgae:
    """The VGAE of a scale (teacher or student); ``settings`` is ``models.vgae``."""
    size = settings[scale]
    return Vgae(size.hidden, size.heads, size.layers, size.latent, settings.dropout)


def build_gat(settings: DictConfig, scale: str) -> Gat:
    """The GAT of a scale (teacher or student); ``settings`` is ``models.gat``."""
    size = settings[scale]
    return Gat(size.hidden, size.heads, size.layers, settings.dropout)
