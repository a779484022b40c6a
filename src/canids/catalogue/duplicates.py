"""Captures of one or several datasets that are one recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig
from rich.table import Table

from canids import artifacts
from canids.catalogue.captures import captures_of
from canids.frames.fingerprint import read_fingerprint
from canids.frames.recordings import find_pairs


@dataclass(frozen=True)
class DuplicatePair:
    """Two captures that are one recording.

    Attributes:
        first, second: ``<dataset>/<scenario>/<capture>``.
        first_role, second_role: ``train`` or ``test``, as their datasets use them.
        share: of the sequences of the smaller one, that both hold.
        offset_s: to add to the second one's clock for the first one's.
        crossing: one is trained on, and the other tested on.
    """

    first: str
    second: str
    first_role: str
    second_role: str
    share: float
    offset_s: float
    crossing: bool


def find_duplicates(configs: Sequence[DictConfig]) -> list[DuplicatePair]:
    """The pairs of captures of some datasets that are one recording; those that cross training and test first.

    Raises:
        DatasetError: a dataset is not at hand.
        ArtifactError: a capture was not ingested.
    """
    fingerprints, roles = {}, {}
    for config in configs:
        for capture in captures_of(config):
            key = f"{config.dataset.name}/{capture.key}"
            where = {"scenario": capture.scenario, "capture": capture.name}
            path = artifacts.FINGERPRINT.format(results=config.results, dataset=config.dataset.name, **where)
            fingerprints[key] = read_fingerprint(Path(path))
            roles[key] = "train" if capture.scenario in config.dataset.train else "test"
    pairs = [
        DuplicatePair(
            first=pair.first,
            second=pair.second,
            first_role=roles[pair.first],
            second_role=roles[pair.second],
            share=pair.share,
            offset_s=pair.offset,
            crossing=roles[pair.first] != roles[pair.second],
        )
        for pair in find_pairs(fingerprints)
    ]
    return sorted(pairs, key=lambda pair: not pair.crossing)


def duplicates_table(pairs: Sequence[DuplicatePair]) -> Table:
    """The pairs as a table for a person."""
    table = Table("used to", show_lines=True)
    table.add_column("capture", overflow="fold")
    table.add_column("used to")
    table.add_column("is one recording with", overflow="fold")
    table.add_column("share")
    table.add_column("clock")
    for pair in pairs:
        style = "red" if pair.crossing else None
        share, offset = f"{pair.share:.2f}", f"{pair.offset_s:+.3f} s"
        table.add_row(pair.first_role, pair.first, pair.second_role, pair.second, share, offset, style=style)
    return table


def duplicates_sentence(pairs: Sequence[DuplicatePair]) -> str:
    """How many there are, in words."""
    crossing = sum(pair.crossing for pair in pairs)
    if not pairs:
        return "no two captures are one recording"
    return f"pairs of captures that are one recording: {len(pairs)}, across training and test: {crossing}"
