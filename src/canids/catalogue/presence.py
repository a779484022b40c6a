"""What of a dataset is at hand, and what is missing."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

from omegaconf import DictConfig
from rich.table import Table

from canids.catalogue.captures import dataset_folder, find_captures
from canids.simulate.demo import demo_captures

SHOWN = 8  # missing captures of a scenario that are named in the table


class State(StrEnum):
    """How much of a dataset is at hand."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    ABSENT = "absent"


@dataclass(frozen=True)
class Presence:
    """A dataset's description and what of it is at hand.

    Attributes:
        folder: where it lies, or is to lie.
        captures: how many of its captures are there.
        missing: ``<scenario>/<capture>`` of those that the complete dataset has besides (a glob, where editions differ
            in a name), and files that its config reads.
        fetchable: ``canids fetch`` can download it.
    """

    name: str
    title: str
    source: str
    licence: str
    folder: Path
    state: State
    captures: int
    missing: tuple[str, ...]
    fetchable: bool


def presence_of(dataset: DictConfig) -> Presence:
    """Look for a dataset's captures; a file without content counts as missing."""
    folder = dataset_folder(dataset)
    if dataset.simulated:
        expected = demo_captures()
        there = [key for key in expected if (folder / f"{key}.csv").is_file()]
    else:
        expected = [f"{scenario}/{name}" for scenario, names in dataset.expected.items() for name in names]
        found = itertools.chain.from_iterable(find_captures(dataset).values())
        there = [key for key, path in found if path.stat().st_size]
    missing = [glob for glob in expected if not any(fnmatchcase(key, glob) for key in there)]
    if there:
        beside = [dataset.attack_spans, dataset.reading.attack_intervals]
        missing += [path for path in beside if path and not Path(path).is_file()]
    state = State.INCOMPLETE if missing else State.COMPLETE
    return Presence(
        name=dataset.name,
        title=dataset.title,
        source=dataset.source,
        licence=dataset.licence,
        folder=folder,
        state=state if there else State.ABSENT,
        captures=len(there),
        missing=tuple(missing),
        fetchable=bool(dataset.files),
    )


def presence_table(datasets: Sequence[Presence]) -> Table:
    """The datasets as a table for a person."""
    table = Table("dataset", "what", "at hand", "licence", show_lines=True)
    table.add_column("where to obtain it", overflow="fold")
    for each in datasets:
        fetch = f"canids fetch {each.name}, or " if each.fetchable else ""
        table.add_row(each.name, each.title, _at_hand(each), each.licence, fetch + each.source)
    return table


def missing_lines(dataset: Presence) -> list[str]:
    """What an incomplete dataset lacks, a line a scenario."""
    if dataset.state is not State.INCOMPLETE:
        return []
    lines = [f"{dataset.name}: missing in {dataset.folder}:"]
    for scenario, keys in itertools.groupby(dataset.missing, lambda key: key.rpartition("/")[0]):
        names = [key.rpartition("/")[2] for key in keys]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        lines.append(f"  {scenario}: {', '.join(names[:SHOWN])}{more}")
    return lines


def _at_hand(dataset: Presence) -> str:
    if dataset.state is State.INCOMPLETE:
        return f"{dataset.captures} captures, {len(dataset.missing)} missing"
    return f"complete, {dataset.captures} captures" if dataset.state is State.COMPLETE else "absent"
