"""Vehicles of a simulated fleet: as unlike each other as vehicles on the road are, and more."""

from __future__ import annotations

import numpy as np

from canids.simulate.motion import SIGNAL_RANGES, STATES, SWITCH_NAMES
from canids.simulate.pace import ln_uniform
from canids.simulate.payload import CHECKSUMS, NIBBLE, Checksum, Constant, Counter, Field, Flags, Multiplex, Signal
from canids.simulate.vehicle import (
    BEATING,
    CUMULATIVE,
    EVENT,
    ON_CHANGE,
    TIMED,
    Message,
    Vehicle,
    draw_periods,
)

IDS = (12, 95)
PERIODS = np.array([0.01, 0.02, 0.025, 0.04, 0.05, 0.06, 0.1, 0.2, 0.5, 1.0, 1.2, 2.0])
PERIOD_SHARES = np.array([0.18, 0.2, 0.04, 0.04, 0.13, 0.03, 0.17, 0.06, 0.05, 0.07, 0.02, 0.01])
FRAME_RATES = (300.0, 2300.0)  # frames/s
BIT_RATES = {500_000: 0.8, 250_000: 0.12, 125_000: 0.08}
FULLEST = 0.6  # share of the bus's time that frames take
LONG_FRAME = 119  # bits
CLOCKS = {TIMED: 0.55, CUMULATIVE: 0.25, BEATING: 0.2}
JITTERS = (0.001, 0.06)  # of the period
DELAYS = (1e-5, 5e-4)  # s: jitter of a task that is late by as much whatever its period
BEATING_DELAYS = (1e-4, 1.2e-3)  # s
EVENTS = (0.3, 60.0)  # s from one event to the next, on average
ON_CHANGE_PERIODS = (0.1, 0.2, 0.5, 1.0)
EXTENDED = {"none": 0.7, "some": 0.15, "all": 0.15}
BUNCHED = (0.4, 0.95)  # share of the messages that are ready at their ECU's tick
ALWAYS_AWAKE = 4  # of the fastest IDs
OFTEN, TOGETHER = 0.1, 2  # s; of the messages sent so often, an ECU that falls asleep has so many
SLOW_SIGNALS = ("voltage", "coolant", "fuel", "gear")
# what a message holds, and how likely it does
CONTENTS = {"constant": 0.23, "counting": 0.26, "status": 0.2, "pages": 0.05, "signals": 0.26}


def make_fleet_vehicle(name: str, rng: np.random.Generator) -> Vehicle:
    """A random vehicle of a fleet."""
    count = int(rng.integers(IDS[0], IDS[1] + 1))
    bit_rate = _pick(BIT_RATES, rng)
    fastest = min(FRAME_RATES[1], FULLEST * bit_rate / LONG_FRAME, 80.0 * count)
    rate = rng.uniform(FRAME_RATES[0], fastest)
    events, on_change = round(rng.uniform(0, 0.12) * count), round(rng.uniform(0, 0.06) * count)
    periodic = count - events - on_change
    periods = np.concatenate(
        [
            draw_periods(periodic, rate, PERIODS, PERIOD_SHARES, rng),
            rng.choice(ON_CHANGE_PERIODS, on_change),
            np.exp(rng.uniform(*np.log(EVENTS), events)),
        ]
    )
    clocks = [_pick(CLOCKS, rng) for _ in range(periodic)] + [ON_CHANGE] * on_change + [EVENT] * events
    numbers, is_extended = _identifiers(count, rng)
    # priority follows the rate, roughly
    ranked = np.argsort(np.log(periods) + rng.normal(0, 0.7, count))
    ecu, bunched = rng.integers(int(rng.integers(3, 12)), size=count), rng.uniform(*BUNCHED)
    states = _states(periods, ecu, rng)
    messages = [
        _message(
            arbitration_id=int(number),
            is_extended=bool(extended),
            period=float(periods[k]),
            clock=clocks[k],
            ecu=int(ecu[k]),
            offset=0.0 if rng.random() < bunched else float(rng.integers(1, 10)) * 1e-3,
            every=states[k],
            rng=rng,
        )
        for number, extended, k in zip(numbers, is_extended, ranked, strict=True)
    ]
    return Vehicle(name, tuple(messages), bit_rate)


def _pick(shares: dict, rng: np.random.Generator):
    """One of the keys, each as likely as its value says."""
    return list(shares)[int(rng.choice(len(shares), p=np.array(list(shares.values()))))]


