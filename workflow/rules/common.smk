import inspect
import re
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

from snakemake.exceptions import WorkflowError

from canids import artifacts
from canids.config import section
from canids.sampling_strategies import needs_vgae
from canids.errors import CanidsError
from canids.evaluation.thresholds import POINTS_FILE
from canids.frames.frames import ATTACK_FREE
from canids.fusion.names import ALTERNATIVES_FILE, CALIBRATION_FILE, STATES_FILE
from canids.shipped import FILES, PARTS, PRETRAINED, RECORD, SCALE
from canids.simulate.fleet import fleet_parts, fleet_tables
from canids.variants import (
    ARTIFACTS,
    SCALES,
    Variant,
    batch_settings,
    fleet_of,
    fleet_settings,
    places,
    synthesises,
    trains_on_fleet,
)
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


def read_here(folder):
    """The captures whose frame tables lie in a variant's folder: its own, and those of variants that read them alike."""
    variants = [v for name, v in VARIANTS.items() if PLACES[name]["frames"] == folder]
    return {key: c for v in variants for key, c in v.captures.items()}


CAPTURES = {folder: read_here(folder) for folder in VARIANTS}
FLEETS = {fleet_of(v.config): v.config for v in VARIANTS.values()}
SIMULATED = next((v for v in VARIANTS.values() if v.config.dataset.simulated), None)


def for_each_capture(function):
    """Marks a function that snakemake calls for each capture: it asks for its parameters each time, which are kept here."""
    function.__signature__ = inspect.signature(function)
    return function


def capture_of(wildcards):
    key = f"{wildcards.scenario}/{wildcards.capture}"
    if key not in CAPTURES[wildcards.dataset]:
        raise WorkflowError(f"{key}: {wildcards.dataset} has no such capture")
    return CAPTURES[wildcards.dataset][key]


@cache
def files_of_labels(variant):
    """The files that label a variant's captures from beside them: of attack spans, and of attack intervals."""
    dataset = VARIANTS[variant].config.dataset
    given = {
        "attack_spans": dataset.attack_spans,
        "attack_intervals": dataset.reading.attack_intervals,
    }
    return {name: [path] if path else [] for name, path in given.items()}


@for_each_capture
def log_files(wildcards):
    """Input: a capture's log file, and the files that label it."""
    return {
        "source": capture_of(wildcards).source,
        **files_of_labels(wildcards.dataset),
    }


def ingest_record(variant, capture):
    """A capture's ingest record: what the stages that read its frame table depend on.

    A frame table that was deleted is made again (`all` asks for it), and the same log file always gives the same one:
    then the record counts as ancient, and nothing is trained again.
    """
    where = {"scenario": capture.scenario, "capture": capture.name}
    record = Path(artifact(placed(variant, "frames", INGEST_RECORD), **where))
    if not record.exists():
        return str(record)
    tables = [
        Path(artifact(placed(variant, "frames", pattern), **where))
        for pattern in (FRAMES, FINGERPRINT)
    ]
    deleted = not all(table.exists() for table in tables)
    if deleted and capture.source.exists():
        deleted = capture.source.stat().st_mtime <= record.stat().st_mtime
    return ancient(str(record)) if deleted else str(record)


@for_each_capture
def record_of_capture(wildcards):
    """Input: the ingest record of a job's capture."""
    return ingest_record(wildcards.dataset, capture_of(wildcards))


def ingest_records(variant):
    return [ingest_record(variant, c) for c in VARIANTS[variant].captures.values()]


def sampling_guide(wildcards):
    """The teacher VGAE, where the GAT's sampling strategy asks it."""
    if needs_vgae(VARIANTS[wildcards.dataset].config.models.gat.sampling):
        return made_by("vgae-teacher", [state_dict("vgae", "teacher")])(wildcards)
    return []


def test_stores(scenarios):
    return [f"{GRAPHS}/{scenario}.safetensors" for scenario in scenarios]


def graph_rules():
    """(rule's name, variants, test scenarios): a rule for each set of graph stores that the variants make."""
    alike = {}
    for variant in VARIANTS.values():
        if PLACES[variant.folder]["graphs"] == variant.folder:
            alike.setdefault(variant.test_scenarios, []).append(variant.folder)
    return [
        (f"graphs_{number}" if number else "graphs", variants, scenarios)
        for number, (scenarios, variants) in enumerate(alike.items())
    ]


def tested_stores(variant):
    """The test stores of a variant."""
    scenarios = VARIANTS[variant].test_scenarios
    return [placed(variant, "graphs", each) for each in test_stores(scenarios)]


def all_stores(wildcards):
    """The fitting and the test stores of a job's variant."""
    return made_by("graphs", FITTING_STORES)(wildcards) + tested_stores(
        wildcards.dataset
    )


def any_of(names):
    """A wildcard's constraint: one of some names."""
    return "|".join(re.escape(name) for name in names)


def model_files(model, scale="{scale}"):
    """The files of a trained model's folder."""
    folder = MODEL.replace("{model}", model).replace("{scale}", scale)
    return {
        "model": f"{folder}/model.safetensors",
        "config": f"{folder}/config.yaml",
        "metrics": f"{folder}/metrics.json",
        "history": f"{folder}/history.csv",
    }


def state_dict(model, scale="{scale}"):
    """A trained model's state dict; its configuration lies beside it."""
    return model_files(model, scale)["model"]


def batch_size(model, scale):
    """Input: what a training's batches were measured to hold, where the settings do not say it."""

    def path(wildcards):
        if VARIANTS[wildcards.dataset].config.models[model].node_budget != "auto":
            return []
        measured = artifact(BATCH_SIZE, model=model, scale=scale)
        return made_by(f"{model}-{scale}", [measured])(wildcards)

    return path


