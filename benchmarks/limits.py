"""F1 of the student GAT by limits that are fixed, that adapt while a capture is read, and that an enrolment moved.

    python benchmarks/limits.py results/demo results/hcrl_sa results/set_04

Prints two tables, means over models: the simulated fleet's validation captures, in five folds over vehicles; and the
test captures of every dataset that has recordings to train on, the worst seed in brackets.
"""

import argparse
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from canids import schema
from canids.artifacts import read_json
from canids.frames.frames import FLEET
from canids.fusion.calibration import FEWEST, READ_BY, Calibration, limits
from canids.graphs.captures import MADE
from canids.graphs.store import READINGS, GraphStore, load_store, pick
from canids.models.gat import Gat
from canids.models.scoring import score_gat
from canids.training.model_folder import load_gat

FALSE_ALARMS = schema.Calibration().false_alarms
WITHHELD = (None, *READINGS)  # as when the workflow calibrates
FOLDS = 5
FIRST = 25  # windows of a capture before its limit moves
ADAPTIVE = {  # quantile of the capture's scores, and how many spreads of the fleet's its limit may fall and rise
    "raised by the lower quartile": (0.25, 0, 2),
    "raised or lowered by the median": (0.5, 3, 3),
}


@dataclass(frozen=True)
class Drive:
    """A capture as a GAT sees it, perhaps with one reading withheld: a score, readings and a label per window."""

    key: str
    vehicle: str
    recording: str
    withheld: str | None
    score: np.ndarray
    readings: np.ndarray
    label: np.ndarray

    @property
    def quiet(self) -> bool:
        return not self.label.any()


def drives(gat: Gat, store: GraphStore, captures: dict, withheld: Sequence[str | None] = WITHHELD) -> list[Drive]:
    """The captures of a store. captures: those of its ``graphs.json``."""
    found, number = [], store.capture.numpy()
    for reading in withheld:
        view = store.without(reading) if reading else store
        score, readings = score_gat(gat, view).score.numpy().astype(float), view.read_by.numpy()
        for each in np.unique(number):
            mine, key = number == each, store.captures[each]
            names = (key, captures[key]["vehicle"], captures[key]["recording"], reading)
            found.append(Drive(*names, score[mine], readings[mine], store.label.numpy()[mine]))
    return found


def samples(some: Sequence[Drive], shifts: Sequence[np.ndarray | float]) -> list[tuple[np.ndarray, ...]]:
    """Those of ``canids.fusion.calibration``, of scores less their limits' shifts."""
    numbers = {key: number for number, key in enumerate({drive.key for drive in some})}
    return [
        (d.score - by, d.readings, np.full(len(d.score), numbers[d.key])) for d, by in zip(some, shifts, strict=True)
    ]


def alarms(drive: Drive, limit: np.ndarray, shift: np.ndarray | float = 0.0) -> np.ndarray:
    return (drive.score - shift > limit[drive.readings]) & (drive.readings > 0)


def typical(quiet: Sequence[Drive], share: float) -> tuple[np.ndarray, float]:
    """(READ_BY,) a quantile of the fleet's attack-free captures, by readings; and its spread over captures."""
    middle, spreads = np.full(READ_BY, np.nan), []
    for code in range(1, READ_BY):
        scores = [drive.score[drive.readings == code] for drive in quiet if drive.recording.startswith(f"{FLEET}/")]
        each = [np.quantile(some, share) for some in scores if len(some) >= FEWEST]
        if each:
            middle[code] = np.median(each)
            spreads.append(1.4826 * np.median(np.abs(np.array(each) - middle[code])))
    return middle, float(np.median([spread for spread in spreads if spread > 0]))


def shifts(excess: np.ndarray, ceiling: np.ndarray, share: float, lowest: float, highest: float) -> np.ndarray:
    """(n,) how far a capture's limit is moved at each window: a quantile of the earlier ones that did not alarm.

    Args:
        excess: (n,) scores less what is typical. ceiling: (n,) what alarms, from there.
    """
    learnt, moved, now = [], np.zeros(len(excess)), 0.0
    for at, value in enumerate(excess):
        if len(learnt) >= FIRST:
            place, part = divmod(share * (len(learnt) - 1), 1)
            pair = learnt[int(place) : int(place) + 2]
            now = min(max(pair[0] * (1 - part) + pair[-1] * part, lowest), highest)
        moved[at] = now
        if value - now <= ceiling[at]:  # never where no profile speaks
            insort(learnt, float(value))
    return moved


def adaptive(
    fitted: Sequence[Drive], tested: Sequence[Drive], share: float, down: float, up: float
) -> list[np.ndarray]:
    middle, spread = typical(fitted, share)

    def moved(drive: Drive, limit: np.ndarray) -> np.ndarray:
        known = middle[drive.readings]
        return shifts(drive.score - known, limit[drive.readings] - known, share, -down * spread, up * spread)

    limit = limits(samples(fitted, [moved(drive, np.full(READ_BY, np.inf)) for drive in fitted]), FALSE_ALARMS)
    return [alarms(drive, limit, moved(drive, limit)) for drive in tested]


