"""False alarms over many hours of simulated driving of vehicles that no cascade was trained on, and attacks found.

    python benchmarks/false_alarms.py OUT pretrained [results/hcrl_sa/seed-1 ...] [--hours 100] [--drives 8]

Each vehicle drives for an hour, in drives of ``--drive`` seconds, and once more as long with attacks synthesised on it.
Its windows are scored as those of a vehicle that no one enrolled, and as those of one that ``canids enroll`` was given
``--drives`` other drives of, ``--enrolling`` seconds each. OUT gets a table for each vehicle; a run that was stopped
goes on with those that are missing. Prints, of each cascade and reading, alarms per hour at the shipped operating point
with a 95 % interval (a bootstrap over vehicles: the alarms of one are not independent), the share of attacks that it
finds, and that share where all thresholds are moved alike until 10, 1 and 0.1 false alarms an hour are left.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
import torch
from omegaconf import DictConfig, OmegaConf
from scipy.stats import bootstrap
from tabulate import tabulate

from canids.artifacts import atomic_path
from canids.config import load_config
from canids.evaluation.cascade import Cascade, load_cascade
from canids.evaluation.curves import RATES
from canids.evaluation.enrolment import enrolled_by, window_settings
from canids.evaluation.events import HOUR_S, SAME_ALARM_S, drive_of
from canids.evaluation.evidence import Cusum, with_cusum
from canids.evaluation.thresholds import CUSUM
from canids.frames.frames import SYNTHESISED, Frames
from canids.fusion.states import fusion_states
from canids.graphs.captures import LabelledCapture, labelled_capture
from canids.graphs.one_vehicle import crossed_store, known_store, profile_of
from canids.graphs.store import GraphStore
from canids.shipped import PRETRAINED, SCALE, SHIPPED
from canids.simulate.fleet import simulate_drive
from canids.simulate.fleet_vehicle import make_fleet_vehicle
from canids.simulate.synthesis import attack_randomly
from canids.simulate.vehicle import Vehicle

FIRST = 10_000  # number of the first vehicle: no fleet has so many (``fleet.vehicles``)
TESTED, ATTACKED, ENROLLING = 3, 50, 100  # numbers of the first drive of each kind
DETECTORS = ("fusion", CUSUM)
FLOOR = -2.0  # log-odds, and a sum, below which no threshold is looked for
SEED = 20


@dataclasses.dataclass(frozen=True)
class DrivenVehicle:
    """A vehicle, and how its drives are cut into windows; each drive depends on its number and the seed alone."""

    number: int
    fleet: DictConfig
    graph: DictConfig

    @cached_property
    def vehicle(self) -> Vehicle:
        return make_fleet_vehicle(f"vehicle-{self.number}", np.random.default_rng([self.fleet.seed, self.number]))

    def drives(self, first: int, count: int, seconds: float) -> Iterator[LabelledCapture]:
        """Drives in windows."""
        for drive in range(first, first + count):
            yield self._in_windows(*simulate_drive(self.vehicle, seconds, drive, self._random(drive)))

    def attacked(self, drive: int, seconds: float, synthesis: DictConfig) -> LabelledCapture:
        """A drive in windows, with attacks of all kinds."""
        random = self._random(drive)
        frames, facts = simulate_drive(self.vehicle, seconds, drive, random)
        frames, spans = attack_randomly(frames, synthesis, random)
        attacks = {"attack_type": SYNTHESISED, "attack_spans": [dataclasses.asdict(span) for span in spans]}
        return self._in_windows(frames, {**facts, **attacks})

    def _random(self, drive: int) -> np.random.Generator:
        return np.random.default_rng([self.fleet.seed, self.number, 1 + drive])

    def _in_windows(self, frames: Frames, facts: dict) -> LabelledCapture:
        return labelled_capture(frames, facts, self.graph, Path(facts["capture"]))


def margins_of(cascade: Cascade, store: GraphStore) -> pl.DataFrame:
    """A row per window: where it lies, and the score of each detector less the threshold that it is held to."""
    points = cascade.points
    states = fusion_states(cascade.vgae, cascade.gat, [store], cascade.calibration)
    return with_cusum(cascade.fusion.score(states), Cusum(**points.cusum)).select(
        "capture", "start", "end", "last_frame", *(points.margin(name) for name in DETECTORS)
    )


def near_alarms(windows: pl.DataFrame) -> pl.DataFrame:
    """Windows near an alarm (capture, start, end, detector, margin), and a row with the hours of each drive."""
    names = ["capture", "start", "end"]
    near = windows.unpivot(DETECTORS, index=names, variable_name="detector", value_name="margin")
    lasted = (pl.col("end").last() - pl.col("start").first()) / HOUR_S
    hours = windows.group_by("capture", maintain_order=True).agg(lasted.alias("hours"))
    return pl.concat([hours, near.filter(pl.col("margin") > FLOOR)], how="diagonal")


def attack_margins(windows: pl.DataFrame, capture: LabelledCapture) -> pl.DataFrame:
    """The highest margin of each detector during each attack on a capture, the windows of which are given."""
    drive = drive_of(windows, {"attack_spans": capture.spans()})
    return pl.DataFrame(
        [
            {
                "attack": span.kind,
                "detector": name,
                "margin": windows[name].to_numpy()[drive.during(span)].max(initial=-np.inf),
            }
            for span in drive.spans
            for name in DETECTORS
        ]
    )


def vehicle_table(number: int, asked: argparse.Namespace, cascades: dict[str, Cascade]) -> pl.DataFrame:
    """``near_alarms`` of an hour and ``attack_margins`` of a drive, by model and side: unknown, and enrolled."""
    config = load_config(Path("config"), [f"fleet.seed={SEED}"])
    graph = OmegaConf.create(window_settings(SHIPPED))
    driven = DrivenVehicle(number, config.fleet, graph)
    enrolling = list(driven.drives(ENROLLING, asked.drives, asked.enrolling))
    profile, crossed = profile_of(enrolling), crossed_store(enrolling, graph)
    attacked = driven.attacked(ATTACKED, asked.drive, config.synthesis)
    free = known_store(list(driven.drives(TESTED, math.ceil(HOUR_S / asked.drive), asked.drive)), profile, graph)
    under_attack = known_store([attacked], profile, graph)
    rows = []
    for model, cascade in cascades.items():
        own = enrolled_by(cascade, crossed, config.calibration.false_alarms, config.evaluation.enrolled_per_hour)
        for side, told, stores in (
            ("unknown", cascade, (free.without("known"), under_attack.without("known"))),
            ("enrolled", own, (free, under_attack)),
        ):
            near, during = (margins_of(told, store) for store in stores)
            both = pl.concat([near_alarms(near), attack_margins(during, attacked)], how="diagonal")
            rows.append(both.with_columns(model=pl.lit(model), side=pl.lit(side)))
    return pl.concat(rows, how="diagonal")


def count(windows: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """Alarms above a threshold by vehicle, those less than ``SAME_ALARM_S`` apart taken as one."""
    above = windows.filter(pl.col("margin") > threshold).sort("vehicle", "capture", "start")
    gap = pl.col("start") - pl.col("end").shift(1).over("vehicle", "capture")
    return above.group_by("vehicle").agg((gap.is_null() | (gap >= SAME_ALARM_S)).sum().alias("alarms"))


def rate_of(windows: pl.DataFrame, hours: pl.DataFrame, threshold: float) -> np.ndarray:
    """(vehicles, 2) alarms and hours."""
    joined = hours.join(count(windows, threshold), on="vehicle", how="left").with_columns(pl.col("alarms").fill_null(0))
    return joined.select("alarms", "hours").to_numpy()


def threshold_at(windows: pl.DataFrame, hours: pl.DataFrame, rate: float) -> float | None:
    """The least margin at which so many alarms per hour are left; None where fewer are raised even at the floor."""
    low, high = FLOOR, float(windows["margin"].max() or FLOOR)

    def exceeded(threshold: float) -> bool:
        alarms, driven = rate_of(windows, hours, threshold).sum(axis=0)
        return alarms > rate * driven

    if not exceeded(low):
        return None
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if exceeded(middle) else (low, middle)
    return high


def share_found(attacks: pl.DataFrame, threshold: float | None) -> str:
    """The share of some attacks above a threshold."""
    return "" if threshold is None else f"{(attacks['margin'] > threshold).mean():.1%}"


def alarm_rates(tables: pl.DataFrame) -> pl.DataFrame:
    """By model, side and detector: false alarms and attacks found, as shipped and where ``RATES`` are left."""
    rows = []
    for (model, side), part in tables.group_by("model", "side", maintain_order=True):
        driving = part.filter(pl.col("hours").is_not_null())
        hours = driving.group_by("vehicle").agg(pl.col("hours").sum()).sort("vehicle")
        for detector in DETECTORS:
            of_it = part.filter(pl.col("detector") == detector)
            windows, attacks = of_it.filter(pl.col("attack").is_null()), of_it.filter(pl.col("attack").is_not_null())
            each = rate_of(windows, hours, 0.0)
            alarms, driven = each.sum(axis=0)
            at = {rate: threshold_at(windows, hours, rate) for rate in RATES[::-1]}
            low, high = bootstrap(
                tuple(each.T), lambda a, h, axis: a.sum(axis) / h.sum(axis), paired=True, method="percentile",
                rng=np.random.default_rng(0),
            ).confidence_interval  # fmt: skip
            rows.append(
                {
                    "model": model,
                    "vehicle is": side,
                    "detector": detector,
                    "false alarms": f"{alarms:.0f} in {driven:.1f} h",
                    "per hour (95 %)": f"{alarms / driven:.2f} ({low:.2f} to {high:.2f})",
                    "median vehicle": f"{np.median(each[:, 0] / each[:, 1]):.1f}",
                    "vehicles without any": f"{(each[:, 0] == 0).sum()} of {len(each)}",
                    f"of {len(attacks):,} attacks": share_found(attacks, 0.0),
                    **{f"at {rate:g}/h": share_found(attacks, threshold) for rate, threshold in at.items()},
                }
            )
    return pl.DataFrame(rows)


def attacks_by_kind(tables: pl.DataFrame) -> pl.DataFrame:
    """By model and kind of attack: how many there are, and the share that each detector finds as shipped."""
    attacks = tables.filter(pl.col("attack").is_not_null())
    one = (pl.col("side") == "unknown") & (pl.col("detector") == CUSUM)
    count = attacks.group_by("model", "attack").agg(one.sum().alias("attacks"))
    share = attacks.with_columns(
        by=pl.concat_str("side", "detector", separator=", "), found=100 * (pl.col("margin") > 0).cast(pl.Float64)
    ).pivot("by", index=["model", "attack"], values="found", aggregate_function="mean")
    return count.join(share, on=["model", "attack"]).sort("model", "attack")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("models", nargs="+", help="pretrained, or a seed's folder in a results folder")
    parser.add_argument("--hours", type=int, default=100, help="of driving, and vehicles")
    parser.add_argument("--drive", type=float, default=900.0, help="length of a drive (s)")
    parser.add_argument("--drives", type=int, default=8, help="that enrol a vehicle")
    parser.add_argument("--enrolling", type=float, default=300.0, help="length of each of these (s)")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    cascades = {name: load_cascade(SHIPPED if name == PRETRAINED else Path(name), SCALE) for name in asked.models}
    tables = []
    for number in range(FIRST, FIRST + asked.hours):
        path = asked.out / f"vehicle-{number}.parquet"
        if not path.exists():
            with atomic_path(path) as beside:
                vehicle_table(number, asked, cascades).write_parquet(beside)
        tables.append(pl.read_parquet(path).with_columns(vehicle=pl.lit(number)))
    found = pl.concat(tables, how="diagonal")
    print(tabulate(alarm_rates(found).rows(named=True), "keys", "pipe"))
    print("\nOf the attacks of a kind, found as shipped (%):\n")
    print(tabulate(attacks_by_kind(found).rows(named=True), "keys", "pipe", floatfmt=".1f"))


if __name__ == "__main__":
    main()