def _identifiers(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(count,) numbers, ascending within a format, and whether each has 29 bits."""
    kind = _pick(EXTENDED, rng)
    extended = {"none": 0, "some": max(1, count // 4), "all": count}[kind]
    standard = np.sort(rng.choice(np.arange(0x001, 0x7F0), count - extended, replace=False))
    long = np.sort(rng.choice(1 << 20, extended, replace=False) * 512 + 0x0100)
    return np.concatenate([standard, long]), np.arange(count) >= count - extended


def _states(periods: np.ndarray, ecu: np.ndarray, rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """For each message, of how many frames one is sent in each state (``Message.every``).

    An ECU falls asleep with all of its messages but the vehicle's fastest: what falls silent alone is missed.
    """
    awake = np.argsort(periods, kind="stable")[:ALWAYS_AWAKE]
    often = np.setdiff1d(np.flatnonzero(periods <= OFTEN), awake)
    asleep = {"ignition only": rng.uniform(0.1, 0.75), "standing": 0.05, "driving": 0.03}
    slower = {"ignition only": 0.015, "standing": 0.01, "driving": 0.0}
    every = np.ones((len(periods), len(STATES)), int)
    for column, state in enumerate(STATES):
        slow = rng.random(len(periods)) < slower[state]
        every[slow, column] = rng.choice([2, 4, 5, 10], np.count_nonzero(slow))
        for number in np.unique(ecu):
            if rng.random() < asleep[state] and np.count_nonzero(ecu[often] == number) >= TOGETHER:
                every[ecu == number, column] = 0
    every[awake] = 1
    return [tuple(each) for each in every.tolist()]


def _message(
    arbitration_id: int,
    is_extended: bool,
    period: float,
    clock: str,
    ecu: int,
    offset: float,
    every: tuple[int, int, int],
    rng: np.random.Generator,
) -> Message:
    if clock == BEATING:
        jitter = ln_uniform(BEATING_DELAYS, rng) / period
    elif rng.random() < 0.75:
        jitter = min(ln_uniform(DELAYS, rng) / period, JITTERS[1])
    else:
        jitter = ln_uniform(JITTERS, rng)
    dlc = 8 if rng.random() < 0.8 else int(rng.integers(1, 8))
    echoed = clock in (TIMED, CUMULATIVE) and rng.random() < 0.01
    return Message(
        arbitration_id=arbitration_id,
        is_extended=is_extended,
        period=period,
        jitter=jitter,
        dlc=dlc,
        clock=clock,
        ecu=ecu,
        offset=offset,
        fields=_fields(dlc, clock, period, rng),
        echo=float(rng.uniform(0.05, 0.4) * min(period, 0.1)) if echoed else 0.0,
        every=every,
    )


def _fields(dlc: int, clock: str, period: float, rng: np.random.Generator) -> tuple[Field, ...]:
    """Fields for all ``dlc`` bytes."""
    content = "status" if clock == ON_CHANGE else _pick(CONTENTS, rng)
    if content == "pages":
        count = int(rng.integers(2, 9))
        return (Multiplex(0, tuple(bytes([k]) + rng.bytes(dlc - 1) for k in range(count))),)
    counts = {"constant": 0.0, "counting": 1.0, "status": 0.15, "signals": 0.55}[content]
    end, last = _ending(dlc, counts, rng)
    fields: list[Field] = []
    byte = 0
    if clock == ON_CHANGE:
        fields, byte = [_flags(0, rng)], 1
    while byte < end:
        fields.append(_field(byte, end, content, period, rng))
        byte += 2 if isinstance(fields[-1], Signal) and fields[-1].size == 2 else 1
    return (*fields, *last)


def _ending(dlc: int, counts: float, rng: np.random.Generator) -> tuple[int, list[Field]]:
    """How many bytes are left before a counter and a checksum, and these; ``counts`` is the chance of a counter."""
    if dlc < 2 or rng.random() >= counts:
        return dlc, []
    end, last = dlc, []
    if end >= 3 and rng.random() < 0.5:
        end -= 1
        last = [Checksum(end, str(rng.choice([*CHECKSUMS, NIBBLE, NIBBLE])), int(rng.integers(256)))]
    end -= 1
    modulus = int(rng.choice([4, 15, 16, 256], p=[0.15, 0.15, 0.5, 0.2]))
    upper = 0 if modulus == 256 else int(rng.integers(16)) << 4
    return end, [Constant(end, upper), Counter(end, modulus), *last]


def _field(byte: int, end: int, content: str, period: float, rng: np.random.Generator) -> Field:
    if content == "status":
        kind = rng.choice(["constant", "flags", "slow"], p=[0.6, 0.25, 0.15])
    elif content == "signals":
        kind = rng.choice(["wide", "narrow", "constant", "flags"], p=[0.4, 0.2, 0.3, 0.1])
    else:
        kind = "constant"
    if kind == "constant":
        return Constant(byte, int(rng.choice([0, 0, 0, 255, rng.integers(256)])))
    if kind == "flags":
        return _flags(byte, rng)
    size = 2 if kind == "wide" and end - byte >= 2 else 1
    source = str(rng.choice(SLOW_SIGNALS if kind == "slow" else list(SIGNAL_RANGES)))
    noise = 0.0 if kind == "slow" else float(rng.choice([0.0, 0.0, 0.3, 1.0 if size == 1 else 4.0]))
    hold = period * float(rng.choice([2, 5, 10])) if rng.random() < 0.3 else 0.0
    return Signal(byte, size, source, *SIGNAL_RANGES[source], noise, hold)


def _flags(byte: int, rng: np.random.Generator) -> Flags:
    switches = rng.choice(SWITCH_NAMES, int(rng.integers(1, 4)), replace=False)
    return Flags(byte, int(rng.integers(16)) << 4, tuple(str(name) for name in switches))
