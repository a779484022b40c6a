"""The graphs stage: frame tables → vehicle profiles and the stores of train, val and each test scenario."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf

from canids.artifacts import write_json
from canids.errors import DatasetError
from canids.frames.frames import ATTACK_FREE, FLEET, SYNTHESISED
from canids.frames.recordings import Pair
from canids.graphs.captures import MADE, LabelledCapture, load_capture, placed, sides_of
from canids.graphs.check import check_splits
from canids.graphs.duplicates import left_out
from canids.graphs.enroll import fit_profile
from canids.graphs.joined import JoinedReadings
from canids.graphs.left_out import without
from canids.graphs.profile import VehicleProfile, save_profile
from canids.graphs.readings import known_reading, own_reading
from canids.graphs.references import Sample
from canids.graphs.splits import GUARD, ROLES, VALIDATION_ROLES, roles_at, split_blocks, split_vehicles
from canids.graphs.store import (
    EDGE_COLUMNS,
    GRAPH_COLUMNS,
    NODE_COLUMNS,
    GraphStore,
    save_parts,
    store_of_arrays,
)
from canids.progress import track

logger = logging.getLogger(__name__)

WRITERS = 2  # for each thread: a writer waits for the disk half of its time


def build_graphs(
    parquets: Sequence[Path],
    train: Sequence[str],
    graph: DictConfig,
    out: Path,
    profiles: Path,
    threads: int = 1,
    training_data: str = "both",
    profile: Sequence[str] = (),
) -> None:
    """Build every graph store of a dataset.

    Args:
        parquets: the frame tables of all captures, synthesised and simulated ones among them.
        train: scenarios to train on; every other scenario that is neither simulated nor synthesised is for testing.
        graph: the ``graph`` section of the configuration.
        out: folder of the stores and ``graphs.json``.
        profiles: folder of the vehicle profiles.
        threads: captures that are worked on at once; the result is the same.
        training_data: the setting; says which captures of ``train`` are trained on (``captures.sides_of``).
        profile: scenarios whose attack-free captures fit profiles alone.

    Raises:
        DatasetError: a capture is too short for a window, or nothing is left to train on.
        ArtifactError: windows of two roles share frames.
    """
    captures = _each(parquets, lambda path: load_capture(path, graph), threads, "windows")
    captures, pairs = placed(captures, parquets)
    sides = sides_of(captures, train, profile, training_data)
    learning, repeats = _once(sides.references)
    excluded = left_out(*({c.key: c.recording for c in side} for side in (learning, sides.testing)), graph.duplicates)
    _check_left(sides.testing, excluded)
    sides = sides.without([*excluded, *repeats])
    training, testing = sides.training, sides.testing
    if not training:
        raise DatasetError("no training capture; see dataset.train, dataset.captures and training_data")
    roles = _split(training, graph)
    roles += [np.full(len(c.windows), ROLES.index("test"), np.int8) for c in testing]
    used = [*training, *testing]
    attack_types = tuple(dict.fromkeys([ATTACK_FREE, *(t for c in used for t in sorted(set(c.attack_type.tolist())))]))
    names = tuple(c.key for c in used)
    ids = np.unique(np.concatenate([c.windows.ids for c in used]))
    references = sides.references
    joined = [JoinedReadings.empty(c.windows) for c in used]
    stores = [  # they share the arrays that the readings are written to
        store_of_capture(number, capture, role, readings, ids, names, attack_types)
        for number, (capture, role, readings) in enumerate(zip(used, roles, joined, strict=True))
    ]
    parts = {
        "train": _chosen(stores[: len(training)], [ROLES.index("train")]),
        "val": _chosen(stores[: len(training)], VALIDATION_ROLES),
    }
    for part, chosen in parts.items():
        if not any(len(windows) for _, windows in chosen):
            raise DatasetError(
                f"no window is left for {part}; more or longer captures, or a smaller graph.block, are needed"
            )
    for scenario in dict.fromkeys(c.scenario for c in testing):
        mine = [s for s, c in zip(stores, used, strict=True) if c.scenario == scenario]
        parts[scenario] = _chosen(mine, [ROLES.index("test")])
    known_by = {c.vehicle: _references(references, c.vehicle) for c in references if c.scenario not in MADE}

    def save_summary() -> None:
        known = [c.key for c in used if _references(references, c.vehicle, c)]
        summary = _summary(used, roles, stores, repeats, excluded, pairs, known, graph)
        summary |= {
            "training_data": training_data,
            "profile_captures": {c.key: {"vehicle": c.vehicle, "recording": c.recording} for c in sides.profiling},
        }
        write_json(out / "graphs.json", summary)

    # What can be written is written while other captures are read: a writer waits for the disk, and takes no core.
    with ThreadPoolExecutor(threads) as readers, ThreadPoolExecutor(WRITERS * threads) as writers:
        fits, readings = _start_reading(references, used, joined, graph, readers)

        def save_known(vehicle: str) -> None:
            mine = known_by[vehicle]
            save_profile(profiles / vehicle, fits[mine].result(), vehicle, [references[i].key for i in mine])

        def save_part(part: str) -> GraphStore:
            for number in {number for store, _ in parts[part] for number in store.capture[:1].tolist()}:
                for each in readings[number]:
                    each.result()
            return save_parts(out / f"{part}.safetensors", parts[part])

        saved = [writers.submit(save_summary)]
        saved += [writers.submit(save_known, vehicle) for vehicle, mine in known_by.items() if mine]
        # The largest first, or the other threads would wait for it in the end.
        largest = sorted(parts, key=lambda part: -sum(len(windows) for _, windows in parts[part]))
        written = [writers.submit(save_part, part) for part in largest]
        for each in track([*fits.values(), *itertools.chain.from_iterable(readings)], "graphs"):
            each.result()
        for each in track([*saved, *written], "stores"):
            each.result()
    check_splits([each.result() for each in written], out / "graphs.json")


def _check_left(testing: list[LabelledCapture], excluded: dict[str, list[str]]) -> None:
    """Refuse a test scenario of which nothing is left; name whatever else is left out."""
    for key, others in excluded.items():
        logger.warning("%s is left out: one recording with %s", key, ", ".join(others))
    left = {c.scenario for c in testing if c.key not in excluded}
    for c in testing:
        if c.scenario not in left:
            raise DatasetError(
                f"{c.key}: one recording with {excluded[c.key][0]}, which is trained on, and nothing else is left of "
                f"its scenario; leave one of them out (dataset.captures), or the other way (graph.duplicates)"
            )


def _split(training: list[LabelledCapture], graph: DictConfig) -> list[np.ndarray]:
    """Each training capture's roles: captures of one recording, synthesised ones among them, have the same at the same
    time. Of captures that are one recording, the blocks are those of the one with the most attacked windows. A vehicle
    of the fleet has one role."""
    leaders: dict[str, LabelledCapture] = {}
    for capture in (c for c in training if c.scenario not in MADE):
        leader = leaders.setdefault(capture.recording, capture)
        if capture.attacked.sum() > leader.attacked.sum():
            leaders[capture.recording] = capture
    roles = split_blocks(
        [c.attack_type for c in leaders.values()],
        graph.block,
        graph.validation_share,
        max([c.windows.reach() for c in leaders.values()], default=1),
        graph.split_seed,
    )
    role_of = dict(zip(leaders, roles, strict=True))
    fleet = split_vehicles(
        [c.vehicle for c in training if c.scenario == FLEET], graph.validation_share, graph.split_seed
    )
    split = []
    for capture in training:
        if capture.vehicle in fleet:
            split.append(np.full(len(capture.windows), fleet[capture.vehicle], np.int8))
            continue
        leader, role = leaders[capture.recording], role_of[capture.recording]
        same = capture is leader
        split.append(role if same else roles_at(*leader.recording_times(), role, *capture.recording_times()))
    return split


def _once(captures: list[LabelledCapture]) -> tuple[list[LabelledCapture], dict[str, str]]:
    """The captures, each content once, and those that repeat another."""
    first: dict[str, LabelledCapture] = {}
    repeats = {}
    for capture in captures:
        original = first.setdefault(capture.facts["content_sha256"], capture)
        if original is not capture:
            repeats[capture.key] = original.key
            logger.info("%s repeats %s and is counted once", capture.key, original.key)
    return list(first.values()), repeats


def _each(items: Sequence[Any], work: Callable[[Any], Any], threads: int, name: str) -> list[Any]:
    """What is made of each item, in order; so many at once (compiled code and numpy leave the interpreter free)."""
    with ThreadPoolExecutor(threads) as pool:
        started = [pool.submit(work, item) for item in items]
        return [each.result() for each in track(started, name)]


def _start_reading(
    references: list[LabelledCapture],
    used: list[LabelledCapture],
    joined: list[JoinedReadings],
    graph: DictConfig,
    pool: ThreadPoolExecutor,
) -> tuple[dict[tuple[int, ...], Future[VehicleProfile]], list[list[Future[None]]]]:
    """Begin to fit the profile of each set of captures that one of those used is read against, or a vehicle known by;
    and to write the two readings of each capture that is used."""
    sets = [_references(references, c.vehicle, c) for c in used]
    wanted = [*sets, *(_references(references, c.vehicle) for c in references if c.scenario not in MADE)]
    samples: dict[int, Future[Sample]] = {}
    fits: dict[tuple[int, ...], Future[VehicleProfile]] = {}

    def fit(mine: tuple[int, ...]) -> VehicleProfile:
        return fit_profile([samples[number].result() for number in mine])

    def read_own(number: int) -> None:
        reading = own_reading(used[number].windows, graph.warmup, graph.quarantine)
        joined[number].write("own", without("own", reading, graph.leave_out))

    def read_known(number: int) -> None:
        if sets[number]:
            reading = known_reading(used[number].windows, fits[sets[number]].result())
            joined[number].write("known", without("known", reading, graph.leave_out))

    # The longest first, or the other threads would wait for it in the end. What a job waits for began before it.
    longest = sorted(range(len(used)), key=lambda number: -len(used[number].windows))
    by_length = sorted(
        dict.fromkeys(filter(None, wanted)), key=lambda mine: -sum(len(references[i].windows) for i in mine)
    )
    for number in {number for mine in by_length for number in mine}:
        samples[number] = pool.submit(Sample.of, references[number].windows, ~references[number].attacked)
    for mine in by_length:
        fits[mine] = pool.submit(fit, mine)
    readings: list[list[Future[None]]] = [[] for _ in used]
    for read in (read_own, read_known):
        for number in longest:
            readings[number].append(pool.submit(read, number))
    return fits, readings


def _references(
    references: list[LabelledCapture], vehicle: str, without: LabelledCapture | None = None
) -> tuple[int, ...]:
    """Numbers of a vehicle's attack-free training captures of other recordings; where there is none, of the attacked
    ones, for their quiet windows."""
    mine = [
        number
        for number, c in enumerate(references)
        if c.vehicle == vehicle and c.scenario != SYNTHESISED and (without is None or c.recording != without.recording)
    ]
    quiet = [number for number in mine if not references[number].attacked.any()]
    return tuple(quiet or [number for number in mine if not references[number].attacked.all()])


def store_of_capture(
    number: int,
    capture: LabelledCapture,
    role: np.ndarray,
    readings: JoinedReadings,
    ids: np.ndarray,
    captures: tuple[str, ...],
    attack_types: tuple[str, ...],
) -> GraphStore:
    """The windows of a capture, the readings of which are given.

    Args:
        number: of the capture among ``captures``. role: (w,). ids: (K,) sorted, those of the capture among them.
    """
    windows = capture.windows
    number_of = {name: number for number, name in enumerate(attack_types)}
    attack_type = np.array([number_of[name] for name in capture.attack_type.tolist()])
    start, end = capture.window_times()
    return store_of_arrays(
        nodes=readings.nodes,
        node_start=windows.node_start,
        node_id=np.searchsorted(ids, windows.ids)[windows.node_code],
        node_frames=windows.node_frames,
        ids=ids,
        edges=windows.edges,
        edge_start=windows.edge_start,
        edge_features=readings.edges,
        edge_frames=windows.edge_frames,
        graph_features=readings.graphs,
        label=capture.attacked,
        attack_type=attack_type,
        capture=np.full(len(windows), number),
        role=role,
        position=np.arange(len(windows)),
        last_frame=windows.last_frame,
        start=start,
        end=end,
        captures=captures,
        attack_types=attack_types,
    )


def _chosen(stores: Sequence[GraphStore], roles: Sequence[int]) -> list[tuple[GraphStore, torch.Tensor]]:
    """Stores, each with its windows of some roles."""
    return [(s, sum(s.role == role for role in roles).nonzero().ravel()) for s in stores]


def _summary(
    captures: list[LabelledCapture],
    roles: list[np.ndarray],
    stores: list[GraphStore],
    repeats: dict[str, str],
    excluded: dict[str, list[str]],
    pairs: list[Pair],
    known: Sequence[str],
    graph: DictConfig,
) -> dict[str, Any]:
    windows = sum(len(s) for s in stores)
    size = sum(t.nbytes for s in stores for name, t in vars(s).items() if hasattr(t, "nbytes") and name != "ids")
    return {
        "settings": OmegaConf.to_container(graph),
        "node_columns": NODE_COLUMNS,
        "edge_columns": EDGE_COLUMNS,
        "graph_columns": GRAPH_COLUMNS,
        "windows": windows,
        "bytes_per_window": size / windows,
        "repeated_captures": repeats,
        "excluded_captures": excluded,
        "one_recording": [vars(pair) for pair in pairs],
        "captures": {
            c.key: {
                "vehicle": c.vehicle,
                "recording": c.recording,
                "recording_offset": c.place.offset,
                "attack_type": c.facts["attack_type"],
                "attack_spans": c.spans(),
                "windows": len(c.windows),
                "attacked_windows": dict(Counter(c.attack_type[c.attacked].tolist())),
                "frames_after_last_window": len(c.windows.code) - int(c.windows.last_frame[-1]) - 1,
                "known_profile": c.key in known,
                "attacked_windows_by_role": _by_role(role[c.attacked]),
                "windows_by_role": _by_role(role),
                "blocks": _runs(role) if role[0] != ROLES.index("test") else [],
            }
            for c, role in zip(captures, roles, strict=True)
        },
    }


def _by_role(role: np.ndarray) -> dict[str, int]:
    return {_role_name(r): n for r, n in sorted(Counter(role.tolist()).items())}


def _runs(role: np.ndarray) -> list[dict[str, Any]]:
    """Consecutive windows of one role: [first, last + 1)."""
    bounds = [0, *(np.flatnonzero(np.diff(role)) + 1).tolist(), len(role)]
    return [
        {"role": _role_name(int(role[first])), "first": first, "last": last}
        for first, last in itertools.pairwise(bounds)
    ]


def _role_name(role: int) -> str:
    return "guard" if role == GUARD else ROLES[role]
