"""The baselines stage: every baseline on every window, judged like the models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from omegaconf import DictConfig

from canids.artifacts import read_json
from canids.errors import DatasetError
from canids.evaluation.baselines.extremes import Extremes, window_extremes
from canids.evaluation.baselines.gradient_boosting import boosting_score, fit_boosting, save_boosting
from canids.evaluation.baselines.inter_arrival import inter_arrival
from canids.evaluation.baselines.isolation_forest import isolation
from canids.evaluation.baselines.profile_rules import Rules, observe, rule_breaks, union
from canids.evaluation.baselines.tail_probability import tail_probability
from canids.evaluation.evaluate import operating_points, write_evaluation
from canids.evaluation.facts import window_facts
from canids.evaluation.thresholds import logit
from canids.frames.frames import SYNTHESISED, of_the_fleet
from canids.frames.parquet import read_frames
from canids.fusion.calibration import Calibration, platt_slope, quiet_windows
from canids.graphs.splits import ROLES, VALIDATION_ROLES
from canids.graphs.store import READINGS, GraphStore, load_store
from canids.graphs.windows import Cut
from canids.progress import track

SCALE = "baseline"
TRAINED = ("lightgbm",)  # on every training window; the others say what a dataset's own traffic is like


def run_baselines(
    stores: Sequence[Path],
    graphs: Path,
    frames: Sequence[Path],
    evaluation: DictConfig,
    false_alarms: float,
    seed: int,
    out: Path,
) -> dict[str, Any]:
    """Fit the baselines on training windows, and write ``metrics.json``, ``scores.parquet`` and ``lightgbm.txt``.

    Scores become log-odds as the models' do, on the windows that select and, for even odds, on the attack-free ones
    that validate, with either reading withheld too; thresholds are set on those that calibrate. What needs no training
    is fitted and calibrated on the dataset's own windows alone where it has any: simulated traffic is not like that of
    any one vehicle. A window that no profile speaks of is no alarm, again as for the models.

    Args:
        stores: training, validation and test stores. graphs: ``graphs.json``.
        frames: the frame tables of all captures, synthesised ones among them.
        evaluation: the ``evaluation`` section of the configuration.
        false_alarms: share of attack-free windows that even odds let alarm. out: folder to write.

    Raises:
        ArtifactError: an input is missing or damaged.
        DatasetError: a class is missing among the windows that train, select or calibrate.
    """
    loaded = [load_store(path) for path in stores]
    facts, summary = window_facts(loaded), read_json(graphs)
    windows, label = window_extremes(loaded), facts["label"].to_numpy()
    train, select = (facts["role"].to_numpy() == role for role in ("train", "select"))
    for role, chosen in (("train", train), ("select", select)):
        if len(np.unique(label[chosen])) < 2:
            raise DatasetError(f"{graphs.parent}: the windows that {role} hold one class only; baselines need both")
    captures = _captures(facts)
    everything = np.ones(len(label), bool)
    own = _own(facts, label)
    attack_free = windows.take(train & _quiet(own, label, captures))
    boosting = fit_boosting(windows.take(train), label[train], windows.take(select), label[select], seed)
    breaks = _rule_breaks(frames, summary, loaded)
    detectors: dict[str, Callable[[Extremes, np.ndarray], np.ndarray]] = {
        "lightgbm": lambda some, _: boosting_score(boosting, some),
        "tail_probability": lambda some, _: tail_probability(attack_free, some),
        "inter_arrival": lambda some, _: inter_arrival(some),
        "profile_rules": lambda _, chosen: breaks[chosen],
        "isolation_forest": lambda some, _: isolation(attack_free, some, seed),
    }
    validating = np.isin(facts["role"].to_numpy(), [ROLES[role] for role in VALIDATION_ROLES])
    scores, points = facts, {}
    for name, detector in detectors.items():
        rows = everything if name in TRAINED else own
        calm = np.flatnonzero(_quiet(validating & rows, label, captures))
        calm_windows = windows.take(calm)
        samples = [calm_windows, *(calm_windows.without(reading) for reading in READINGS)]
        raw = detector(windows, np.arange(len(label)))
        calibration = Calibration.fit(
            platt_slope(raw[select & rows], label[select & rows]),
            [(detector(some, calm), some.read_by, captures[calm]) for some in samples],
            false_alarms,
        )
        scores = scores.with_columns(pl.Series(name, _log_odds(raw, windows.read_by, calibration)))
        points[name] = operating_points(scores.filter(rows), [name], evaluation.tolerance, graphs.parent)
    limits_of = {name: each.limits[name] for name, each in points.items()}
    described = {"scale": SCALE, "seed": seed, "tolerance": evaluation.tolerance}
    save_boosting(out / "lightgbm.txt", boosting)
    return write_evaluation(out, described, scores, replace(points[TRAINED[0]], limits=limits_of), summary)


def _own(facts: pl.DataFrame, label: np.ndarray) -> np.ndarray:
    """(w,) bool, the dataset's own windows; all windows where its own are not enough to calibrate on."""
    keys = facts.select(pl.concat_str("scenario", "capture", separator="/")).to_series()
    own = np.array([not of_the_fleet(key) for key in keys])
    both = all(len(np.unique(label[own & (facts["role"] == role).to_numpy()])) == 2 for role in ("select", "calibrate"))
    return own if both else np.ones(len(own), bool)


