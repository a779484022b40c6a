"""Trips on which the vehicle is not always driving: the states that it passes through, and what its signals do then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from canids.simulate.motion import STATES, Trip, make_trip

IGNITION, STANDING, DRIVING = range(len(STATES))
BEGINNINGS = (0.15, 0.25, 0.6)  # how likely a trip begins in each state
CHANGES = (0.65, 0.25, 0.1)  # how likely it has none, one or two changes of state
IDLE = 750.0  # rpm
MOVING = ("speed", "acceleration", "yaw", "wheel_left", "wheel_right", "gear")
OF_THE_ENGINE = ("rpm", "torque", "throttle", "pressure")


@dataclass(frozen=True)
class StatefulTrip(Trip):
    """A trip through several states.

    Attributes:
        starts: (k,) s, when each state begins, the first at 0. states: (k,) index into ``motion.STATES``.
    """

    starts: np.ndarray
    states: np.ndarray

    def state(self, time: np.ndarray) -> np.ndarray:
        return self.states[np.maximum(np.searchsorted(self.starts, time, side="right") - 1, 0)]

    def signal(self, name: str, time: np.ndarray) -> np.ndarray:
        """As of a trip that is all driving; a standing vehicle does not move, and its engine idles or is off."""
        value, state = super().signal(name, time), self.state(time)
        if name in MOVING:
            return np.where(state == DRIVING, value, 0.0)
        if name in OF_THE_ENGINE:
            idle = IDLE + 10 * self._walk("wobble", time) if name == "rpm" else 0.0
            return np.where(state == DRIVING, value, np.where(state == STANDING, idle, 0.0))
        return value


def make_stateful_trip(seconds: float, rng: np.random.Generator) -> StatefulTrip:
    """A random trip of a length in seconds; states change to a neighbouring one, at any time."""
    trip = make_trip(seconds, rng)
    states = [int(rng.choice(len(STATES), p=BEGINNINGS))]
    changes = int(rng.choice(len(CHANGES), p=CHANGES))
    for _ in range(changes):
        near = [state for state in (states[-1] - 1, states[-1] + 1) if 0 <= state < len(STATES)]
        states.append(int(rng.choice(near)))
    starts = np.concatenate([[0.0], np.sort(rng.uniform(0, seconds, changes))])
    return StatefulTrip(trip.knots, trip.toggles, starts, np.array(states))
