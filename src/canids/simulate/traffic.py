"""The attack-free traffic of a vehicle on a trip."""

from __future__ import annotations

import numpy as np

from canids.frames.frames import Frames
from canids.simulate.arbitration import arbitrate
from canids.simulate.motion import Trip, make_trip
from canids.simulate.vehicle import BEATING, BURST, BURST_GAP, CUMULATIVE, EVENT, ON_CHANGE, Message, Vehicle

EPOCH = (1.6e9, 1.7e9)  # when trips begin, seconds since 1970
DRIFT = 5e-5  # standard deviation of an ECU's clock error
BEATS = (0.05, 0.5)  # of a beating message: alternations a period
LATE = (0.2, 0.8)  # share of its frames that are late
REACTION = 2e-3  # s from the toggle of a switch to the frame that tells it


def drive(vehicle: Vehicle, seconds: float, rng: np.random.Generator) -> Frames:
    """What a logger hears on the bus during a trip of a length in seconds, from a random moment on; no attack."""
    return send(vehicle, make_trip(seconds, rng), seconds, rng)


def send(vehicle: Vehicle, trip: Trip, seconds: float, rng: np.random.Generator) -> Frames:
    """As ``drive``, on a given trip."""
    ecus = 1 + max(message.ecu for message in vehicle.messages)
    drifts, phases = rng.normal(1, DRIFT, ecus), rng.uniform(0, 1, ecus)
    times, payloads = [], []
    for message in vehicle.messages:
        time = _ready_times(message, trip, seconds, drifts[message.ecu], phases[message.ecu], rng)
        payload = _payload(message, time, trip, rng)
        if message.echo:
            time, payload = np.concatenate([time, time + message.echo]), np.concatenate([payload, payload])
        times.append(time)
        payloads.append(payload)
    counts = [len(time) for time in times]
    count = sum(counts)
    frames = Frames(
        timestamp=rng.integers(*map(int, EPOCH)) + np.concatenate(times),
        arbitration_id=np.repeat(np.array([m.arbitration_id for m in vehicle.messages], np.uint32), counts),
        is_extended=np.repeat(np.array([m.is_extended for m in vehicle.messages], bool), counts),
        dlc=np.repeat(np.array([m.dlc for m in vehicle.messages], np.uint8), counts),
        payload=np.concatenate(payloads),
        attack=np.zeros(count, bool),
        attack_type=np.zeros(count, np.int8),
    )
    return arbitrate(frames.sorted_by_time()[0], vehicle.bit_rate)


def _ready_times(
    message: Message, trip: Trip, seconds: float, drift: float, phase: float, rng: np.random.Generator
) -> np.ndarray:
    """(n,) ascending times (s since the trip began, less than ``seconds``) at which a message's frames are ready."""
    if message.clock == EVENT:
        gaps = BURST * BURST_GAP + rng.exponential(message.period, int(3 * seconds / message.period) + 20)
        events = np.cumsum(gaps) - gaps[0] * rng.random()
        times = (events[:, None] + np.arange(BURST) * BURST_GAP).ravel()
    else:
        period = message.period * drift
        count = int(seconds / period * 1.01) + 20
        if message.clock == BEATING:
            late = np.arange(count) * rng.uniform(*BEATS) % 1 < rng.uniform(*LATE)
            noise = message.jitter * period * late + rng.normal(0, 0.03 * message.jitter * period, count)
        else:
            noise = rng.normal(0, message.jitter * period, count)
        if message.clock == CUMULATIVE:
            noise = np.cumsum(noise)
        begin = phase % message.period + message.offset - 5 * period  # early enough for the noise not to leave a gap
        times = begin + np.arange(count) * period + noise
        if message.clock == ON_CHANGE:
            toggles = [trip.toggles[name] for name in message.switches]
            times = np.concatenate([times, *(each + REACTION for each in toggles)])
    times = np.sort(times)
    times = times[(times >= 0) & (times < seconds)]
    if message.every == (1, 1, 1):
        return times
    every = np.array(message.every)[trip.state(times)]
    return times[(every > 0) & (np.arange(len(times)) % np.maximum(every, 1) == 0)]


def _payload(message: Message, time: np.ndarray, trip: Trip, rng: np.random.Generator) -> np.ndarray:
    """(n, 8) uint8, zero-padded."""
    payload = np.zeros((len(time), 8), np.uint8)
    for field in message.fields:
        field.write(payload, time, trip, rng)
    return payload
