# What all rules share: the settings of a run, where its artifacts lie, and which of them a variant makes.
import re
import sys
from functools import cache
from pathlib import Path

from canids import artifacts
from canids.config import section
from canids.errors import CanidsError
from canids.evaluation.thresholds import POINTS_FILE
from canids.fusion.names import ALTERNATIVES_FILE, CALIBRATION_FILE, STATES_FILE
from canids.shipped import PRETRAINED
from canids.variants import ARTIFACTS, Variant, places
from canids.workflow import settings_of

# In every path {dataset} is a dataset, or a variant of it in an experiment: demo/experiments/ablation/no-curriculum.
# VARIANTS holds them by this name, the default ones first, and PLACES[variant][artifact] says in whose folder a variant
# has an artifact: its own, or that of an earlier variant that makes it alike. Rules look their inputs up with made_by,
# their settings with settings_for.
try:
    SETTINGS = settings_of(
        config, Path(workflow.basedir) / "config", workflow.is_main_process, sys.argv
    )
    VARIANTS = {name: Variant(name, each) for name, each in SETTINGS.variants.items()}
    PLACES = places(VARIANTS.values())
except CanidsError as error:
    print(f"canids: {error}", file=sys.stderr)
    sys.exit(2)

CONFIG, CODE, EXPERIMENT = SETTINGS.config, SETTINGS.code, SETTINGS.experiment
RESULTS, DATASET = CONFIG.results, CONFIG.dataset.name
SEEDS = list(CONFIG.seeds)


def artifact(pattern, **values):
    """An artifact's path with the results folder, and what else is given, filled in; other wildcards stay."""
    for name, value in {"results": RESULTS, **values}.items():
        pattern = pattern.replace(f"{{{name}}}", str(value))
    return pattern


FRAMES = artifact(artifacts.FRAMES)
FINGERPRINT = artifact(artifacts.FINGERPRINT)
INGEST_RECORD = artifact(artifacts.INGEST_RECORD)
SYNTHESISED = artifact(artifacts.SYNTHESISED)
SYNTHESIS_RECORD = SYNTHESISED.replace(".parquet", ".json")
FLEET_PART = artifact(artifacts.FLEET_PART)
FLEET_LOGS = f"{RESULTS}/fleet/{{fleet}}"
GRAPHS = artifact(artifacts.GRAPHS)
GRAPHS_SUMMARY = f"{GRAPHS}/graphs.json"
PROFILES = artifact(artifacts.PROFILES)
MODEL = artifact(artifacts.MODEL)
BATCH_SIZE = artifact(artifacts.BATCH_SIZE)
EVALUATION = artifact(artifacts.EVALUATION)
EVALUATION_ON = artifact(artifacts.EVALUATION_ON)
BASELINES = artifact(artifacts.BASELINES)
EXPLANATIONS = artifact(artifacts.EXPLANATIONS)
SUMMARY = artifact(artifacts.SUMMARY, dataset=DATASET)
COMPARISONS = artifact(artifacts.COMPARISONS, dataset=DATASET)
REPORT = artifact(artifacts.REPORT, dataset=DATASET)
EXPERIMENT_SUMMARY = artifact(artifacts.EXPERIMENT_SUMMARY)
LOGS = f"{RESULTS}/{{dataset}}/logs"
BENCHMARKS = f"{RESULTS}/{{dataset}}/benchmarks"
FITTING_STORES = [f"{GRAPHS}/train.safetensors", f"{GRAPHS}/val.safetensors"]
FUSION = MODEL.replace("{model}", "fusion")
STATES = f"{FUSION}/{STATES_FILE}"
CALIBRATION = f"{FUSION}/{CALIBRATION_FILE}"
ALTERNATIVES = f"{FUSION}/{ALTERNATIVES_FILE}"


PACKAGE_DATA = Path(workflow.basedir) / "src" / "canids" / PRETRAINED


def placed(variant, name, pattern):
    """The path at which a variant has an artifact."""
    return artifact(pattern, dataset=PLACES[variant][name])


def made_by(name, pattern):
    """Input: the path (paths, for a list) at which a job's variant has an artifact, whose name may hold wildcards."""

    def paths(wildcards):
        made = name.format(**wildcards)
        if isinstance(pattern, str):
            return placed(wildcards.dataset, made, pattern)
        return [placed(wildcards.dataset, made, each) for each in pattern]

    return paths


@cache
def known_params(name, variant):
    """The settings that an artifact's rule reads, of a variant that is no trial of a search."""
    return ARTIFACTS[name].params(VARIANTS[variant].config)


def settings_for(name):
    """Params: the settings that an artifact's rule reads, of the job's variant.

    A group of settings in which all variants agree is given as it is: snakemake calls a function for each job, and
    that takes long where a dataset has thousands of captures. (It would look for wildcards in a text or a list.)
    """

    def of_variant(key):
        def value(wildcards):
            if wildcards.dataset in TRIALS:
                return ARTIFACTS[name].params(settled(wildcards.dataset))[key]
            return known_params(name, wildcards.dataset)[key]

        return value

    def agreed(key):
        values = [known_params(name, variant)[key] for variant in VARIANTS]
        plain = not TRIALS and isinstance(values[0], dict | bool)
        return plain and all(each == values[0] for each in values)

    first = known_params(name, DATASET)
    return {key: first[key] if agreed(key) else of_variant(key) for key in first}


def any_of(names):
    """A wildcard's constraint: one of some names."""
    return "|".join(re.escape(name) for name in names)