def _quiet(rows: np.ndarray, label: np.ndarray, captures: np.ndarray) -> np.ndarray:
    """(w,) bool, which of some windows ((w,) bool) are quiet, see ``quiet_windows``."""
    quiet = np.zeros(len(rows), bool)
    quiet[rows] = quiet_windows(label[rows], captures[rows])
    return quiet


def _captures(facts: pl.DataFrame) -> np.ndarray:
    """(w,) int, a number for each capture."""
    return facts.select(pl.struct("scenario", "capture").rank("dense")).to_series().to_numpy().astype(np.int64)


def _log_odds(raw: np.ndarray, readings: np.ndarray, calibration: Calibration) -> np.ndarray:
    return logit(np.where(readings == 0, 0.0, calibration.probability(raw, readings)))


def _rule_breaks(paths: Sequence[Path], graphs: dict[str, Any], stores: Sequence[GraphStore]) -> np.ndarray:
    """(w,) of the stores' windows: each capture against the rules of its vehicle's other attack-free recordings."""
    captures, settings = graphs["captures"], graphs["settings"]
    profiled = graphs["profile_captures"]
    known = {**captures, **profiled}
    where = {}
    for path in paths:
        facts = read_frames(path)[1]
        where[f"{facts['scenario']}/{facts['capture']}"] = path
    seen = {
        key: observe(read_frames(where[key])[0])
        for key in [
            *profiled,
            *(key for key, c in captures.items() if "test" not in c["windows_by_role"] and not c["attacked_windows"]),
        ]
        if not key.startswith(f"{SYNTHESISED}/")
    }
    cut = Cut(*(settings[name] for name in ("window", "stride", "seconds", "stride_seconds")))
    breaks = [
        rule_breaks(read_frames(where[key])[0], _rules_for(capture, known, seen), cut, settings["warmup"])
        for key, capture in track(captures.items(), "rules")
    ]
    number = {key: place for place, key in enumerate(captures)}
    scored = []
    for store in stores:
        rows = np.zeros(len(store))
        for capture in store.capture.unique().tolist():
            mine = (store.capture == capture).numpy()
            rows[mine] = breaks[number[store.captures[capture]]][store.position.numpy()[mine]]
        scored.append(rows)
    return np.concatenate(scored)


def _rules_for(capture: dict[str, Any], captures: dict[str, Any], seen: dict[str, Rules]) -> Rules | None:
    parts = [
        rules
        for key, rules in seen.items()
        if captures[key]["vehicle"] == capture["vehicle"] and captures[key]["recording"] != capture["recording"]
    ]
    return union(parts) if parts else None
