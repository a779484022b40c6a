"""A fleet of simulated vehicles to train on: drives of each, and attacked copies of these, as frame tables."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf

from canids.artifacts import write_json
from canids.frames.content import content_sha256
from canids.frames.frames import ATTACK_FREE, FLEET, Frames
from canids.frames.parquet import write_frames
from canids.progress import track
from canids.simulate.fleet_vehicle import make_fleet_vehicle
from canids.simulate.motion import STATES
from canids.simulate.pace import ln_uniform
from canids.simulate.states import make_stateful_trip
from canids.simulate.synthesis import write_attacked
from canids.simulate.traffic import send
from canids.simulate.vehicle import Vehicle

logger = logging.getLogger(__name__)
VEHICLES_IN_PART = 20
RESOLUTIONS = (1e-6, 1e-6, 1e-5, 1e-4)  # s, of a logger's clock
LATENESS = (0.0, 1e-5, 5e-5)  # s, standard deviation of a logger's time stamps


def fleet_variant(fleet: DictConfig, synthesis: DictConfig) -> str:
    """Name of a fleet: how many vehicles, and a digest of all settings that its frames depend on."""
    attacks = {name: value for name, value in OmegaConf.to_container(synthesis).items() if name != "copies"}
    settings = json.dumps([OmegaConf.to_container(fleet), attacks], sort_keys=True)
    return f"{fleet.vehicles}-vehicles-{hashlib.sha256(settings.encode()).hexdigest()[:8]}"


def fleet_parts(fleet: DictConfig) -> list[int]:
    """Numbers of the fleet's parts, each of up to ``VEHICLES_IN_PART`` vehicles."""
    return list(range(-(-fleet.vehicles // VEHICLES_IN_PART)))


def fleet_tables(fleet: DictConfig, part: int) -> list[str]:
    """File names of the frame tables of a part, known before anything is simulated."""
    return [
        name
        for number in _vehicles(fleet, part)
        for drive in range(fleet.captures)
        for name in (
            f"{vehicle_name(number)}-{drive}.parquet",
            *(f"{vehicle_name(number)}-{drive}-attacked-{copy}.parquet" for copy in range(fleet.copies)),
        )
    ]


def simulate_part(folder: Path, part: int, fleet: DictConfig, synthesis: DictConfig) -> None:
    """Write the frame tables of a part of the fleet (``fleet_tables``), each with its record beside it (.json).

    A vehicle depends on its number and the seed, a drive on these and its own number: a larger fleet holds the smaller.

    Args:
        fleet, synthesis: these sections of the configuration.
    """
    for number in track(_vehicles(fleet, part), f"fleet, part {part}"):
        name = vehicle_name(number)
        vehicle = make_fleet_vehicle(name, np.random.default_rng([fleet.seed, number]))
        for drive in range(fleet.captures):
            rng = np.random.default_rng([fleet.seed, number, 1 + drive])
            seconds = ln_uniform((fleet.shortest_drive, fleet.longest_drive), rng)
            frames, facts = simulate_drive(vehicle, seconds, drive, rng)
            write_frames(folder / f"{name}-{drive}.parquet", frames, facts)
            write_json(folder / f"{name}-{drive}.json", facts)
            for copy in range(fleet.copies):
                write_attacked(folder / f"{name}-{drive}-attacked-{copy}.parquet", frames, facts, synthesis, copy)


def simulate_drive(vehicle: Vehicle, seconds: float, drive: int, rng: np.random.Generator) -> tuple[Frames, dict]:
    """A drive of a vehicle, and its facts as in an ingest record."""
    trip = make_stateful_trip(seconds, rng)
    frames = _logged(send(vehicle, trip, seconds, rng), rng)
    facts = {
        "capture": f"{vehicle.name}-{drive}",
        "scenario": FLEET,
        "vehicle": vehicle.name,
        "attack_type": ATTACK_FREE,
        "content_sha256": content_sha256(frames),
        "frames": len(frames),
        "duration_s": float(frames.timestamp[-1] - frames.timestamp[0]),
        "arbitration_ids": len(np.unique(frames.arbitration_id)),
        "bit_rate": vehicle.bit_rate,
        "states": [
            {"start": start, "state": STATES[state]} for start, state in zip(trip.starts, trip.states, strict=True)
        ],
        "attack_frames": 0,
        "attack_spans": [],
    }
    return frames, facts


def vehicle_name(number: int) -> str:
    """Name of a vehicle of the fleet."""
    return f"{FLEET}-{number:04d}"


def _vehicles(fleet: DictConfig, part: int) -> range:
    return range(part * VEHICLES_IN_PART, min((part + 1) * VEHICLES_IN_PART, fleet.vehicles))


def _logged(frames: Frames, rng: np.random.Generator) -> Frames:
    """The frames with the times that a logger gives them: a little late, and as fine as its clock."""
    late = np.abs(rng.normal(0, rng.choice(LATENESS), len(frames)))
    resolution = rng.choice(RESOLUTIONS)
    time = np.maximum.accumulate(frames.timestamp + late)
    return replace(frames, timestamp=time[0] + np.round((time - time[0]) / resolution) * resolution)
