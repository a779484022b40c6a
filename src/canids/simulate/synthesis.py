"""Attacks synthesised on attack-free traffic: a detector learns from more attacks than a dataset happens to label."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from canids.artifacts import write_json
from canids.errors import DatasetError
from canids.frames.content import content_sha256
from canids.frames.frames import SYNTHESISED, AttackSpan, Frames
from canids.frames.parquet import read_frames, write_frames
from canids.simulate.attacks import ATTACK_KINDS, DOS, FUZZING, SPOOFING, inject
from canids.simulate.pace import Even, ln_uniform

logger = logging.getLogger(__name__)
TRIES = 8
PACED = (DOS, FUZZING, SPOOFING)  # kinds that inject at a gap of their own
HUNDRED = 100  # frames; half of them pass between two frames of a rare attack at least
LEAST = 0.5  # s that an attack lasts for on however short a capture
FIRST_SECOND = 0.5  # s that an attack from the start may let pass


def synthesise(parquet: Path, out: Path, settings: DictConfig, number: int) -> None:
    """Attack a copy of an attack-free capture and write it as a frame table, with a record of what was injected.

    Args:
        parquet: frame table of the attack-free capture. out: frame table to write; the record lies beside it (.json).
        settings: the ``synthesis`` section of the configuration.
        number: of the copy; the attacks are drawn from it, the seed and the capture's content.

    Raises:
        DatasetError: the capture is too short for any attack.
    """
    write_attacked(out, *read_frames(parquet), settings, number)


def write_attacked(out: Path, frames: Frames, facts: dict[str, Any], settings: DictConfig, number: int) -> None:
    """As ``synthesise``, of a capture in memory and the facts of its ingest record."""
    rng = np.random.default_rng([settings.seed, number, int(facts["content_sha256"][:8], 16)])
    attacked, spans = attack_randomly(frames, settings, rng)
    if not spans:
        raise DatasetError(
            f"{facts['scenario']}/{facts['capture']}: {facts['duration_s']:.1f} s are too short for a synthesised "
            f"attack; leave it out (dataset.captures), or lower synthesis.shortest_span"
        )
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


def attack_randomly(frames: Frames, settings: DictConfig, rng: np.random.Generator) -> tuple[Frames, list[AttackSpan]]:
    """Attacks of every kind, one after another with pauses between, from a saturated bus to a frame now and then."""
    length = float(frames.timestamp[-1] - frames.timestamp[0])
    longest = max(settings.largest_share * length, LEAST)
    rare_gap = length / len(frames) * HUNDRED / 2
    shares = np.array([settings.shares[kind.lower()] for kind in ATTACK_KINDS])
    pauses = (settings.shortest_pause, settings.longest_pause)
    spans: list[AttackSpan] = []
    if rng.random() < settings.from_the_start:
        start = rng.uniform(0, FIRST_SECOND)
    else:
        start = min(ln_uniform(pauses, rng), (1 - settings.largest_share) * length / 2)
    while start + min(settings.shortest_span, longest) <= length:
        for _ in range(TRIES):
            kind = str(rng.choice(ATTACK_KINDS, p=shares / shares.sum()))
            gap = _gap(settings, rare_gap, rng)
            lasting = ln_uniform((settings.shortest_span, settings.longest_span), rng)
            if kind in PACED:
                lasting = max(lasting, settings.fewest_frames * gap)
            end = min(start + min(lasting, longest), length)
            try:
                frames, (span,) = inject(frames, kind, [(start, end)], rng, Even(gap, settings.known_ids))
            except DatasetError:
                continue  # no ID is fit for this kind here: another kind, then
            spans.append(span)
            break
        start = end + ln_uniform(pauses, rng)
    return frames, spans


def _gap(settings: DictConfig, rare_gap: float, rng: np.random.Generator) -> float:
    """A mean time from one injected frame to the next (s); rare attacks lie above ``rare_gap``, the others below."""
    border = min(max(rare_gap, settings.shortest_gap), settings.longest_gap)
    rare = rng.random() < settings.rare
    return ln_uniform((border, settings.longest_gap) if rare else (settings.shortest_gap, border), rng)
