"""The embedded demo dataset: three simulated vehicles, in the folder layout of the public datasets."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from canids.artifacts import write_text
from canids.frames.frames import ATTACK_FREE, AttackSpan, Frames
from canids.simulate.attacks import DOS, FUZZING, MASQUERADE, REPLAY, SPOOFING, SUPPRESSION, inject
from canids.simulate.capture_file import write_capture
from canids.simulate.traffic import drive
from canids.simulate.vehicle import make_vehicle

SPANS_FILE = "attack_spans.csv"
SPANS_MARGIN = 2e-6  # s; timestamps are written with six decimals, so that boundary frames move by up to 1.5 µs

Shares = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class PlannedCapture:
    """A capture of the demo: where it lies, and which parts of it are attacked, as shares of its length."""

    scenario: str
    attack: str
    vehicle: str
    spans: Shares = ()

    @property
    def capture(self) -> str:
        """``<attack>-<vehicle>``; equal captures in two scenarios are the same recording."""
        return f"{self.attack}-{self.vehicle}"

    @property
    def name(self) -> str:
        """``<scenario>/<capture>``."""
        return f"{self.scenario}/{self.capture}"


TRAIN_FREE, TRAIN_ATTACKED = "train_01_attack_free", "train_02_with_attacks"
KNOWN_KNOWN, UNKNOWN_KNOWN = "test_01_known_vehicle_known_attack", "test_02_unknown_vehicle_known_attack"
KNOWN_UNKNOWN, UNKNOWN_UNKNOWN = "test_03_known_vehicle_unknown_attack", "test_04_unknown_vehicle_unknown_attack"
SUPPRESS, DISGUISE = "test_05_suppress", "test_06_masquerade"

# the first 45 % of each capture is attack-free: room for a detector's warm-up of 100 windows
TWO: Shares = ((0.50, 0.59), (0.76, 0.84))
THREE: Shares = ((0.46, 0.53), (0.63, 0.70), (0.84, 0.92))
FOUR: Shares = ((0.47, 0.52), (0.59, 0.65), (0.71, 0.76), (0.86, 0.94))

PLAN = (
    PlannedCapture(TRAIN_FREE, ATTACK_FREE, "alpha"),
    PlannedCapture(TRAIN_FREE, ATTACK_FREE, "bravo"),
    # the public datasets repeat attack-free captures byte for byte: so does the demo
    PlannedCapture(TRAIN_ATTACKED, ATTACK_FREE, "alpha"),
    PlannedCapture(TRAIN_ATTACKED, DOS, "alpha", THREE),
    PlannedCapture(TRAIN_ATTACKED, FUZZING, "bravo", FOUR),
    PlannedCapture(TRAIN_ATTACKED, SPOOFING, "alpha", FOUR),
    PlannedCapture(KNOWN_KNOWN, FUZZING, "alpha", THREE),
    PlannedCapture(KNOWN_KNOWN, DOS, "bravo", TWO),
    PlannedCapture(UNKNOWN_KNOWN, DOS, "charlie", THREE),
    PlannedCapture(UNKNOWN_KNOWN, SPOOFING, "charlie", FOUR),
    PlannedCapture(KNOWN_UNKNOWN, REPLAY, "alpha", FOUR),
    PlannedCapture(UNKNOWN_UNKNOWN, REPLAY, "charlie", THREE),
    PlannedCapture(SUPPRESS, SUPPRESSION, "bravo", THREE),
    PlannedCapture(DISGUISE, MASQUERADE, "alpha", FOUR),
)


def demo_captures() -> list[str]:
    """``<scenario>/<capture>`` of every capture, known before anything is simulated."""
    return [planned.name for planned in PLAN]


def simulate_demo(folder: Path, seed: int, seconds: float) -> None:
    """Write ``<folder>/<scenario>/<capture>.csv`` for every capture, and ``<folder>/attack_spans.csv``.

    The same seed and length give the same bytes. A capture depends on its own name and its vehicle's, on no other's.

    Args:
        folder: is made if need be.
        seed: of vehicles, traffic and attacks.
        seconds: length of a capture, 2 or more.

    Raises:
        DatasetError: captures are too short for an attack.
    """
    spans: list[tuple[str, AttackSpan]] = []
    for planned in PLAN:
        frames, attacked = simulate_capture(planned, seed, seconds)
        write_capture(Path(folder) / f"{planned.name}.csv", frames)
        spans += [(planned.name, span) for span in attacked]
    write_text(Path(folder) / SPANS_FILE, _spans_csv(spans))


def simulate_capture(planned: PlannedCapture, seed: int, seconds: float) -> tuple[Frames, list[AttackSpan]]:
    """One capture of the demo, and its attacks."""
    vehicle = make_vehicle(planned.vehicle, named_rng(seed, planned.vehicle))
    rng = named_rng(seed, planned.capture)
    frames = drive(vehicle, seconds, rng)
    if not planned.spans:
        return frames, []
    length = float(frames.timestamp[-1] - frames.timestamp[0])
    return inject(frames, planned.attack, [(start * length, end * length) for start, end in planned.spans], rng)


def named_rng(seed: int, name: str) -> np.random.Generator:
    """A random generator of its own for each seed and name."""
    return np.random.default_rng(np.random.SeedSequence([seed, *name.encode()]))


def _spans_csv(spans: Sequence[tuple[str, AttackSpan]]) -> str:
    """Columns ``capture,start,end,kind,arbitration_ids``: s since the first frame, rounded outwards; IDs in hex."""
    table = pl.DataFrame(
        {
            "capture": [capture for capture, _ in spans],
            "start": [max(0.0, span.start - SPANS_MARGIN) for _, span in spans],
            "end": [span.end + SPANS_MARGIN for _, span in spans],
            "kind": [span.kind for _, span in spans],
            "arbitration_ids": [" ".join(f"{number:03X}" for number in span.arbitration_ids) for _, span in spans],
        }
    )
    text = io.StringIO()
    table.write_csv(text, float_precision=6, quote_style="never")
    return text.getvalue()
