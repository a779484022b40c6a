"""What is known of each window before any detector has looked at it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from canids.fusion.states import FusionStates
from canids.graphs.splits import ROLES
from canids.graphs.store import GraphStore


def window_facts(parts: Sequence[GraphStore | FusionStates]) -> pl.DataFrame:
    """A row per window: ``scenario``, ``capture``, ``role``, ``position``, ``last_frame`` (place in the capture),
    ``read_by`` (see ``GraphStore.read_by``), ``start`` and ``end`` (s), ``label``, ``attack_type``.

    Args:
        parts: stores or states of one dataset.
    """
    column = {
        name: np.concatenate([np.asarray(getattr(part, name)) for part in parts])
        for name in ("capture", "role", "position", "last_frame", "read_by", "start", "end", "label", "attack_type")
    }
    scenario, name = zip(*(key.split("/") for key in parts[0].captures), strict=True)
    return pl.DataFrame(
        {
            "scenario": np.array(scenario)[column["capture"]],
            "capture": np.array(name)[column["capture"]],
            "role": np.array(ROLES)[column["role"]],
            "position": column["position"],
            "last_frame": column["last_frame"],
            "read_by": column["read_by"],
            "start": column["start"],
            "end": column["end"],
            "label": column["label"],
            "attack_type": np.array(parts[0].attack_types)[column["attack_type"]],
        }
    )
