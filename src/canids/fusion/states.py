"""Fusion states: what VGAE and GAT say of every window, calibrated, as the agent sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from canids.artifacts import read_names, write_tensors
from canids.errors import ArtifactError
from canids.fusion.cascade_calibration import CascadeCalibration
from canids.fusion.quantities import score_stores
from canids.graphs.splits import ROLES
from canids.graphs.store import GraphStore
from canids.models.gat import Gat
from canids.models.vgae import Vgae


@dataclass(frozen=True)
class FusionStates:
    """One row per window.

    Attributes:
        state: (w, 17) float32, ``QUANTITIES`` and ``QUALITIES``, standardised on the training windows.
        vgae, gat: (w,) float32, calibrated probabilities of an attack; 0 where no profile speaks of the window.
        label, capture, role, attack_type, position, last_frame, read_by: as in the graph store.
        start, end: (w,) float64, s.
        captures, attack_types: names.
    """

    state: np.ndarray
    vgae: np.ndarray
    gat: np.ndarray
    label: np.ndarray
    capture: np.ndarray
    role: np.ndarray
    attack_type: np.ndarray
    position: np.ndarray
    last_frame: np.ndarray
    read_by: np.ndarray
    start: np.ndarray
    end: np.ndarray
    captures: tuple[str, ...]
    attack_types: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.label)

    def of_role(self, role: str) -> np.ndarray:
        """(w,) bool, the windows of a role."""
        return self.role == ROLES.index(role)

    @property
    def blind(self) -> np.ndarray:
        """(w,) bool, windows that no profile speaks of: no detector may alarm there."""
        return (self.vgae == 0) & (self.gat == 0)


_NAMES = ("captures", "attack_types")
_ARRAYS = tuple(each.name for each in fields(FusionStates) if each.name not in _NAMES)


def fusion_states(vgae: Vgae, gat: Gat, stores: Sequence[GraphStore], calibration: CascadeCalibration) -> FusionStates:
    """Run both models over some stores of one dataset; nothing is fitted here."""
    scored = score_stores(vgae, gat, stores)
    probability = calibration.probabilities(scored)
    columns = {
        name: np.concatenate([getattr(store, name).numpy() for store in stores])
        for name in ("label", "capture", "role", "attack_type", "position", "last_frame", "read_by", "start", "end")
    }
    return FusionStates(
        state=calibration.standardised(scored.quantities(**probability)),
        **probability,
        **columns,
        captures=stores[0].captures,
        attack_types=stores[0].attack_types,
    )


def save_states(path: Path, states: FusionStates) -> None:
    """Write fusion states as one safetensors file, atomically."""
    arrays = {name: np.ascontiguousarray(getattr(states, name)) for name in _ARRAYS}
    write_tensors(path, save_file, arrays, **{name: getattr(states, name) for name in _NAMES})


def load_states(path: Path) -> FusionStates:
    """Read fusion states.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="np") as file:
            arrays = {name: file.get_tensor(name) for name in _ARRAYS}
        names = {name: tuple(each) for name, each in read_names(path).items()}
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: not fusion states ({error}); run the fusion_states stage again") from None
    return FusionStates(**arrays, **names)
