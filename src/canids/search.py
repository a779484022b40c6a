"""A search in rounds: Optuna is told what the trials of a round reached, and asked for those of the next.

Each round reads the study's journal that the round before wrote, and writes its own: nothing is changed in place, so a
search that was killed goes on with the round that was not finished.
"""

from __future__ import annotations

import json
import math
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
import polars as pl
import yaml
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from canids.artifacts import atomic_path, read_json, write_json, write_text
from canids.errors import ArtifactError
from canids.search_space import DIRECTIONS, trials_of_round

Figures = Sequence[tuple[str, int, Path]]  # (trial, seed, metrics.json of the training that is judged)


def ask_trials(search: dict[str, Any], number: int, before: Path | None, reached: Figures, journal: Path) -> None:
    """Ask for the trials of a round: writes ``trials.json`` (trial → settings) and the study's journal beside it.

    Args:
        search: the experiment's ``search``. number: of the round, from 0. before: journal of the round before.
        reached: what that round's trainings measured.

    Raises:
        ArtifactError: a figure is missing.
    """
    with atomic_path(journal) as beside:
        if before:
            shutil.copy(before, beside)
        study = _study(beside, search, number)
        _tell(study, reached, search)
        space = {key: _distribution(each) for key, each in search["settings"].items()}
        trials = {name: study.ask(space).params for name in trials_of_round(search, number)}
    write_json(journal.with_name("trials.json"), trials)


def collect_trials(
    search: dict[str, Any],
    described: Mapping[str, str],
    settings: Sequence[str],
    rounds: Sequence[Path],
    figures: Figures,
    out: Path,
) -> None:
    """Write ``trials.csv`` (a row for each trial and seed), ``best.yaml`` and the finished ``study.log``.

    Args:
        described: dataset and experiment. settings: what the run set for every trial, as a dot-list.
        rounds: the rounds' journals. figures: of all trials. out: the experiment's folder.

    Raises:
        ArtifactError: a figure is missing.
    """
    last = len(rounds) - 1
    metric = search["objective"]["metric"]
    means = _means(figures, metric)
    with atomic_path(out / "study.log") as beside:
        shutil.copy(rounds[-1], beside)
        study = _study(beside, search, last)
        _tell(study, [each for each in figures if each[0] in trials_of_round(search, last)], search)
        best = study.best_trial
    asked = {name: trial for path in rounds for name, trial in read_json(path.with_name("trials.json")).items()}
    rows = [
        {
            **described,
            "trial": name,
            "round": int(name.rpartition("-")[2]) // search["at_once"],
            **asked[name],
            "seed": seed,
            metric: read_json(path)[metric],
            "mean": means[name],
        }
        for name, seed, path in figures
    ]
    with atomic_path(out / "trials.csv") as beside:
        pl.DataFrame(rows, infer_schema_length=None).write_csv(beside)
    words = [*settings, *(f"{key}={json.dumps(value)}" for key, value in best.params.items())]
    objective = "{model}-{scale}".format(**search["objective"])
    write_text(
        out / "best.yaml",
        f"# {objective}: {metric} {best.value:.6g}, trial {best.number} of {len(asked)}.\n"
        f"# snakemake --profile profiles/workstation --configfile {out / 'best.yaml'}\n"
        + yaml.safe_dump({"set": shlex.join(words)}, width=math.inf),
    )


def _study(journal: Path, search: dict[str, Any], number: int) -> optuna.Study:
    """The study of a journal; each round samples with a seed of its own."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        study_name="canids",
        storage=JournalStorage(JournalFileBackend(str(journal))),
        sampler=optuna.samplers.TPESampler(seed=search["seed"] + number, constant_liar=True),
        direction=DIRECTIONS[search["objective"]["metric"]],
        load_if_exists=True,
    )


def _tell(study: optuna.Study, figures: Figures, search: dict[str, Any]) -> None:
    for name, mean in _means(figures, search["objective"]["metric"]).items():
        study.tell(int(name.rpartition("-")[2]), mean)


def _means(figures: Figures, metric: str) -> dict[str, float]:
    """Trial → mean over its seeds."""
    values: dict[str, list[float]] = {}
    for name, _, path in figures:
        value = read_json(path).get(metric)
        if value is None or not math.isfinite(value):
            raise ArtifactError(f"{path}: {metric} is not known ({value}), so the trial cannot be judged")
        values.setdefault(name, []).append(value)
    return {name: fmean(each) for name, each in values.items()}


def _distribution(given: dict[str, Any]) -> BaseDistribution:
    if given["choices"]:
        return CategoricalDistribution(given["choices"])
    if given["whole"]:
        step = int(given["step"] or 1)
        return IntDistribution(int(given["low"]), int(given["high"]), log=given["log"], step=step)
    return FloatDistribution(given["low"], given["high"], log=given["log"], step=given["step"])
