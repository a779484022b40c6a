"""Which captures a dataset has: one log file each, with its scenario, vehicle and attack type."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from omegaconf import DictConfig

from canids.errors import DatasetError
from canids.frames.frames import ATTACK_FREE

SUFFIXES = (".csv", ".csv.gz")


@dataclass(frozen=True)
class Capture:
    """One log file of a dataset; ``key`` is ``<scenario>/<name>``."""

    scenario: str
    name: str
    source: Path
    vehicle: str
    attack_type: str

    @property
    def key(self) -> str:
        return f"{self.scenario}/{self.name}"


def captures_on_disk(dataset: DictConfig) -> list[Capture]:
    """The captures that lie in the dataset's folder, sorted by scenario and name.

    Raises:
        DatasetError: the folder or a scenario is missing, or a capture's vehicle is not told by the config.
    """
    folder = Path(dataset.folder)
    if not folder.is_dir():
        raise DatasetError(
            f"{folder}: the folder of dataset '{dataset.name}' is missing; obtain the captures from {dataset.source} "
            f"and put them there, or say where they are with data_root=<folder>"
        )
    sources = []
    for scenario in [*dataset.train, *dataset.test]:
        found = sorted(p for p in (folder / scenario).glob("*") if p.name.endswith(SUFFIXES))
        if not found:
            raise DatasetError(
                f"{folder / scenario}: no capture ({' or '.join('*' + s for s in SUFFIXES)}) in this scenario of "
                f"dataset '{dataset.name}'"
            )
        sources += [(f"{scenario}/{_name(path)}", path) for path in found]
    return describe_captures(dataset, sources)


def describe_captures(dataset: DictConfig, sources: Iterable[tuple[str, Path]]) -> list[Capture]:
    """Captures from (``<scenario>/<name>``, source) pairs, less those that ``dataset.captures`` leaves out."""
    captures = {}
    for key, source in sources:
        if not any(fnmatchcase(key, pattern) for pattern in dataset.captures):
            continue
        if key in captures:
            raise DatasetError(f"{source}: a second file for capture {key}, beside {captures[key].source}; remove one")
        scenario, name = key.split("/")
        vehicle = _first_fit(key, dataset.vehicles)
        if vehicle is None:
            raise DatasetError(
                f"{source}: no glob of dataset.vehicles fits '{key}'; add its vehicle to the dataset's config"
            )
        captures[key] = Capture(scenario, name, source, vehicle, _first_fit(key, dataset.attacks) or ATTACK_FREE)
    for role in ("train", "test"):
        if not any(capture.scenario in dataset[role] for capture in captures.values()):
            raise DatasetError(
                f"dataset '{dataset.name}': dataset.captures={list(dataset.captures)} leaves no capture to {role}"
            )
    return list(captures.values())


def _name(path: Path) -> str:
    return next(path.name.removesuffix(s) for s in reversed(SUFFIXES) if path.name.endswith(s))


def _first_fit(key: str, globs: DictConfig) -> str | None:
    return next((str(name) for name, pattern in globs.items() if fnmatchcase(key, pattern)), None)
