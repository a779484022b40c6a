"""What a vehicle does during a trip: signals and switches that several messages report at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STATES = ("ignition only", "standing", "driving")

# name: (seconds between knots, lowest, highest, spread of a step from one knot to the next)
WALKS = {
    "speed": (4.0, 0.0, 140.0, 12.0),
    "steering": (1.2, -250.0, 250.0, 45.0),
    "wobble": (0.3, -4.0, 4.0, 2.0),
    "grade": (10.0, -6.0, 6.0, 1.5),
    "voltage": (2.0, 13.2, 14.6, 0.1),
    "coolant": (20.0, 70.0, 105.0, 1.0),
    "fuel": (30.0, 5.0, 60.0, 0.3),
    "pressure": (1.0, 20.0, 101.0, 6.0),
}
SPEEDS_OF_SHIFTS = np.array([15.0, 35.0, 55.0, 80.0, 110.0])
RPM_PER_SPEED = np.array([95.0, 55.0, 38.0, 29.0, 23.0, 19.0])

# name: (mean seconds off, mean seconds on)
SWITCHES = {
    "lights": (60.0, 60.0),
    "door": (90.0, 4.0),
    "wiper": (8.0, 1.2),
    "horn": (40.0, 0.5),
    "cruise": (20.0, 15.0),
}
BLINK = 0.35  # seconds that an indicator lamp is on, and off
SWITCH_NAMES = (*SWITCHES, "blinker", "brake_light")

# name: lowest and highest value that a message's field can hold
SIGNAL_RANGES = {
    "speed": (0.0, 200.0),
    "acceleration": (-8.0, 8.0),
    "throttle": (0.0, 100.0),
    "brake": (0.0, 100.0),
    "gear": (0.0, 15.0),
    "rpm": (0.0, 8000.0),
    "torque": (-100.0, 400.0),
    "steering": (-300.0, 300.0),
    "yaw": (-150.0, 150.0),
    "wheel_left": (0.0, 200.0),
    "wheel_right": (0.0, 200.0),
    "voltage": (0.0, 20.0),
    "coolant": (-40.0, 215.0),
    "fuel": (0.0, 80.0),
    "pressure": (0.0, 120.0),
}


@dataclass(frozen=True)
class Trip:
    """One trip.

    Attributes:
        knots: for each of WALKS the values at multiples of its spacing, interpolated smoothly between them.
        toggles: for each of SWITCH_NAMES the times (s, ascending) at which it goes on, off, on, …
    """

    knots: dict[str, np.ndarray]
    toggles: dict[str, np.ndarray]

    def state(self, time: np.ndarray) -> np.ndarray:
        """(n,) index into ``STATES`` at (n,) times: all driving."""
        return np.full(len(time), STATES.index("driving"))

    def signal(self, name: str, time: np.ndarray) -> np.ndarray:
        """(n,) values of one of SIGNAL_RANGES at (n,) times (s since the trip began)."""
        if name in ("wheel_left", "wheel_right"):
            side = 1 if name == "wheel_left" else -1
            return self._walk("speed", time) * (1 + side * 3e-4 * self.signal("steering", time))
        if name == "steering":
            return self._walk("steering", time) + self._walk("wobble", time)
        if name == "yaw":
            return 0.004 * self.signal("steering", time) * self._walk("speed", time)
        if name == "acceleration":
            return self._slope("speed", time) / 3.6
        if name == "throttle":
            push = 20 * self.signal("acceleration", time) + 0.2 * self._walk("speed", time)
            return np.clip(5 + push + 2 * self._walk("grade", time), 0, 100)
        if name == "brake":
            return np.clip(-30 * self.signal("acceleration", time) - 8, 0, 100)
        if name == "torque":
            return 3.2 * self.signal("throttle", time) - 30
        if name == "gear":
            return 1.0 + np.searchsorted(SPEEDS_OF_SHIFTS, self._walk("speed", time))
        if name == "rpm":
            speed = self._walk("speed", time)
            return 750 + speed * RPM_PER_SPEED[np.searchsorted(SPEEDS_OF_SHIFTS, speed)]
        return self._walk(name, time)

    def switch(self, name: str, time: np.ndarray) -> np.ndarray:
        """(n,) bool, whether one of SWITCH_NAMES is on at (n,) times."""
        return np.searchsorted(self.toggles[name], time, side="right") % 2 == 1

    def _walk(self, name: str, time: np.ndarray) -> np.ndarray:
        before, step, within = self._position(name, time)
        return before + step * within**2 * (3 - 2 * within)

    def _slope(self, name: str, time: np.ndarray) -> np.ndarray:
        _, step, within = self._position(name, time)
        return step * 6 * within * (1 - within) / WALKS[name][0]

    def _position(self, name: str, time: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        place = time / WALKS[name][0]
        knot = np.clip(place.astype(np.int64), 0, len(self.knots[name]) - 2)
        values = self.knots[name]
        return values[knot], values[knot + 1] - values[knot], np.clip(place - knot, 0, 1)


def make_trip(seconds: float, rng: np.random.Generator) -> Trip:
    """A random trip of a length in seconds."""
    knots = {name: _walk_knots(seconds, *shape, rng) for name, shape in WALKS.items()}
    toggles = {name: _renewals(seconds, off, on, rng) for name, (off, on) in SWITCHES.items()}
    toggles["blinker"] = _blinks(_renewals(seconds, 10.0, 4.0, rng))
    trip = Trip(knots, toggles)
    grid = np.arange(0, seconds, 0.02)
    braking = trip.signal("brake", grid) > 0
    toggles["brake_light"] = grid[1:][np.diff(braking)]
    if len(braking) and braking[0]:
        toggles["brake_light"] = np.r_[0.0, toggles["brake_light"]]
    return trip


def _walk_knots(seconds, spacing, low, high, spread, rng) -> np.ndarray:
    """A random walk that is reflected at its lowest and highest value."""
    count = int(seconds / spacing) + 3
    free = rng.uniform(low, high) - low + np.cumsum(rng.normal(0, spread, count))
    folded = np.mod(free, 2 * (high - low))
    return low + np.minimum(folded, 2 * (high - low) - folded)


def _renewals(seconds, off, on, rng) -> np.ndarray:
    count = int(3 * seconds / (off + on)) + 20
    lengths = np.stack([rng.exponential(off, count), 0.1 + rng.exponential(on, count)], axis=1).ravel()
    times = np.cumsum(lengths) - lengths[0] * rng.random()
    return times[times < seconds]


def _blinks(episodes: np.ndarray) -> np.ndarray:
    """Toggle times of an indicator lamp that blinks while its lever (toggled at ``episodes``) is held."""
    blinks = [np.arange(begin, end, BLINK) for begin, end in zip(episodes[::2], episodes[1::2], strict=False)]
    # an even number of toggles an episode leaves the lamp off
    return np.concatenate([np.empty(0), *(each[: len(each) // 2 * 2] for each in blinks)])
