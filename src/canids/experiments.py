"""Experiments: datasets × seeds × variants of the settings, as ``config/experiments/<name>.yaml`` has them."""

from __future__ import annotations

import glob
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import DictConfig

from canids.catalogue import captures_of
from canids.config import load_config, load_schema
from canids.errors import CanidsError, ConfigError
from canids.frames.frames import ATTACK_FREE
from canids.schema import setting
from canids.search_space import Search, check_search

# These say where data and results lie and what is run; variants that differ in them would overwrite one another.
FIXED = ("dataset", "dataset.name", "data_root", "results", "seeds", "experiment", "evaluate_on", "simulate")
NAME = r"[A-Za-z0-9_-]+"


@dataclass
class Experiment:
    title: str = setting("", "what is compared, in one line")
    datasets: list[str] = setting(list, "datasets to run on; none: the configured one")
    seeds: list[int] = setting(list, "training seeds; none: the configured ones")
    scales: list[str] = setting(lambda: ["student"], "scales to evaluate: teacher, student, or both")
    variants: dict[str, str] = setting(
        dict, "variant: its settings, the words that set= takes; empty text is the default"
    )
    leave_out: str = setting(
        "nothing",
        "also a variant for each of the dataset's vehicles or attack types: trained without it, tested on it alone",
        choices=("nothing", "vehicle", "attack"),
    )
    search: Search = field(default_factory=Search)


def load_experiment(config_folder: Path, name: str) -> DictConfig:
    """The experiment of a name.

    Raises:
        ConfigError: there is none of that name, or something in its file is not allowed.
    """
    path = _path(config_folder, name)
    if not path.is_file():
        known = sorted(each.stem for each in path.parent.glob("*.yaml"))
        raise ConfigError(f"experiment: unknown experiment '{name}'; known: {', '.join(known) or 'none'}")
    experiment = load_schema(path, Experiment)
    for variant in experiment.variants:
        if not re.fullmatch(NAME, variant):
            raise ConfigError(f"{path}: variants: given name {variant!r}, allowed: letters, digits, - and _")
    compares = bool(experiment.variants) or experiment.leave_out != "nothing"
    if compares == bool(experiment.search.settings):
        allowed = "name at least one, or set leave_out, or search.settings; not both"
        raise ConfigError(f"{path}: variants: {'search.settings too' if compares else 'none'} given; {allowed}")
    scales = list(experiment.scales)
    if not scales or not set(scales) <= {"teacher", "student"} or len(set(scales)) < len(scales):
        raise ConfigError(f"{path}: scales: given {scales}, allowed: teacher, student, or both")
    for key in ("seeds", "datasets"):
        given = list(experiment[key])
        if len(set(given)) < len(given):
            raise ConfigError(f"{path}: {key}: given {given}, allowed: each once")
    if any(seed < 0 for seed in experiment.seeds):
        raise ConfigError(f"{path}: seeds: given {list(experiment.seeds)}, allowed: each at least 0")
    check_search(experiment.search, path, lambda words: load_config(config_folder, words))
    return experiment


def variants_of(
    config_folder: Path, name: str, experiment: DictConfig, dataset: str, overrides: Sequence[str]
) -> dict[str, DictConfig]:
    """Variant → its configuration on a dataset.

    Args:
        overrides: what the workflow run sets for every variant, as a dot-list.

    Raises:
        ConfigError: a variant sets something unknown, mistyped, out of range, or that no variant may set.
        DatasetError: the dataset's vehicles or attacks are to be left out, and cannot be.
    """
    path = _path(config_folder, name)
    given = [*overrides, f"dataset={dataset}"]
    variants = {}
    for variant, words in experiment.variants.items():
        try:
            variants[variant] = load_config(config_folder, [*given, *_words(words)])
        except CanidsError as error:
            raise type(error)(f"{path}: variant {variant}: {error}") from None
    if experiment.leave_out != "nothing":
        for variant, words in _without_each(load_config(config_folder, given), experiment.leave_out, path).items():
            if variant in variants:
                raise ConfigError(f"{path}: variant {variant}: leave_out makes one of that name; rename it")
            variants[variant] = load_config(config_folder, [*given, words])
    return variants


def _path(config_folder: Path, name: str) -> Path:
    return config_folder / "experiments" / f"{name}.yaml"


def _words(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"given {text!r}, allowed: key=value words ({error})") from None
    for word in words:
        key = word.partition("=")[0]
        if key in FIXED or key.startswith("simulate."):
            raise ConfigError(f"{key}: no variant may set it, it is the same for the whole experiment")
    return words


def _without_each(config: DictConfig, what: str, path: Path) -> dict[str, str]:
    """Variant → the setting of ``dataset.captures`` that trains without one vehicle (attack) and tests on it alone.

    Captures without attacks are trained on whatever attack is left out.
    """
    captures, dataset = captures_of(config), config.dataset

    def kind(capture):
        return capture.vehicle if what == "vehicle" else capture.attack_type

    variants = {}
    for left_out in sorted({kind(c) for c in captures if c.scenario in dataset.test} - {ATTACK_FREE}):
        keys = [
            capture.key
            for capture in captures
            if (capture.scenario in dataset.train and kind(capture) != left_out)
            or (capture.scenario in dataset.test and kind(capture) == left_out)
        ]
        if not any(key.split("/")[0] in dataset.train for key in keys):
            continue  # the only one that is trained on
        name = "without-" + re.sub("[^A-Za-z0-9_-]", "-", left_out)
        variants[name] = f"dataset.captures={json.dumps([glob.escape(key) for key in keys])}"
    if not variants:
        raise ConfigError(f"{path}: leave_out: dataset '{dataset.name}' tests on no {what} that can be left out")
    return variants
