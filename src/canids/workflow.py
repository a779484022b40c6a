"""What the Snakefile and its scripts need: settings resolved once, and jobs that end in one clear message."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shlex
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from canids import artifacts
from canids.artifacts import write_json
from canids.config import load_config
from canids.errors import CanidsError, ConfigError
from canids.experiments import load_experiment, variants_of
from canids.gpus import gpus_present, own_gpus
from canids.job_record import write_record
from canids.other_datasets import asked_for, other_datasets, overrides_of_run
from canids.progress import log_to_console
from canids.provenance import code_digests
from canids.search_space import plain_search, trial_folders, undecided
from canids.shipped import PRETRAINED
from canids.variants import Variant, places

SETTINGS_VARIABLE = "CANIDS_SETTINGS"
OVERRIDES_VARIABLE = "CANIDS_OVERRIDES"
FINISHED = "finished"  # the last line of a stage's log, unless it failed or was killed
# What the shipped cascade is trained on; the vehicles that it is evaluated on are simulated too.
FLEET_ALONE = ("dataset=demo", "training_data=fleet")
ABLATION = "ablation"  # an experiment that is a target by its name
STAGES = {
    "simulate": "canids.simulate.demo",
    "ingest": "canids.frames.ingest",
    "synthesise": "canids.simulate.synthesis",
    "simulate_fleet": "canids.simulate.fleet",
    "graphs": "canids.graphs.build",
    "batch_size": "canids.training.size_batches",
    "train_vgae": "canids.training.modes.autoencoder",
    "train_gat": "canids.training.modes.curriculum",
    "distill_vgae": "canids.training.modes.distillation",
    "distill_gat": "canids.training.modes.distillation",
    "fusion_states": "canids.training.modes.fusion",
    "train_fusion": "canids.training.modes.fusion",
    "evaluate": "canids.evaluation.evaluate",
    "evaluate_on": "canids.evaluation.transfer",
    "pretrained": "canids.evaluation.pretrained",
    "baselines": "canids.evaluation.baselines.run",
    "explain": "canids.evaluation.explain",
    "summary": "canids.evaluation.summary",
    "report": "canids.report.write",
    "experiment": "canids.evaluation.experiment_summary",
    "search": "canids.search",
}


@dataclass(frozen=True)
class Settings:
    """The resolved configuration, what was overridden, the digest of each stage's code, and what is to be swept.

    Attributes:
        variants: folder beneath the results folder → configuration: of the configured dataset, of those that its models
            are evaluated on, of each other dataset of the experiment, then of its variants.
        experiment: the experiment with its ``name``; empty where there is none.
        tested: dataset that is evaluated on → the variant that holds its test stores.
    """

    config: DictConfig
    overrides: list[str]
    code: dict[str, str]
    variants: dict[str, DictConfig]
    experiment: dict[str, Any]
    tested: dict[str, str]


def settings_of(given: dict[str, Any], config_folder: Path, starts: bool, targets: Sequence[str] = ()) -> Settings:
    """The settings of a workflow run.

    They are resolved when the workflow starts and handed to its jobs through a file that an environment variable names:
    whatever is edited later waits for the next start.

    Args:
        given: what ``--config`` gave: top-level settings, and ``set="key.path=value …"``.
        config_folder: holds ``config.yaml``, ``datasets/`` and ``models/``.
        starts: whether this is the process that starts the workflow, and not one of its jobs.
        targets: what the workflow is asked for, as far as that is known; ``ablation`` names its experiment, and the
            path of an evaluation on another dataset that dataset; for ``pretrained`` there is a variant of that name.

    Raises:
        ConfigError: a setting is unknown, mistyped or out of range.
    """
    if not starts and SETTINGS_VARIABLE in os.environ:
        return _thawed(json.loads(Path(os.environ[SETTINGS_VARIABLE]).read_text()))
    handed_over = os.environ.get(OVERRIDES_VARIABLE)
    overrides = json.loads(handed_over) if handed_over else overrides_of(given)
    config = load_config(config_folder, overrides)
    name = experiment_name(config, config_folder, targets)
    experiment, variants = _swept(config, config_folder, name, overrides) if name else ({}, {})
    _check_target(experiment, targets)
    if PRETRAINED in targets:
        variants[PRETRAINED] = load_config(config_folder, [*overrides_of_run(overrides), *FLEET_ALONE])
    others = other_datasets(config_folder, config, overrides, [*config.evaluate_on, *asked_for(targets)])
    frozen = {
        "config": OmegaConf.to_container(config),
        "overrides": overrides,
        "code": code_digests(STAGES),
        "variants": {folder: OmegaConf.to_container(each) for folder, each in {**others.variants, **variants}.items()},
        "experiment": experiment,
        "tested": others.folders,
    }
    digest = hashlib.sha256(json.dumps(frozen, sort_keys=True).encode()).hexdigest()[:16]
    path = Path(f".snakemake/canids/settings-{digest}.json").absolute()
    write_json(path, frozen)
    os.environ[SETTINGS_VARIABLE] = str(path)
    return _thawed(frozen)


def _thawed(frozen: dict[str, Any]) -> Settings:
    config = OmegaConf.create(frozen["config"])
    variants = {folder: OmegaConf.create(each) for folder, each in frozen["variants"].items()}
    variants = {config.dataset.name: config, **variants}
    return Settings(config, frozen["overrides"], frozen["code"], variants, frozen["experiment"], frozen["tested"])


def experiment_name(config: DictConfig, config_folder: Path, targets: Sequence[str]) -> str | None:
    """The experiment to sweep: the configured one, or the one that a target is named after.

    Raises:
        ConfigError: a sweep is asked for and no experiment is named, or two are.
    """
    named = config.experiment
    if ABLATION in targets and named not in (None, ABLATION):
        raise ConfigError(f"experiment: given '{named}', and the target {ABLATION} is another; ask for sweep")
    asked = next((target for target in ("sweep", "search") if target in targets), None)
    if asked and named is None:
        known = ", ".join(sorted(each.stem for each in (config_folder / "experiments").glob("*.yaml")))
        raise ConfigError(f"experiment: none given, allowed: --config experiment=<name>; known: {known}")
    return ABLATION if ABLATION in targets else named


def _check_target(experiment: dict[str, Any], targets: Sequence[str]) -> None:
    """Refuse to sweep an experiment that searches, and to search with one that does not."""
    kind = "search" if experiment.get("search") else "sweep"
    other = {"search": "sweep", "sweep": "search"}[kind]
    if experiment and other in targets:
        raise ConfigError(f"experiment: given '{experiment['name']}', which is made by the target {kind}, not {other}")


def _swept(
    config: DictConfig, config_folder: Path, name: str, overrides: list[str]
) -> tuple[dict[str, Any], dict[str, DictConfig]]:
    """An experiment as plain values, and folder → configuration of its datasets and variants (trials, of a search)."""
    experiment = load_experiment(config_folder, name)
    datasets = list(experiment.datasets) or [config.dataset.name]
    defaults = {each: load_config(config_folder, [*overrides, f"dataset={each}"]) for each in datasets}
    variants = {
        artifacts.EXPERIMENT_VARIANT.format(dataset=dataset, experiment=name, variant=variant): each
        for dataset in datasets
        for variant, each in variants_of(config_folder, name, experiment, dataset, overrides).items()
    }
    search = plain_search(experiment.search, config) if experiment.search.settings else None
    if search:
        for dataset in datasets:
            _check_effect(defaults[dataset], search, name)
        variants = {
            folder: OmegaConf.create(undecided(defaults[dataset], search, trial))
            for dataset in datasets
            for folder, (_, trial) in trial_folders(dataset, name, search).items()
        }
    plain = {
        "name": name,
        "datasets": datasets,
        "seeds": list(experiment.seeds) or list(config.seeds),
        "scales": list(experiment.scales),
        "search": search,
    }
    return plain, {**defaults, **variants}


def _check_effect(config: DictConfig, search: dict[str, Any], name: str) -> None:
    """Refuse to search a setting on which what is judged does not depend: its trials would be one and the same."""
    judged = "{model}-{scale}".format(**search["objective"])
    for key in search["settings"]:
        changed = undecided(config, {"settings": [key]}, "any trial")
        both = [Variant("default", config), Variant("trial", OmegaConf.create(changed))]
        if places(both)["trial"][judged] == "default":
            raise ConfigError(f"experiment '{name}': search.settings: {key}: {judged} does not depend on it")


def frozen_overrides() -> list[str]:
    """What was overridden when the workflow started that this process belongs to."""
    return json.loads(Path(os.environ[SETTINGS_VARIABLE]).read_text())["overrides"]


def overrides_of(given: dict[str, Any]) -> list[str]:
    """``--config`` as a dot-list.

    Raises:
        ConfigError: ``set`` is no text, or a quote in it does not close.
    """
    more = given.get("set", "")
    if not isinstance(more, str):
        raise ConfigError(f'set: given {more!r}, allowed: text such as set="models.gat.lr=1e-3 fusion.gamma=0.9"')
    try:
        words = shlex.split(more)
    except ValueError as error:
        raise ConfigError(f"set: given {more!r}, allowed: key=value words ({error})") from None
    return [f"{key}={value}" for key, value in given.items() if key != "set"] + words


@contextlib.contextmanager
def stage(job: Any) -> Iterator[None]:
    """Run a rule's script: log to the rule's log file and to stderr; an error of the input ends in its one message.

    A job that made its outputs leaves a record of itself beside them (``job_record``).

    Args:
        job: the ``snakemake`` object that a script is given.
    """
    log_to_console()
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(job.threads)
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")  # of Lightning, about torch's own pytrees
    logger = logging.getLogger("canids")
    handler = logging.FileHandler(job.log[0], mode="w")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    started = time.time()
    try:
        with own_gpus(job.resources.get("gpu", 0), gpus_present()):
            yield
        write_record(job, started)
        logger.info(FINISHED)
    except CanidsError as error:
        logger.error("%s", error)
        sys.exit(1)
    except Exception:
        logger.exception("the stage failed; this is a defect of canids")
        sys.exit(1)


def rule_graph(snakefile: Path, overrides: list[str]) -> str:
    """The workflow's rules and what depends on what, in graphviz's dot."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), "--rulegraph", "dot", "--quiet"]
    environment = {name: value for name, value in os.environ.items() if name != SETTINGS_VARIABLE}
    # Not as words of the command: snakemake would parse them once more, and lists and blanks would not survive it.
    environment[OVERRIDES_VARIABLE] = json.dumps(overrides)
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise CanidsError(f"{snakefile}: the rule graph cannot be drawn: {done.stderr.strip()[-500:]}")
    return done.stdout