def by_remedy(fitted: Sequence[Drive], tested: Sequence[Drive], pool: Sequence[Drive]) -> dict[str, list[np.ndarray]]:
    """What alarms of the tested captures. fitted: validation captures. pool: captures to enrol the vehicles by."""
    fitted, pool, own = [d for d in fitted if d.quiet], [d for d in pool if d.quiet], {}
    shipped = Calibration.fit(1.0, samples(fitted, [0.0] * len(fitted)), FALSE_ALARMS)
    for drive in tested:
        others = [d for d in pool if d.vehicle == drive.vehicle and d.recording != drive.recording]
        if others and drive.recording not in own:
            own[drive.recording] = shipped.enrolled(samples(others, [0.0] * len(others)), FALSE_ALARMS).limit
    return {
        "one limit": [alarms(drive, shipped.limit) for drive in tested],
        **{name: adaptive(fitted, tested, *how) for name, how in ADAPTIVE.items()},
        "enrolled": [alarms(drive, own.get(drive.recording, shipped.limit)) for drive in tested],
    }


def f1(judged: Sequence[tuple[Drive, np.ndarray]]) -> float:
    label = np.concatenate([drive.label for drive, _ in judged]) > 0
    alarm = np.concatenate([alarm for _, alarm in judged])
    return 2 * np.count_nonzero(label & alarm) / (np.count_nonzero(label) + np.count_nonzero(alarm))


def validated(val: Sequence[Drive]) -> dict[str, tuple[float, float, int]]:
    """By remedy: F1 with both readings, with the capture's own alone, and false alarms of attack-free captures."""
    fleet = [drive for drive in val if drive.recording.startswith(f"{FLEET}/")]
    fold = {vehicle: n % FOLDS for n, vehicle in enumerate(sorted({drive.vehicle for drive in fleet}))}
    judged = {}
    for held_out in range(FOLDS):
        tested = [drive for drive in fleet if fold[drive.vehicle] == held_out]
        fitted = [drive for drive in fleet if fold[drive.vehicle] != held_out]
        for name, each in by_remedy(fitted, tested, tested).items():
            judged.setdefault(name, []).extend(zip(tested, each, strict=True))
    rows = {}
    for name, each in judged.items():
        both, own = ([pair for pair in each if pair[0].withheld == gone] for gone in (None, "known"))
        rows[name] = (f1(both), f1(own), sum(np.count_nonzero(alarm) for drive, alarm in both if drive.quiet))
    return rows


def enrolling(folder: Path, captures: dict) -> GraphStore | None:
    """A dataset's recorded attack-free training captures, if it has any."""
    recorded = {key: each for key, each in captures.items() if key.split("/")[0] not in MADE}
    keys = [k for k, each in recorded.items() if not each["attacked_windows"] and "test" not in each["windows_by_role"]]
    stores = [load_store(folder / "graphs" / f"{part}.safetensors") for part in ("train", "val")]
    wanted = [np.flatnonzero(np.isin(np.array(each.captures)[each.capture], keys)) for each in stores]
    return pick(list(zip(stores, map(torch.from_numpy, wanted), strict=True))) if keys else None


def tested_on(folder: Path, captures: dict, gat: Gat, val: Sequence[Drive], enrolment: GraphStore) -> dict:
    """(scenario, remedy) → F1 on a dataset's test captures."""
    stores = [load_store(path) for path in sorted((folder / "graphs").glob("test_*.safetensors"))]
    tested = [drive for store in stores for drive in drives(gat, store, captures, (None,))]
    judged = {}
    for name, alarmed in by_remedy(val, tested, drives(gat, enrolment, captures)).items():
        for drive, alarm in zip(tested, alarmed, strict=True):
            judged.setdefault((drive.key.split("/")[0], name), []).append((drive, alarm))
    return {row: f1(each) for row, each in judged.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", help="folders of datasets' results")
    folders = parser.parse_args().results
    captures = {folder: read_json(folder / "graphs" / "graphs.json")["captures"] for folder in folders}
    enrolments = {folder: store for folder in folders if (store := enrolling(folder, captures[folder]))}
    validation, test = [], {}
    for trained in folders:
        store = load_store(trained / "graphs" / "val.safetensors")
        for gat in map(load_gat, sorted(trained.glob("seed-*/gat-student"))):
            val = drives(gat, store, captures[trained])
            validation.append(validated(val))
            for on, enrolment in enrolments.items():
                for (scenario, name), found in tested_on(on, captures[on], gat, val, enrolment).items():
                    row = test.setdefault(f"{trained.name} → {on.name} | {scenario}", {})
                    row.setdefault(name, []).append(found)
    print(f"validation, fleet ({len(validation)} models) | F1, known and own profile | own alone | false alarms")
    for name in validation[0]:
        both, own, false = np.mean([each[name] for each in validation], axis=0)
        print(f"{name} | {both:.4f} | {own:.4f} | {false:.0f}")
    print("trained on → tested on", "scenario", *validation[0], sep=" | ")
    for place, row in test.items():
        print(place, *(f"{np.mean(found):.3f} ({min(found):.3f})" for found in row.values()), sep=" | ")


if __name__ == "__main__":
    main()
