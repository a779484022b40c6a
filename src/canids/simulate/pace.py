"""How fast an attacker sends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Pace(Protocol):
    """How fast an attacker sends.

    Attributes:
        known_ids: chance that a fuzzer fuzzes the payloads of known IDs instead of inventing IDs.
    """

    known_ids: float

    def dos_gap(self, rng: np.random.Generator) -> float:
        """Mean s from one frame of a flood to the next."""
        ...

    def fuzzing_gap(self, rng: np.random.Generator) -> float:
        """Mean s from one random frame to the next."""
        ...

    def spoofing_gap(self, period: float, rng: np.random.Generator) -> float:
        """Mean s from one spoofed frame to the next, of an ID with a period (s)."""
        ...


@dataclass(frozen=True)
class Recorded:
    """As in public captures; 0.45 ms is just what 500 kbit/s have room for beside the genuine frames."""

    known_ids: float = 0.0

    def dos_gap(self, rng: np.random.Generator) -> float:
        return ln_uniform((0.45e-3, 0.7e-3), rng)

    def fuzzing_gap(self, rng: np.random.Generator) -> float:
        return ln_uniform((0.5e-3, 3e-3), rng)

    def spoofing_gap(self, period: float, rng: np.random.Generator) -> float:
        return max(period / ln_uniform((2.0, 10.0), rng), 0.5e-3)


@dataclass(frozen=True)
class Even:
    """One gap (s), whatever the attack."""

    gap: float
    known_ids: float

    def dos_gap(self, rng: np.random.Generator) -> float:
        return self.gap

    def fuzzing_gap(self, rng: np.random.Generator) -> float:
        return self.gap

    def spoofing_gap(self, period: float, rng: np.random.Generator) -> float:
        return self.gap


def ln_uniform(between: Sequence[float], rng: np.random.Generator) -> float:
    """A value drawn ln-uniformly between two."""
    return float(np.exp(rng.uniform(*np.log(between))))
