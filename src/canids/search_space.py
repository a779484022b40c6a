"""What a search tries: named settings with ranges, what is to become best of it, and the trials it is made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from canids import artifacts
from canids.errors import CanidsError, ConfigError
from canids.schema import setting

SEARCHED = ("models.", "fusion.")
STRUCTURE = ("models.gat.sampling",)  # it says which jobs a trial has, and these are known before a trial is
# Of what a training measured on the validation windows that select; nothing here has seen a test window.
DIRECTIONS = {"val_auroc": "maximize", "val_loss": "minimize", "select_reward": "maximize"}
METRICS = {"vgae": ("val_auroc", "val_loss"), "gat": ("val_auroc", "val_loss"), "fusion": ("select_reward",)}


@dataclass
class Range:
    low: float | None = setting(None, "least value")
    high: float | None = setting(None, "largest value")
    step: float | None = setting(None, "distance of two values; none: any between")
    log: bool = setting(False, "search the logarithm")
    choices: list[Any] = setting(list, "instead of a range, the values themselves")


@dataclass
class Objective:
    model: str = setting("gat", "whose training is judged", choices=tuple(METRICS))
    scale: str = setting("student", "of which scale", choices=("teacher", "student"))
    metric: str = setting("val_auroc", "of its metrics.json, mean over the seeds", choices=tuple(DIRECTIONS))


@dataclass
class Search:
    settings: dict[str, Range] = setting(dict, "setting: its range")
    objective: Objective = field(default_factory=Objective)
    trials: int = setting(20, "trials in all; more may be asked for later", 1, 100_000)
    at_once: int = setting(4, "trials of a round, which know of the rounds before and run side by side", 1, 10_000)
    seed: int = setting(1, "of the sampler", 0, 2**31)


def check_search(search: DictConfig, path: Path, load: Callable[[Sequence[str]], DictConfig]) -> None:
    """Refuse a search that cannot be made.

    Args:
        search: the section ``search`` of an experiment's file. load: the configuration with further settings.

    Raises:
        ConfigError: it names the file, the key and what is allowed.
    """
    objective = search.objective
    if objective.metric not in METRICS[objective.model]:
        allowed = ", ".join(METRICS[objective.model])
        raise ConfigError(f"{path}: search.objective.metric: given {objective.metric}, allowed: {allowed}")
    if search.trials % search.at_once:
        raise ConfigError(f"{path}: search.trials: given {search.trials}, allowed: a multiple of {search.at_once}")
    for key, each in search.settings.items():
        try:
            _check_range(key, each, load)
        except CanidsError as error:
            raise ConfigError(f"{path}: search.settings: {error}") from None


def _check_range(key: str, given: DictConfig, load: Callable[[Sequence[str]], DictConfig]) -> None:
    if not key.startswith(SEARCHED) or key in STRUCTURE:
        raise ConfigError(f"{key}: no trial may set it, allowed: settings of models.* and fusion.*, not {STRUCTURE[0]}")
    ends = given.low is not None and given.high is not None
    if bool(given.choices) == ends or (given.choices and (given.step or given.log)):
        raise ConfigError(f"{key}: give low and high (and step, or log), or choices")
    if ends and not given.low < given.high:
        raise ConfigError(f"{key}: low: given {given.low:g}, allowed: less than high ({given.high:g})")
    if given.log and (given.step or given.low <= 0):
        raise ConfigError(f"{key}: log: allowed where low is above 0 and there is no step")
    now = OmegaConf.select(load([]), key)
    if ends and (isinstance(now, bool | str) or not isinstance(now, int | float)):
        raise ConfigError(f"{key}: low: it is no number now ({now}); give choices")
    whole = isinstance(now, int)
    for value in given.choices or (given.low, given.high):
        word = json.dumps(int(value) if whole and ends else value)
        if whole and ends and value != int(value):
            raise ConfigError(f"{key}: given {value:g}, allowed: whole numbers")
        load([f"{key}={word}"])


def plain_search(search: DictConfig, config: DictConfig) -> dict[str, Any]:
    """A search as plain values, each range with whether its setting is a whole number."""
    plain = OmegaConf.to_container(search)
    for key, each in plain["settings"].items():
        each["whole"] = isinstance(OmegaConf.select(config, key), int)
    return plain


def trial_name(number: int) -> str:
    return f"trial-{number:04}"


def trials_of_round(search: dict[str, Any], number: int) -> list[str]:
    """Names of the trials of a round."""
    first = number * search["at_once"]
    return [trial_name(first + each) for each in range(search["at_once"])]


def undecided(config: DictConfig, search: dict[str, Any], trial: str) -> dict[str, Any]:
    """A trial's configuration while its settings are not known: those that are searched differ from any other's."""
    waiting = OmegaConf.create(OmegaConf.to_container(config))
    for key in search["settings"]:
        OmegaConf.update(waiting, key, f"of {trial}")
    return OmegaConf.to_container(waiting)


def decided(config: DictConfig, trials: Path, trial: str) -> DictConfig:
    """A trial's configuration, its settings from the file of its round.

    Raises:
        FileNotFoundError: the round has not been asked for.
    """
    settled = OmegaConf.create(OmegaConf.to_container(config))
    for key, value in json.loads(trials.read_text())[trial].items():
        OmegaConf.update(settled, key, value)
    return settled


def trial_folders(dataset: str, experiment: str, search: dict[str, Any]) -> dict[str, tuple[int, str]]:
    """Folder beneath the results folder → (round, name) of each trial."""
    return {
        artifacts.EXPERIMENT_VARIANT.format(dataset=dataset, experiment=experiment, variant=name): (number, name)
        for number in range(search["trials"] // search["at_once"])
        for name in trials_of_round(search, number)
    }
