"""The captures of a configured dataset, whether they lie in a folder or are yet to be simulated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import takewhile
from pathlib import Path, PurePosixPath

from omegaconf import DictConfig

from canids.errors import DatasetError
from canids.frames.dataset import Capture
from canids.frames.frames import ATTACK_FREE
from canids.frames.opening import PACKED_SUFFIXES
from canids.frames.readers import SUFFIXES, capture_name
from canids.simulate.demo import demo_captures

WILDCARDS = set("*?[")
LITTER = "__MACOSX"


def captures_of(config: DictConfig) -> list[Capture]:
    """The captures of the configured dataset.

    Raises:
        DatasetError: the dataset's folder or a scenario is missing, or a capture's vehicle is not told.
    """
    dataset = config.dataset
    if dataset.simulated:
        return describe_captures(dataset, [(key, Path(dataset.folder) / f"{key}.csv") for key in demo_captures()])
    return captures_on_disk(dataset)


def captures_on_disk(dataset: DictConfig) -> list[Capture]:
    """The captures that lie in the dataset's folder, by scenario as the config lists them, then by path.

    Raises:
        DatasetError: the folder or a scenario is missing, or a capture's vehicle is not told by the config.
    """
    folder = dataset_folder(dataset)
    if not folder.is_dir():
        fetch = f"with canids fetch {dataset.name}, or " if dataset.files else ""
        obtain = f"obtain the captures {fetch}from {dataset.source} and put them there, or " if dataset.source else ""
        raise DatasetError(
            f"{folder}: the folder of dataset '{dataset.name}' is missing; {obtain}say where they are with "
            f"data_root=<folder> or dataset.folder=<folder>; canids datasets lists what is at hand"
        )
    found = find_captures(dataset)
    sources = []
    for scenario in [*dataset.train, *dataset.profile, *dataset.test]:
        if not found[scenario] and scenario not in dataset.optional:
            raise DatasetError(
                f"{', '.join(str(folder / glob) for glob in _globs(dataset, scenario))}: no capture "
                f"(*{', *'.join(SUFFIXES)}, also packed: {', '.join(PACKED_SUFFIXES)}) "
                f"of scenario {scenario} of dataset '{dataset.name}'"
            )
        sources += found[scenario]
    return describe_captures(dataset, sources)


def dataset_folder(dataset: DictConfig) -> Path:
    """Where the dataset lies: ``folder``, or ``publishers_folder`` where only that is there."""
    folder, unpacked = Path(dataset.folder), dataset.publishers_folder
    return Path(unpacked) if unpacked and not folder.is_dir() and Path(unpacked).is_dir() else folder


def find_captures(dataset: DictConfig) -> dict[str, list[tuple[str, Path]]]:
    """Scenario → (``<scenario>/<name>``, file) of its captures; a file belongs to the first scenario that it fits.

    Raises:
        DatasetError: a file's name cannot be a capture's.
    """
    folder, taken = dataset_folder(dataset), set()
    found: dict[str, list[tuple[str, Path]]] = {}
    for scenario in dict.fromkeys([*dataset.scenarios, *dataset.train, *dataset.profile, *dataset.test]):
        found[scenario] = []
        for glob in _globs(dataset, scenario):
            for path, name in _captures(folder, glob):
                if path not in taken:
                    taken.add(path)
                    found[scenario].append((f"{scenario}/{name}", path))
    return found


def describe_captures(dataset: DictConfig, sources: Iterable[tuple[str, Path]]) -> list[Capture]:
    """Captures from (``<scenario>/<name>``, source) pairs, less those that ``dataset.captures`` leaves out."""
    captures = {}
    # As plain values: a dataset may have thousands of captures, and OmegaConf looks each of its values up slowly.
    patterns, vehicles, attacks = list(dataset.captures), dict(dataset.vehicles), dict(dataset.attacks)
    for key, source in sources:
        if not any(fnmatchcase(key, pattern) for pattern in patterns):
            continue
        if key in captures:
            raise DatasetError(f"{source}: a second file for capture {key}, beside {captures[key].source}; remove one")
        scenario, name = key.split("/")
        vehicle = _first_fit(key, vehicles)
        if vehicle is None:
            raise DatasetError(
                f"{source}: no glob of dataset.vehicles fits '{key}'; add its vehicle to the dataset's config"
            )
        captures[key] = Capture(scenario, name, source, vehicle, _first_fit(key, attacks) or ATTACK_FREE)
    for role in ("train", "test"):
        if not any(capture.scenario in dataset[role] for capture in captures.values()):
            raise DatasetError(
                f"dataset '{dataset.name}': dataset.captures={list(dataset.captures)} leaves no capture to {role}"
            )
    return list(captures.values())


def _globs(dataset: DictConfig, scenario: str) -> list[str]:
    return list(dataset.scenarios.get(scenario, [f"{scenario}/*"]))


def _captures(folder: Path, glob: str) -> Iterator[tuple[Path, str]]:
    """The log files that a glob fits, with their captures' names.

    A name is the path below the glob's part without wildcards, its folders joined by ``-``: the glob ``drives/*/*.log``
    makes ``kia-monday`` of ``drives/kia/monday.log``.
    """
    if PurePosixPath(glob).is_absolute():
        raise DatasetError(f"dataset.scenarios: given {glob!r}, allowed: globs over paths beneath dataset.folder")
    fixed = len(list(takewhile(lambda part: not WILDCARDS & set(part), PurePosixPath(glob).parent.parts)))
    for path in sorted(folder.glob(glob)):
        inner = path.relative_to(folder).parts
        if not path.is_file() or any(part.startswith(".") or part == LITTER for part in inner):
            continue
        name = capture_name(path)
        if name:
            name = "-".join([*inner[fixed:-1], name])
            if set("{}") & set(name):
                raise DatasetError(f"{path}: braces in a capture's name; rename the file or folder")
            yield path, name


def _first_fit(key: str, globs: dict[str, str]) -> str | None:
    return next((str(name) for name, pattern in globs.items() if fnmatchcase(key, pattern)), None)
