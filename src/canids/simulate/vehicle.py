"""A simulated vehicle: which messages it sends, how often, and what is in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from canids.simulate.arbitration import BIT_RATE
from canids.simulate.motion import SIGNAL_RANGES, SWITCH_NAMES
from canids.simulate.payload import CHECKSUMS, Checksum, Constant, Counter, Field, Flags, Signal

PERIODS = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0])
PERIOD_SHARES = np.array([0.2, 0.2, 0.15, 0.2, 0.1, 0.1, 0.05])
FRAME_RATES = (1550.0, 2100.0)  # frames/s of the whole bus: 100 frames last about 50 ms
JITTERS = (0.001, 0.06)  # of the period
BURST = 3  # frames that an event message sends at each event
BURST_GAP = 0.02  # s between them

TIMED = "timed"  # each frame is late or early by itself
CUMULATIVE = "cumulative"  # each interval is long or short by itself, so that the phase wanders
ON_CHANGE = "on_change"  # timed, and at once when one of its switches toggles
BEATING = "beating"  # served by a task whose ticks beat with the period: early or late in long alternation
EVENT = "event"  # bursts at random times


@dataclass(frozen=True)
class Message:
    """A message that one ECU sends under one ID.

    Attributes:
        arbitration_id: 11 bits, or 29 of an extended one.
        period: s between frames; of an event message, mean s between events.
        jitter: standard deviation of frame times (timed) or of intervals (cumulative), as a share of the period; how
            far frame times alternate (beating).
        dlc: payload bytes.
        clock: TIMED, CUMULATIVE, ON_CHANGE, BEATING or EVENT.
        ecu: which ECU sends it; messages of one ECU share clock drift and phase.
        offset: s by which it comes after its ECU's tick.
        fields: what its bytes hold.
        is_extended: whether the ID has 29 bits.
        echo: s after which each frame is sent once more as it was; 0: it is not.
        every: in each of ``motion.STATES`` one of so many frames is sent; 0 in a state in which it is silent.
    """

    arbitration_id: int
    period: float
    jitter: float
    dlc: int
    clock: str
    ecu: int
    offset: float
    fields: tuple[Field, ...]
    is_extended: bool = False
    echo: float = 0.0
    every: tuple[int, int, int] = (1, 1, 1)

    @property
    def switches(self) -> tuple[str, ...]:
        """The switches that its payload reports."""
        return tuple(name for field in self.fields if isinstance(field, Flags) for name in field.switches)


@dataclass(frozen=True)
class Vehicle:
    """A vehicle and its messages, in the order of their IDs; bit rate in bit/s."""

    name: str
    messages: tuple[Message, ...]
    bit_rate: float = BIT_RATE


def make_vehicle(name: str, rng: np.random.Generator, ids: tuple[int, int] = (25, 60)) -> Vehicle:
    """A random vehicle with between ``ids[0]`` and ``ids[1]`` IDs, most of them periodic, the fast ones with low IDs.

    Its bus carries a total rate drawn from FRAME_RATES, or what so few IDs can reach at 100 frames/s each.
    """
    count = int(rng.integers(ids[0], ids[1] + 1))
    events, on_change = max(1, round(0.07 * count)), max(1, round(0.08 * count))
    periodic = max(1, count - events - on_change)
    periods = np.concatenate(
        [
            draw_periods(periodic, rng.uniform(*FRAME_RATES), PERIODS, PERIOD_SHARES, rng),
            rng.choice(PERIODS[3:], on_change),
            np.exp(rng.uniform(np.log(0.3), np.log(20.0), events)),
        ]
    )
    clocks = [TIMED if rng.random() < 0.6 else CUMULATIVE for _ in range(periodic)]
    clocks += [ON_CHANGE] * on_change + [EVENT] * events
    numbers = np.sort(rng.choice(np.arange(0x040, 0x7E0), len(periods), replace=False))
    # priority follows the rate, roughly
    ranked = np.argsort(np.log(periods) + rng.normal(0, 0.5, len(periods)))
    ecus = int(rng.integers(4, 9))
    messages = [
        _message(int(number), float(periods[k]), clocks[k], int(rng.integers(ecus)), rng)
        for number, k in zip(numbers, ranked, strict=True)
    ]
    return Vehicle(name, tuple(messages))


def draw_periods(
    count: int, rate: float, periods: np.ndarray, shares: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """(count,) periods (s), made faster or slower one at a time until they add up to a rate (frames/s).

    Args:
        periods: to choose from, ascending. shares: how likely each is at first.
    """
    level = rng.choice(len(periods), count, p=shares)
    adjustable = np.arange(count) < max(1, int(0.85 * count))  # the others keep some slow IDs on the bus
    while (1 / periods[level]).sum() < rate and (adjustable & (level > 0)).any():
        level[rng.choice(np.flatnonzero(adjustable & (level > 0)))] -= 1
    while (1 / periods[level]).sum() > rate + 50 and (level < len(periods) - 1).any():
        level[rng.choice(np.flatnonzero(level < len(periods) - 1))] += 1
    return periods[level]


def _message(arbitration_id: int, period: float, clock: str, ecu: int, rng: np.random.Generator) -> Message:
    dlc = 8 if rng.random() < 0.75 else int(rng.integers(1, 8))
    return Message(
        arbitration_id=arbitration_id,
        period=period,
        jitter=float(np.exp(rng.uniform(*np.log(JITTERS)))),
        dlc=dlc,
        clock=clock,
        ecu=ecu,
        offset=float(rng.integers(0, 10) * 1e-3 * min(1.0, period / 0.01)),
        fields=_fields(dlc, clock, rng),
    )


def _fields(dlc: int, clock: str, rng: np.random.Generator) -> tuple[Field, ...]:
    """Fields for all ``dlc`` bytes: flags, signals and constants, then a counter, then a checksum."""
    last: list[Field] = []
    end = dlc
    if end >= 4 and rng.random() < 0.4:
        end -= 1
        last = [Checksum(end, str(rng.choice(CHECKSUMS)), int(rng.integers(256)))]
    if end >= 2 and rng.random() < 0.5:
        end -= 1
        modulus = int(rng.choice([4, 15, 16, 256], p=[0.1, 0.2, 0.5, 0.2]))
        upper = 0 if modulus == 256 else int(rng.integers(16)) << 4
        last = [Constant(end, upper), Counter(end, modulus), *last]
    fields: list[Field] = []
    byte = 0
    if clock == ON_CHANGE:
        fields, byte = [_flags(0, rng)], 1
    while byte < end:
        kind = rng.choice(["wide", "narrow", "constant", "flags"], p=[0.4, 0.2, 0.28, 0.12])
        if kind == "wide" and end - byte >= 2:
            fields.append(_signal(byte, 2, rng))
        elif kind in ("wide", "narrow"):
            fields.append(_signal(byte, 1, rng))
        elif kind == "constant":
            fields.append(Constant(byte, int(rng.choice([0, 0, 0, 255, rng.integers(256)]))))
        else:
            fields.append(_flags(byte, rng))
        byte += 2 if isinstance(fields[-1], Signal) and fields[-1].size == 2 else 1
    return (*fields, *last)


def _signal(byte: int, size: int, rng: np.random.Generator) -> Signal:
    source = str(rng.choice(list(SIGNAL_RANGES)))
    low, high = SIGNAL_RANGES[source]
    return Signal(byte, size, source, low, high, noise=float(rng.choice([0.0, 0.3, 1.0 if size == 1 else 4.0])))


def _flags(byte: int, rng: np.random.Generator) -> Flags:
    switches = rng.choice(SWITCH_NAMES, int(rng.integers(1, 4)), replace=False)
    return Flags(byte, int(rng.integers(16)) << 4, tuple(str(name) for name in switches))
