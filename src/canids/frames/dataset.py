"""Which captures a dataset has: one log file each, with its scenario, vehicle and attack type."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from omegaconf import DictConfig

from canids.errors import DatasetError
from canids.frames.frames import ATTACK_FREE
from canids.frames.opening import PACKED_SUFFIXES
from canids.frames.readers import SUFFIXES, capture_name


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
        found = [(path, capture_name(path)) for path in sorted((folder / scenario).glob("*"))]
        found = [(path, name) for path, name in found if name]
        if not found:
            raise DatasetError(
                f"{folder / scenario}: no capture (*{', *'.join(SUFFIXES)}, also packed: {', '.join(PACKED_SUFFIXES)}) "
                f"in this scenario of dataset '{dataset.name}'"
            )
        sources += [(f"{scenario}/{name}", path) for path, name in found]
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


def _first_fit(key: str, globs: DictConfig) -> str | None:
    return next((str(name) for name, pattern in globs.items() if fnmatchcase(key, pattern)), None)