def guides(wildcards):
    """The models that a training learns from."""
    if wildcards.scale == "student":
        teacher = state_dict(wildcards.model, "teacher")
        return made_by("{model}-teacher", [teacher])(wildcards)
    return sampling_guide(wildcards) if wildcards.model == "gat" else []


def measured_settings(key):
    """Params: the settings of the training that is measured."""
    return lambda wildcards: batch_settings(
        settled(wildcards.dataset), wildcards.model, wildcards.scale
    )[key]


def devices(wildcards):
    """Processes that train a model together."""
    return VARIANTS[wildcards.dataset].config.trainer.devices


def per_capture(pattern, variant):
    """The paths of something that is made with the frame tables, for each capture."""
    return [
        artifact(
            placed(variant, "frames", pattern), scenario=c.scenario, capture=c.name
        )
        for c in VARIANTS[variant].captures.values()
    ]


def fingerprints_of(variant):
    """Capture → where its fingerprint lies."""
    return dict(
        zip(VARIANTS[variant].captures, per_capture(FINGERPRINT, variant), strict=True)
    )


def per_seed_and_scale(pattern):
    return [
        artifact(pattern, dataset=DATASET, seed=seed, scale=scale)
        for seed in SEEDS
        for scale in SCALES
    ]


def frames_of_all_captures():
    return per_capture(FRAMES, DATASET) + per_capture(FINGERPRINT, DATASET)


@cache
def synthesised_captures(variant):
    """Attacked copies of the attack-free training captures, if they are to be trained on."""
    config, captures = VARIANTS[variant].config, VARIANTS[variant].captures
    if not synthesises(config):
        return []
    scenarios, copies = set(config.dataset.train), config.synthesis.copies
    return [
        artifact(
            placed(variant, "synthesised", SYNTHESISED),
            scenario=c.scenario,
            capture=c.name,
            number=number,
        )
        for c in captures.values()
        if c.scenario in scenarios and c.attack_type == ATTACK_FREE
        for number in range(copies)
    ]


def synthesis_rules():
    """(rule's name, numbers of the copies that its jobs make): one rule, unless variants want different numbers of them."""
    wanted = {v.config.synthesis.copies for v in VARIANTS.values()}
    return [
        (f"synthesise_{rule}" if rule else "synthesise", range(first, end))
        for rule, (first, end) in enumerate(pairwise(sorted({0, *wanted})))
    ]


def fleet_parts_used(variant):
    """The folders of the simulated fleet, if it is trained on."""
    config = VARIANTS[variant].config
    if not trains_on_fleet(config):
        return []
    return [
        artifact(FLEET_PART, fleet=fleet_of(config), part=part)
        for part in fleet_parts(config.fleet)
    ]


def fleet_tables_used(variant):
    """The frame tables of the simulated fleet, if it is trained on."""
    return [
        f"{folder}/{name}"
        for part, folder in enumerate(fleet_parts_used(variant))
        for name in fleet_tables(VARIANTS[variant].config.fleet, part)
    ]


def simulated_with(key):
    """Params: the settings that a fleet is simulated with."""
    return lambda wildcards: fleet_settings(FLEETS[wildcards.fleet])[key]


def trained_models():
    return [
        path
        for model in ("vgae", "gat", "fusion")
        for path in per_seed_and_scale(state_dict(model))
    ]


def evaluations():
    return per_seed_and_scale(f"{EVALUATION}/metrics.json")


def evaluations_on_others():
    return [
        path.replace("{other}", other)
        for other in CONFIG.evaluate_on
        for path in per_seed_and_scale(f"{EVALUATION_ON}/metrics.json")
    ]


def trained_parts():
    """Part → the files of the cascade that ships, where the variant that is trained for it has them."""
    files = {part: [] for part in PARTS}
    for part, name in FILES:
        pattern = EVALUATION if part == "evaluation" else MODEL
        made = "states" if name == CALIBRATION_FILE else part
        folder = placed(PRETRAINED, f"{made}-{SCALE}", pattern)
        where = {"model": part, "scale": SCALE, "seed": SEEDS[0]}
        files[part].append(artifact(f"{folder}/{name}", **where))
    return files


def of_tested(find):
    """Input: of the variant that holds the test stores of a job's other dataset, what a function finds of it."""
    return lambda wildcards: find(SETTINGS.tested[wildcards.other])


def baselines():
    return [
        artifact(f"{BASELINES}/metrics.json", dataset=DATASET, seed=seed)
        for seed in SEEDS
    ]


def explanations():
    """Those of the students' alarms: what runs in a vehicle."""
    return [
        artifact(
            f"{EXPLANATIONS}/explanations.json",
            dataset=DATASET,
            seed=seed,
            scale="student",
        )
        for seed in SEEDS
    ]


def experiment_runs(dataset, experiment):
    """(variant, its configuration, metrics of one of its evaluations) on a dataset."""
    folder = artifacts.EXPERIMENT_VARIANT.format(
        dataset=dataset, experiment=experiment, variant=""
    )
    return [
        (
            name.removeprefix(folder),
            variant.config,
            artifact(
                placed(name, f"evaluation-{scale}", f"{EVALUATION}/metrics.json"),
                seed=seed,
                scale=scale,
            ),
        )
        for name, variant in VARIANTS.items()
        if name.startswith(folder)
        for seed in EXPERIMENT["seeds"]
        for scale in EXPERIMENT["scales"]
    ]


def experiment_summaries():
    if not EXPERIMENT or searched():
        return []
    return [
        artifact(EXPERIMENT_SUMMARY, dataset=dataset, experiment=EXPERIMENT["name"])
        for dataset in EXPERIMENT["datasets"]
    ]
