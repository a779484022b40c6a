"""False alarms over many hours of simulated, attack-free driving of vehicles that no cascade was trained on.

    python benchmarks/false_alarms.py OUT pretrained [results/hcrl_sa/seed-1 ...] [--hours 100] [--drive 900]

Each vehicle drives for an hour, in drives of ``--drive`` seconds. Its windows are scored as those of a vehicle that no
one enrolled, and against a profile that rests on three other drives of ``--enrolling`` seconds, by trained limits.
OUT gets a table for each vehicle; a run that was stopped goes on with those that are missing. Prints, of each cascade
and reading, alarms per hour at the shipped operating point with a 95 % interval (a bootstrap over vehicles: the alarms
of one are not independent), and how far above it 0.1, 1 and 10 alarms an hour are left. With ``--scores`` also how many
attacks on test captures the first cascade finds there, and the recall of attacked windows in brackets.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import torch
from omegaconf import DictConfig, OmegaConf
from scipy.stats import bootstrap
from tabulate import tabulate

from canids.artifacts import atomic_path, read_json
from canids.config import load_config
from canids.evaluation.cascade import Cascade, load_cascade
from canids.evaluation.curves import RATES
from canids.evaluation.enrolment import window_settings
from canids.evaluation.events import HOUR_S, SAME_ALARM_S, delays
from canids.evaluation.evidence import CUSUM, Cusum, with_cusum
from canids.evaluation.facts import window_facts
from canids.evaluation.judge import drives_of
from canids.evaluation.thresholds import OperatingPoints, logit
from canids.fusion.agent import play
from canids.fusion.environment import windows_of
from canids.fusion.states import fusion_states
from canids.graphs.captures import LabelledCapture, labelled_capture
from canids.graphs.one_vehicle import known_store, profile_of
from canids.graphs.store import GraphStore
from canids.shipped import PRETRAINED, SCALE, SHIPPED
from canids.simulate.fleet import simulate_drive
from canids.simulate.fleet_vehicle import make_fleet_vehicle

FIRST = 10_000  # number of the first vehicle: no fleet has so many (``fleet.vehicles``)
ENROLLING = 3  # drives that its profile rests on
DETECTORS = ("fusion", CUSUM)
FLOOR = -2.0  # log-odds, and a sum, below which no threshold is looked for
SIDES = ("unknown", "enrolled")
SEED = 20


def captures_of(
    number: int, enrolling: float, seconds: float, fleet: DictConfig, graph: DictConfig
) -> Iterator[LabelledCapture]:
    """The drives of a vehicle in windows: first those that enrol it."""
    vehicle = make_fleet_vehicle(f"vehicle-{number}", np.random.default_rng([fleet.seed, number]))
    lengths = [enrolling] * ENROLLING + [seconds] * math.ceil(HOUR_S / seconds)
    for drive, length in enumerate(lengths):
        rng = np.random.default_rng([fleet.seed, number, 1 + drive])
        yield labelled_capture(*simulate_drive(vehicle, length, drive, rng), graph, Path(vehicle.name))


def margins_of(cascade: Cascade, store: GraphStore) -> pl.DataFrame:
    """A row per window: ``capture``, ``start`` and ``end`` (s), and the score of each detector less its threshold."""
    states = fusion_states(cascade.vgae, cascade.gat, [store], cascade.calibration)
    played = play(cascade.fusion.network, windows_of(states, np.ones(len(states), bool)), cascade.fusion.settings)
    scores = window_facts([states]).with_columns(fusion=logit(played.score.numpy()))
    return with_margins(scores, cascade.points).select("capture", "start", "end", *DETECTORS)


def with_margins(scores: pl.DataFrame, points: OperatingPoints) -> pl.DataFrame:
    """Scores of windows (with ``fusion``) less the thresholds that they are held to; ``side``: how they are read."""
    enrolled = pl.col("read_by") == points.read_by
    limit = pl.when(enrolled).then(points.limits["fusion"]).otherwise(0.0)
    return with_cusum(scores, Cusum(**points.cusum)).with_columns(
        pl.col("fusion") - limit,
        pl.col(CUSUM) - points.limits[CUSUM],
        side=pl.when(enrolled).then(pl.lit("enrolled")).otherwise(pl.lit("unknown")),
    )


def vehicle_table(
    number: int, enrolling: float, seconds: float, cascades: dict[str, Cascade], fleet: DictConfig
) -> pl.DataFrame:
    """Windows of a vehicle that come near an alarm, and a row with the hours of each drive.

    Columns: model, side, capture, hours, start, end, detector, margin (over its threshold; null in the rows of hours).
    """
    graph = OmegaConf.create(window_settings(SHIPPED))
    drives = list(captures_of(number, enrolling, seconds, fleet, graph))
    enrolled = known_store(drives[ENROLLING:], profile_of(drives[:ENROLLING]), graph)
    rows = []
    for side, store in zip(SIDES, (enrolled.without("known"), enrolled), strict=True):
        for model, cascade in cascades.items():
            found = margins_of(cascade, store)
            names = ["capture", "start", "end"]
            near = found.unpivot(DETECTORS, index=names, variable_name="detector", value_name="margin")
            lasted = (pl.col("end").last() - pl.col("start").first()) / HOUR_S
            hours = found.group_by("capture", maintain_order=True).agg(lasted.alias("hours"))
            both = pl.concat([hours, near.filter(pl.col("margin") > FLOOR)], how="diagonal")
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


def alarm_rates(tables: pl.DataFrame) -> pl.DataFrame:
    """By model, side and detector: false alarms at the shipped threshold, and the margins that leave ``RATES``."""
    rows = []
    for (model, side), part in tables.group_by("model", "side", maintain_order=True):
        driving = part.filter(pl.col("hours").is_not_null())
        hours = driving.group_by("vehicle").agg(pl.col("hours").sum()).sort("vehicle")
        for detector in DETECTORS:
            windows = part.filter(pl.col("detector") == detector)
            each = rate_of(windows, hours, 0.0)
            alarms, driven = each.sum(axis=0)
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
                    **{f"margin for {rate:g}/h": threshold_at(windows, hours, rate) for rate in RATES},
                }
            )
    return pl.DataFrame(rows)


def attacks_found(path: Path, points: OperatingPoints, rates: pl.DataFrame) -> pl.DataFrame:
    """Attacks found, and recall of attacked windows, in the test captures of an evaluation, at some margins.

    Args:
        path: its ``scores.parquet``, two folders below the dataset's results or one.
    """
    folder = next(f for f in path.parents if (f / "graphs" / "graphs.json").exists())
    scores = with_margins(pl.read_parquet(path).filter(pl.col("role") == "test"), points)
    drives, rows = drives_of(scores, read_json(folder / "graphs" / "graphs.json")), []
    for (scenario,), part in scores.group_by("scenario", maintain_order=True):
        mine = [drive for key, drive in drives.items() if key.startswith(f"{scenario}/")]
        for detector in DETECTORS:
            margin = dict(rates.filter(pl.col("detector") == detector).select("vehicle is", "margins").iter_rows())
            row = {"dataset": folder.name, "scenario": scenario, "detector": detector}
            for number, name in enumerate(("as shipped", *(f"at {rate:g}/h" for rate in RATES))):
                above = part.with_columns(
                    alarm=pl.col(detector) > pl.col("side").replace_strict({s: m[number] for s, m in margin.items()})
                )
                alarms = [of_one["alarm"].to_numpy() for _, of_one in above.group_by("capture", maintain_order=True)]
                seconds = np.concatenate([delays(d, a)[0] for d, a in zip(mine, alarms, strict=True)])
                recall = above.filter(pl.col("label") == 1)["alarm"].mean()
                row[name] = f"{np.isfinite(seconds).sum()} of {len(seconds)} ({recall:.3f})"
            rows.append(row)
    return pl.DataFrame(rows)


def markdown(table: pl.DataFrame) -> str:
    """A table with margins to two decimals."""
    return tabulate(table.rows(), table.columns, "pipe", floatfmt=".2f", missingval="below the floor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("models", nargs="+", help="pretrained, or a seed's folder in a results folder")
    parser.add_argument("--scores", type=Path, nargs="*", default=[], help="scores.parquet of the first's evaluations")
    parser.add_argument("--hours", type=int, default=100, help="of driving, and vehicles")
    parser.add_argument("--drive", type=float, default=900.0, help="length of a drive (s)")
    parser.add_argument("--enrolling", type=float, default=100.0, help="length of a drive that enrols a vehicle (s)")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    fleet = load_config(Path("config"), [f"fleet.seed={SEED}"]).fleet
    cascades = {name: load_cascade(SHIPPED if name == PRETRAINED else Path(name), SCALE) for name in asked.models}
    tables = []
    for number in range(FIRST, FIRST + asked.hours):
        path = asked.out / f"vehicle-{number}.parquet"
        if not path.exists():
            with atomic_path(path) as beside:
                vehicle_table(number, asked.enrolling, asked.drive, cascades, fleet).write_parquet(beside)
        tables.append(pl.read_parquet(path).with_columns(vehicle=pl.lit(number)))
    rates = alarm_rates(pl.concat(tables, how="diagonal"))
    print(markdown(rates))
    for path in asked.scores:
        first = rates.filter(pl.col("model") == asked.models[0])
        named = [pl.col(f"margin for {rate:g}/h").fill_null(FLOOR) for rate in RATES]
        first = first.with_columns(margins=pl.concat_list(pl.lit(0.0), *named))
        print(f"\n{markdown(attacks_found(path, cascades[asked.models[0]].points, first))}")


if __name__ == "__main__":
    main()
