import os
import re
import sys
from pathlib import Path

from canids import artifacts
from canids.catalogue import captures_of
from canids.config import section
from canids.errors import CanidsError
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
DATASET, SEEDS, SCALES = CONFIG.dataset.name, list(CONFIG.seeds), ["teacher", "student"]
SCENARIOS = sorted({re.escape(capture.scenario) for capture in CAPTURES.values()})
CAPTURE_NAMES = sorted({re.escape(capture.name) for capture in CAPTURES.values()})
TEST_SCENARIOS = [
    s for s in CONFIG.dataset.test if any(c.scenario == s for c in CAPTURES.values())
]


def artifact(pattern, **values):
    """An artifact's path with the results folder, and whatever else is given, filled in; other wildcards stay."""
    for name, value in {"results": CONFIG.results, **values}.items():
        pattern = pattern.replace("{" + name + "}", str(value))
    return pattern


FRAMES, INGEST_RECORD = artifact(artifacts.FRAMES), artifact(artifacts.INGEST_RECORD)
GRAPHS, PROFILES = artifact(artifacts.GRAPHS), artifact(artifacts.PROFILES)
MODEL, EVALUATION = artifact(artifacts.MODEL), artifact(artifacts.EVALUATION)
REPORT = artifact(artifacts.REPORT, dataset=DATASET)
LOGS = f"{CONFIG.results}/{{dataset}}/logs"
BENCHMARKS = f"{CONFIG.results}/{{dataset}}/benchmarks"
STORES = [f"{GRAPHS}/{part}.safetensors" for part in ("train", "val", *TEST_SCENARIOS)]
FITTING_STORES = STORES[:2]


def model_files(model, scale="{scale}"):
    """The files of a trained model's folder."""
    folder = MODEL.replace("{model}", model).replace("{scale}", scale)
    return {
        name.partition(".")[0]: f"{folder}/{name}"
        for name in ("model.safetensors", "config.yaml", "metrics.json", "history.csv")
    }


def state_dict(model, scale="{scale}"):
    """A trained model's state dict; its configuration lies beside it."""
    return model_files(model, scale)["model"]


def training_settings(model, *unused):
    """The settings that a training rule reads: those of its model, less the parts that other rules read."""
    settings = section(CONFIG, f"models.{model}")[f"models.{model}"]
    return {name: value for name, value in settings.items() if name not in unused}


def per_capture(pattern):
    return [
        artifact(pattern, dataset=DATASET, scenario=c.scenario, capture=c.name)
        for c in CAPTURES.values()
    ]


def frames_of_all_captures():
    return per_capture(FRAMES)


def per_model(name):
    """A file of every trained model's folder."""
    return [
        artifact(
            f"{MODEL}/{name}", dataset=DATASET, seed=seed, model=model, scale=scale
        )
        for seed in SEEDS
        for model in ("vgae", "gat", "fusion")
        for scale in SCALES
    ]


def trained_models():
    return per_model("model.safetensors")


def evaluations():
    return [
        artifact(f"{EVALUATION}/metrics.json", dataset=DATASET, seed=seed, scale=scale)
        for seed in SEEDS
        for scale in SCALES
    ]
