"""What is fitted between trained models and their fusion: kept as a file, so that it holds on other data too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from canids.artifacts import read_names, write_tensors
from canids.errors import ArtifactError, DatasetError
from canids.fusion.calibration import Calibration, Samples, platt_slope, quiet_windows
from canids.fusion.quantities import QUALITIES, QUANTITIES, Scored, score_stores
from canids.graphs.splits import ROLES
from canids.graphs.store import READINGS, GraphStore
from canids.models.gat import Gat
from canids.models.scoring import score_gat, score_vgae
from canids.models.vgae import Vgae

LARGEST = 10.0
MOST_WINDOWS = 20_000  # training windows whose quantities are looked at
MODELS = ("vgae", "gat")
LIMITS = ("limit", "lowest", "highest")
# What a file's numbers are of; one of other quantities or readings would be read wrongly.
_NAMES = {"quantities": [*QUANTITIES, *QUALITIES], "readings": list(READINGS)}


@dataclass(frozen=True)
class CascadeCalibration:
    """From the models' scores to probabilities, and from quantities to what the agent sees.

    Attributes:
        vgae, gat: from score to log-odds of an attack.
        mean, std: (17,) float32, of ``QUANTITIES`` and ``QUALITIES`` on the training windows.
    """

    vgae: Calibration
    gat: Calibration
    mean: np.ndarray
    std: np.ndarray

    def probabilities(self, scored: Scored) -> dict[str, np.ndarray]:
        """``vgae`` and ``gat`` → (w,) float32, probabilities of an attack; 0 where no profile speaks of the window."""
        return _probabilities({"vgae": self.vgae, "gat": self.gat}, scored)

    def enrolled(self, vgae: Vgae, gat: Gat, stores: Sequence[GraphStore], false_alarms: float) -> CascadeCalibration:
        """The calibration of the vehicle that some attack-free stores are of."""
        samples = _samples(vgae, gat, stores)
        return replace(self, **{name: getattr(self, name).enrolled(samples[name], false_alarms) for name in MODELS})

    def with_limits(self, limits: Mapping[str, np.ndarray]) -> CascadeCalibration:
        """The calibration with other limits ((READ_BY,) of each of ``MODELS``)."""
        return replace(self, **{name: replace(getattr(self, name), limit=limits[name]) for name in MODELS})

    def standardised(self, quantities: np.ndarray) -> np.ndarray:
        """(w, 17) float32, what lies far out clipped."""
        return np.clip((quantities - self.mean) / (self.std + 1e-6), -LARGEST, LARGEST).astype(np.float32)


def fit_calibration(
    vgae: Vgae, gat: Gat, train: GraphStore, val: GraphStore, false_alarms: float
) -> CascadeCalibration:
    """Fit the calibration of two models on a dataset's training and validation windows.

    Quantities are standardised on the training windows: of many, every k-th tells mean and spread as well.
    Probabilities are calibrated on validation windows: the slope on those that select, even odds where a share
    ``false_alarms`` of the attack-free ones would alarm. These are read as they are and with either reading withheld:
    windows of a vehicle that no one enrolled have even odds of their own.

    Raises:
        DatasetError: the windows that select hold one class only, or too few are attack-free.
    """
    select, label = val.role.numpy() == ROLES.index("select"), val.label.numpy()
    if len(np.unique(label[select])) < 2:
        raise DatasetError("the windows that select hold one class only; probabilities cannot be calibrated")
    scored = score_stores(vgae, gat, [val.select(torch.from_numpy(np.flatnonzero(select)))])
    samples, fitted = _samples(vgae, gat, _quiet(val)), {}
    for name in MODELS:
        try:
            slope = platt_slope(getattr(scored, name), label[select])
            fitted[name] = Calibration.fit(slope, samples[name], false_alarms)
        except ValueError as error:
            raise DatasetError(f"{error}; more attack-free captures are needed") from None
    seen = score_stores(vgae, gat, [train.select(torch.arange(0, len(train), len(train) // MOST_WINDOWS + 1))])
    quantities = seen.quantities(**_probabilities(fitted, seen))
    return CascadeCalibration(**fitted, mean=quantities.mean(axis=0), std=quantities.std(axis=0))


def _probabilities(calibrations: dict[str, Calibration], scored: Scored) -> dict[str, np.ndarray]:
    # A window that no profile speaks of (an unknown vehicle's warm-up) gives no evidence, and is never an alarm.
    blind = scored.readings == 0
    found = {name: each.probability(getattr(scored, name), scored.readings) for name, each in calibrations.items()}
    return {name: np.where(blind, np.float32(0), p.astype(np.float32)) for name, p in found.items()}


def _samples(vgae: Vgae, gat: Gat, stores: Sequence[GraphStore]) -> dict[str, Samples]:
    """Each model's scores of the stores' windows, as they are read and with either reading withheld."""
    withheld = [each for store in stores for each in (store, *(store.without(reading) for reading in READINGS))]
    scorers = {
        "vgae": lambda store: score_vgae(vgae, store).score,
        "gat": lambda store: score_gat(gat, store).score,
    }
    return {
        name: [(scorer(store).numpy(), store.read_by.numpy(), store.capture.numpy()) for store in withheld]
        for name, scorer in scorers.items()
    }


def _quiet(val: GraphStore) -> list[GraphStore]:
    """The attack-free validation windows, if there are any."""
    chosen = np.flatnonzero(quiet_windows(val.label.numpy(), val.capture.numpy()))
    return [val.select(torch.from_numpy(chosen))] if len(chosen) else []


def save_calibration(path: Path, calibration: CascadeCalibration) -> None:
    """Write a calibration as one safetensors file, atomically."""
    arrays = {"mean": calibration.mean, "std": calibration.std}
    for name in MODELS:
        each = getattr(calibration, name)
        arrays[f"{name}_slope"] = np.array(each.slope, np.float64)
        arrays |= {f"{name}_{part}": getattr(each, part).astype(np.float64) for part in LIMITS}
    write_tensors(path, save_file, arrays, **_NAMES)


def load_calibration(path: Path) -> CascadeCalibration:
    """Read a calibration.

    Raises:
        ArtifactError: the file is missing or damaged, or of other quantities than today's.
    """
    try:
        with safe_open(path, framework="np") as file:
            mean, std = file.get_tensor("mean"), file.get_tensor("std")
            fitted = {
                name: Calibration(
                    float(file.get_tensor(f"{name}_slope")),
                    **{part: file.get_tensor(f"{name}_{part}") for part in LIMITS},
                )
                for name in MODELS
            }
        names = read_names(path)
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: not a calibration ({error}); run the fusion_states stage again") from None
    if names != _NAMES:
        raise ArtifactError(f"{path}: a calibration of other quantities; run the fusion_states stage again")
    return CascadeCalibration(**fitted, mean=mean, std=std)
