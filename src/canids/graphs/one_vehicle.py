"""Captures of one vehicle: its profile, and its windows read against a profile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig

from canids.errors import DatasetError
from canids.frames.content import content_sha256
from canids.frames.fingerprint import Fingerprint, fingerprint
from canids.frames.frames import ATTACK_FREE
from canids.frames.readers import capture_name, read_capture
from canids.frames.reading import ReadOptions
from canids.graphs.build import store_of_capture
from canids.graphs.captures import LabelledCapture, labelled_capture
from canids.graphs.enroll import fit_profile
from canids.graphs.joined import JoinedReadings
from canids.graphs.left_out import without
from canids.graphs.profile import VehicleProfile
from canids.graphs.readings import known_reading, own_reading
from canids.graphs.references import Sample
from canids.graphs.splits import ROLES
from canids.graphs.store import GraphStore, pick

ENROLMENT = "enrolment"  # scenario of captures that enrol a vehicle
# Least share of a vehicle's traffic whose IDs a capture of it holds (an attack takes no ID away), or of the capture's
# frames that have the vehicle's IDs (in another state, as ignition alone, it may be silent for the most part).
SAME_VEHICLE = 0.5


def read_log(
    path: Path, number: int, vehicle: str, graph: DictConfig, options: ReadOptions
) -> tuple[LabelledCapture, Fingerprint]:
    """A log file in windows, as one of several that enrol a vehicle, and its fingerprint.

    Args:
        number: of the file among those that enrol; names may repeat.

    Raises:
        CaptureError, DatasetError: the file cannot be read, or is too short for a window.
    """
    frames, _ = read_capture(path, options).frames.sorted_by_time()
    name = f"{number}-{capture_name(path) or path.name}"
    facts = {
        "scenario": ENROLMENT,
        "capture": name,
        "vehicle": vehicle,
        "attack_type": ATTACK_FREE,
        "attack_spans": [],
        "content_sha256": content_sha256(frames),
    }
    return labelled_capture(frames, facts, graph, path), fingerprint(frames)


def profile_of(captures: Sequence[LabelledCapture]) -> VehicleProfile:
    """The vehicle's profile; windows that are labelled as attacked have no part in it."""
    return fit_profile([Sample.of(capture.windows, ~capture.attacked) for capture in captures])


def crossed_store(captures: Sequence[LabelledCapture], graph: DictConfig) -> GraphStore:
    """The attack-free windows of captures that enrol a vehicle, each read against a profile that it had no part in.

    A capture is read against the others' profile, a single one's halves against each other's.
    """
    samples = [Sample.of(capture.windows, ~capture.attacked) for capture in captures]
    if len(samples) == 1:
        first, second = samples[0].halves
        parts = [(0, first.windows, second), (0, second.windows, first)]
        crossed = [(number, windows, fit_profile([Sample.of(by.capture, by.windows)])) for number, windows, by in parts]
    else:
        crossed = [
            (number, sample.windows, fit_profile([each for each in samples if each is not sample]))
            for number, sample in enumerate(samples)
        ]
    return pick(
        [
            (_read(captures, number, profile, graph), torch.from_numpy(np.flatnonzero(windows)))
            for number, windows, profile in crossed
        ]
    )


def known_store(captures: Sequence[LabelledCapture], profile: VehicleProfile, graph: DictConfig) -> GraphStore:
    """All windows of some captures of a vehicle, read against its profile.

    Raises:
        DatasetError: a capture is of another vehicle.
    """
    for capture in captures:
        windows = capture.windows
        heard = float(profile.share[np.isin(profile.key, windows.ids)].sum())
        known = float(np.isin(windows.ids, profile.key)[windows.code].mean())
        if max(heard, known) < SAME_VEHICLE:
            raise DatasetError(
                f"{capture.key}: its IDs are {heard:.0%} of the enrolled vehicle's traffic, and the vehicle's are "
                f"{known:.0%} of its own; one has to be {SAME_VEHICLE:.0%}: it is a capture of another vehicle"
            )
    stores = [_read(captures, number, profile, graph) for number in range(len(captures))]
    return pick([(store, torch.arange(len(store))) for store in stores])


def _read(captures: Sequence[LabelledCapture], number: int, profile: VehicleProfile, graph: DictConfig) -> GraphStore:
    capture = captures[number]
    joined = JoinedReadings.empty(capture.windows)
    own = own_reading(capture.windows, graph.warmup, graph.quarantine)
    joined.write("own", without("own", own, graph.leave_out))
    joined.write("known", without("known", known_reading(capture.windows, profile), graph.leave_out))
    return store_of_capture(
        number,
        capture,
        np.full(len(capture.windows), ROLES.index("test"), np.int8),
        joined,
        np.unique(np.concatenate([each.windows.ids for each in captures])),
        tuple(each.key for each in captures),
        tuple(dict.fromkeys([ATTACK_FREE, *(name for each in captures for name in each.attack_type.tolist())])),
    )
