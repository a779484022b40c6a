"""The baselines stage: every baseline on every window, judged like the models."""

from __future__ import annotations

from collections.abc import Sequence
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
from canids.frames.frames import FLEET, SYNTHESISED
from canids.frames.parquet import read_frames
from canids.fusion.calibration import FEWEST, Calibration, limits, platt_slope, quiet_windows
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
    quiet = quiet_windows(label, captures)
    own = ~facts.select(_of_the_fleet()).to_series().to_numpy()
    attack_free = windows.take(_own(train & quiet, own))
    boosting = fit_boosting(windows.take(train), label[train], windows.take(select), label[select], seed)
    breaks = _rule_breaks(frames, summary, loaded)

    def score(some: Extremes, chosen: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "lightgbm": boosting_score(boosting, some),
            "tail_probability": tail_probability(attack_free, some),
            "inter_arrival": inter_arrival(some),
            "profile_rules": breaks[chosen],
            "isolation_forest": isolation(attack_free, some, seed),
        }

    raw = score(windows, np.arange(len(label)))
    validating = np.isin(facts["role"].to_numpy(), [ROLES[role] for role in VALIDATION_ROLES])
    calm = np.flatnonzero(validating)[quiet_windows(label[validating], captures[validating])]
    calm_windows = windows.take(calm)
    samples = [calm_windows, *(calm_windows.without(reading) for reading in READINGS)]
    calm_raw = [score(some, calm) for some in samples]
    own_calm = _own(np.ones(len(calm), bool), own[calm])
    rests_on = {name: slice(None) if name in TRAINED else own_calm for name in raw}

    def calm_scores(name: str) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        return [(each[name], some.read_by, captures[calm]) for each, some in zip(calm_raw, samples, strict=True)]

    readings = windows.read_by
    scores = facts.with_columns(
        pl.Series(
            name,
            _log_odds(
                raw[name],
                readings,
                Calibration(
                    platt_slope(raw[name][select], label[select]),
                    limits([[column[rests_on[name]] for column in each] for each in calm_scores(name)], false_alarms),
                ),
            ),
        )
        for name in raw
    )
    of_dataset = scores.filter(~_of_the_fleet())
    calibrate = of_dataset.filter(pl.col("role") == "calibrate")
    if calibrate["label"].n_unique() < 2:
        of_dataset = scores
    thresholds = {
        name: limit
        for some, names in ((scores, TRAINED), (of_dataset, [name for name in raw if name not in TRAINED]))
        for name, limit in operating_points(some, names, evaluation.tolerance, graphs.parent).items()
    }
    described = {"scale": SCALE, "seed": seed, "tolerance": evaluation.tolerance}
    save_boosting(out / "lightgbm.txt", boosting)
    return write_evaluation(out, described, scores, thresholds, summary)


def _own(chosen: np.ndarray, own: np.ndarray) -> np.ndarray:
    """(w,) bool, the chosen windows that are the dataset's own; all of them where too few are."""
    return chosen & own if np.count_nonzero(chosen & own) >= FEWEST else chosen


def _of_the_fleet() -> pl.Expr:
    """Whether a window is of a simulated drive, or of an attacked copy of one."""
    copied = (pl.col("scenario") == SYNTHESISED) & pl.col("capture").str.starts_with(f"{FLEET}-")
    return (pl.col("scenario") == FLEET) | copied


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
