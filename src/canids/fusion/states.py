"""Fusion states: what VGAE and GAT say of every window, as the 15 quantities that the agent sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from canids.artifacts import read_names, write_tensors
from canids.errors import ArtifactError, DatasetError
from canids.fusion.calibration import Calibration, limits, platt_slope, quiet_windows
from canids.graphs.splits import ROLES, VALIDATION_ROLES
from canids.graphs.store import GRAPH_COLUMNS, READINGS, GraphStore
from canids.models.gat import Gat
from canids.models.scoring import GatScores, VgaeScores, score_gat, score_vgae
from canids.models.vgae import Vgae

QUANTITIES = (
    "vgae_error_nodes", "vgae_error_edges", "vgae_error_neighbourhood",
    "vgae_latent_mean", "vgae_latent_spread", "vgae_latent_max", "vgae_latent_kl", "vgae_confidence",
    "gat_ln_p_attack_free", "gat_ln_p_attack",
    "gat_embedding_mean", "gat_embedding_spread", "gat_embedding_min", "gat_embedding_max", "gat_confidence",
)  # fmt: skip
QUALITIES = tuple(f"{reading}_holds" for reading in READINGS)
STATE_WIDTH = len(QUANTITIES) + len(QUALITIES)
LARGEST = 10.0


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


def fusion_states(vgae: Vgae, gat: Gat, stores: Sequence[GraphStore], false_alarms: float) -> FusionStates:
    """Run both models over all stores (training, validation and test, of one dataset).

    Quantities are standardised on the training windows. Probabilities are calibrated on validation windows: the slope
    on those that select, even odds where a share ``false_alarms`` of the attack-free ones would alarm. These are read
    as they are and with either reading withheld, so that windows of a vehicle that no one enrolled have even odds of
    their own.

    Raises:
        DatasetError: the windows that select hold one class only, or too few are attack-free.
    """
    errors, latent, vgae_score = _together([score_vgae(vgae, store) for store in stores], VgaeScores)
    logits, embedding = _together([score_gat(gat, store) for store in stores], GatScores)
    columns = {
        name: np.concatenate([getattr(store, name).numpy() for store in stores])
        for name in ("label", "capture", "role", "attack_type", "position", "last_frame", "read_by", "start", "end")
    }
    graph = np.concatenate([store.graph_features.float().numpy() for store in stores])
    gat_score = logits[:, 1] - logits[:, 0]
    select = columns["role"] == ROLES.index("select")
    if len(np.unique(columns["label"][select])) < 2:
        raise DatasetError("the windows that select hold one class only; probabilities cannot be calibrated")
    readings = columns["read_by"]
    withheld = _quiet_validation(stores, columns)
    scorers = {
        "vgae": (vgae_score, lambda store: score_vgae(vgae, store).score),
        "gat": (gat_score, lambda store: score_gat(gat, store).score),
    }
    probability = {}
    for name, (score, scorer) in scorers.items():
        samples = [(scorer(store).numpy(), store.read_by.numpy(), store.capture.numpy()) for store in withheld]
        try:
            calibration = Calibration(
                platt_slope(score[select], columns["label"][select]), limits(samples, false_alarms)
            )
        except ValueError as error:
            raise DatasetError(f"{error}; more attack-free captures are needed") from None
        probability[name] = calibration.probability(score, readings).astype(np.float32)
    # A window that no profile speaks of (an unknown vehicle's warm-up) gives no evidence, and is never an alarm.
    blind = readings == 0
    probability = {name: np.where(blind, np.float32(0), p) for name, p in probability.items()}
    # As logarithms: the probabilities themselves saturate where the GAT is sure, and tell windows no longer apart.
    log_softmax = -np.logaddexp(0, np.stack([gat_score, -gat_score], axis=1))
    quantities = np.concatenate(
        [
            errors,
            latent,
            (np.abs(2 * probability["vgae"] - 1) * ~blind)[:, None],
            log_softmax,
            embedding,
            (np.abs(2 * probability["gat"] - 1) * ~blind)[:, None],
            graph[:, [GRAPH_COLUMNS.index(name) for name in QUALITIES]],
        ],
        axis=1,
    )
    train = quantities[columns["role"] == ROLES.index("train")]
    state = np.clip((quantities - train.mean(axis=0)) / (train.std(axis=0) + 1e-6), -LARGEST, LARGEST)
    return FusionStates(
        state=state.astype(np.float32),
        **probability,
        **columns,
        captures=stores[0].captures,
        attack_types=stores[0].attack_types,
    )


def _quiet_validation(stores: Sequence[GraphStore], columns: dict[str, np.ndarray]) -> list[GraphStore]:
    """The attack-free validation windows, as they are read and with either reading withheld."""
    validating = np.isin(columns["role"], VALIDATION_ROLES)
    quiet = np.zeros(len(validating), bool)
    quiet[validating] = quiet_windows(columns["label"][validating], columns["capture"][validating])
    first, chosen = 0, []
    for store in stores:
        mine = torch.from_numpy(np.flatnonzero(quiet[first : first + len(store)]))
        first += len(store)
        if len(mine):
            part = store.select(mine)
            chosen += [part, *(part.without(reading) for reading in READINGS)]
    return chosen


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


def _together(scores: list, kind: type) -> list[np.ndarray]:
    return [torch.cat([getattr(each, field.name) for each in scores]).numpy() for field in fields(kind)]
