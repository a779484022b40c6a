import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from canids import artifacts
from canids.catalogue import captures_of
from canids.config import needs_vgae, section
from canids.errors import CanidsError
from canids.frames.frames import ATTACK_FREE
from canids.fusion.names import ALTERNATIVES_FILE
from canids.workflow import settings_of

try:
    SETTINGS = settings_of(
        config, Path(workflow.basedir) / "config", workflow.is_main_process
    )
    CAPTURES = {capture.key: capture for capture in captures_of(SETTINGS.config)}
except CanidsError as error:
    print(f"canids: {error}", file=sys.stderr)
    sys.exit(2)

CONFIG, CODE = SETTINGS.config, SETTINGS.code
RESULTS, DATASET = CONFIG.results, CONFIG.dataset.name
SEEDS, SCALES = list(CONFIG.seeds), ["teacher", "student"]
TEST_SCENARIOS = [
    s for s in CONFIG.dataset.test if any(c.scenario == s for c in CAPTURES.values())
]


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
GRAPHS = artifact(artifacts.GRAPHS)
PROFILES = artifact(artifacts.PROFILES)
MODEL = artifact(artifacts.MODEL)
BATCH_SIZE = artifact(artifacts.BATCH_SIZE)
EVALUATION = artifact(artifacts.EVALUATION)
BASELINES = artifact(artifacts.BASELINES)
EXPLANATIONS = artifact(artifacts.EXPLANATIONS)
SUMMARY = artifact(artifacts.SUMMARY, dataset=DATASET)
COMPARISONS = artifact(artifacts.COMPARISONS, dataset=DATASET)
REPORT = artifact(artifacts.REPORT, dataset=DATASET)
LOGS = f"{RESULTS}/{{dataset}}/logs"
BENCHMARKS = f"{RESULTS}/{{dataset}}/benchmarks"
FITTING_STORES = [f"{GRAPHS}/train.safetensors", f"{GRAPHS}/val.safetensors"]
STORES = [*FITTING_STORES, *(f"{GRAPHS}/{s}.safetensors" for s in TEST_SCENARIOS)]
FUSION = MODEL.replace("{model}", "fusion")
STATES = f"{FUSION}/states.safetensors"


def capture_of(wildcards):
    key = f"{wildcards.scenario}/{wildcards.capture}"
    if key not in CAPTURES:
        raise WorkflowError(f"{key}: the dataset {DATASET} has no such capture")
    return CAPTURES[key]


def source_of(wildcards):
    return capture_of(wildcards).source


def ingest_record(capture):
    """A capture's ingest record: what the stages that read its frame table depend on.

    A frame table that was deleted is made again (`all` asks for it), and the same log file always gives the same one:
    then the record counts as ancient, and nothing is trained again.
    """
    where = {"dataset": DATASET, "scenario": capture.scenario, "capture": capture.name}
    record = Path(artifact(INGEST_RECORD, **where))
    tables = [Path(artifact(pattern, **where)) for pattern in (FRAMES, FINGERPRINT)]
    deleted = record.exists() and not all(table.exists() for table in tables)
    if deleted and capture.source.exists():
        deleted = capture.source.stat().st_mtime <= record.stat().st_mtime
    return ancient(str(record)) if deleted else str(record)


def ingest_records():
    return [ingest_record(capture) for capture in CAPTURES.values()]


def attack_spans():
    return [CONFIG.dataset.attack_spans] if CONFIG.dataset.attack_spans else []


def attack_intervals():
    intervals = CONFIG.dataset.reading.attack_intervals
    return [intervals] if intervals else []


def sampling_guide():
    """The teacher VGAE, where the GAT's sampling strategy asks it."""
    if needs_vgae(CONFIG.models.gat.sampling):
        return [state_dict("vgae", "teacher")]
    return []


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


def training_settings(model, *unused):
    """The settings of a model, less those parts that its training does not read."""
    settings = section(CONFIG, f"models.{model}")[f"models.{model}"]
    return {name: value for name, value in settings.items() if name not in unused}


def sampling_settings():
    """The teacher GAT's settings: of the sampling strategies', those of the chosen one alone."""
    strategies = ("focal", "undersampling", "curriculum")
    chosen = CONFIG.models.gat.sampling
    others = [name for name in strategies if not chosen.startswith(name)]
    return training_settings("gat", "student", "distillation", *others)


def batch_size(model, scale):
    """What a training's batches were measured to hold, where the settings do not say it."""
    if CONFIG.models[model].node_budget == "auto":
        return [artifact(BATCH_SIZE, model=model, scale=scale)]
    return []


def guides(wildcards):
    """The models that a training learns from."""
    if wildcards.scale == "student":
        return [state_dict(wildcards.model, "teacher")]
    return sampling_guide() if wildcards.model == "gat" else []


def measured_settings(wildcards):
    """The settings of the training that is measured."""
    other = "teacher" if wildcards.scale == "student" else "student"
    return training_settings(wildcards.model, other)


def training_memory(model):
    """MB that a training may take."""
    measured = CONFIG.models[model].node_budget == "auto"
    return max(4000, CONFIG.batch_size.memory_limit) if measured else 4000


def per_capture(pattern):
    return [
        artifact(pattern, dataset=DATASET, scenario=c.scenario, capture=c.name)
        for c in CAPTURES.values()
    ]


def per_seed_and_scale(pattern):
    return [
        artifact(pattern, dataset=DATASET, seed=seed, scale=scale)
        for seed in SEEDS
        for scale in SCALES
    ]


def frames_of_all_captures():
    return per_capture(FRAMES) + per_capture(FINGERPRINT)


def synthesised_captures():
    """Attacked copies of the attack-free training captures, if they are to be trained on."""
    if CONFIG.training_data == "labelled":
        return []
    return [
        artifact(
            SYNTHESISED,
            dataset=DATASET,
            scenario=c.scenario,
            capture=c.name,
            number=number,
        )
        for c in CAPTURES.values()
        if c.scenario in CONFIG.dataset.train and c.attack_type == ATTACK_FREE
        for number in range(CONFIG.synthesis.copies)
    ]


def trained_models():
    return [
        path
        for model in ("vgae", "gat", "fusion")
        for path in per_seed_and_scale(state_dict(model))
    ]


def evaluations():
    return per_seed_and_scale(f"{EVALUATION}/metrics.json")


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
