"""Attacks synthesised on attack-free traffic: a detector learns from more attacks than a dataset happens to label."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import numpy as np

from canids.artifacts import write_json
from canids.errors import DatasetError
from canids.frames.content import content_sha256
from canids.frames.frames import SYNTHESISED, AttackSpan, Frames
from canids.frames.parquet import read_frames, write_frames
from canids.simulate.attacks import ATTACK_KINDS, WIDE, inject

logger = logging.getLogger(__name__)
FROM_THE_START = 0.2  # chance that the first attack begins with the capture
FIRST_PAUSE = (1.0, 12.0)  # s before it otherwise
PAUSES = (1.0, 10.0)  # s between two attacks
SPANS = (0.5, 8.0)  # s of an attack
LARGEST_SHARE = 0.15  # of the capture, that one attack may take
TRIES = 8


def synthesise(parquet: Path, out: Path, seed: int, number: int) -> None:
    """Attack a copy of an attack-free capture and write it as a frame table, with a record of what was injected.

    Args:
        parquet: frame table of the attack-free capture. out: frame table to write; the record lies beside it (.json).
        seed, number: what the attacks are drawn from, together with the capture's content.

    Raises:
        DatasetError: the capture is too short for any attack.
    """
    frames, facts = read_frames(parquet)
    rng = np.random.default_rng([seed, number, int(facts["content_sha256"][:8], 16)])
    attacked, spans = attack_randomly(frames, rng)
    if not spans:
        raise DatasetError(f"{parquet}: {facts['duration_s']:.1f} s are too short for a synthesised attack")
    record = {
        **facts,
        "scenario": SYNTHESISED,
        "capture": f"{facts['scenario']}-{facts['capture']}-{number}",
        "attack_type": SYNTHESISED,
        "origin_sha256": facts["content_sha256"],
        "content_sha256": content_sha256(attacked),
        "frames": len(attacked),
        "arbitration_ids": len(np.unique(attacked.arbitration_id)),
        "attack_frames": int(attacked.attack.sum()),
        "attack_spans": [dataclasses.asdict(span) for span in spans],
    }
    logger.info("%s: %d attacks on %s", out.stem, len(spans), facts["capture"])
    write_frames(out, attacked, record)
    write_json(out.with_suffix(".json"), record)


def attack_randomly(frames: Frames, rng: np.random.Generator) -> tuple[Frames, list[AttackSpan]]:
    """Attacks of every kind, one after another with pauses between, from a saturated bus to a frame now and then."""
    length = float(frames.timestamp[-1] - frames.timestamp[0])
    longest = max(min(SPANS[1], LARGEST_SHARE * length), SPANS[0])
    spans: list[AttackSpan] = []
    start = 0.0 if rng.random() < FROM_THE_START else _draw(FIRST_PAUSE, rng)
    while (end := start + _draw((SPANS[0], longest), rng)) < length:
        for _ in range(TRIES):
            try:
                frames, (span,) = inject(frames, str(rng.choice(ATTACK_KINDS)), [(start, end)], rng, WIDE)
            except DatasetError:
                continue  # no ID is fit for this kind here: another kind, then
            spans.append(span)
            break
        start = end + _draw(PAUSES, rng)
    return frames, spans


def _draw(between: tuple[float, float], rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(between))))
