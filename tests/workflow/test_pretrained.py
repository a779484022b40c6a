"""The models that ship with canids: trained on simulated vehicles alone, and scoring any dataset."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from safetensors import safe_open
from snakemake_runs import REPOSITORY

from canids.artifacts import read_json
from canids.shipped import FILES, RECORD

FLEET = "fleet.vehicles=6 fleet.captures=2 fleet.shortest_drive=5 fleet.longest_drive=6"


@pytest.fixture(scope="module")
def shipping(demo, tmp_path_factory):
    """A copy of the repository in which the target ``pretrained`` was made, on a tiny fleet, in a copy of the demo."""
    source, folder = tmp_path_factory.mktemp("repository"), tmp_path_factory.mktemp("pretrained") / "demo"
    for name in ("config", "workflow", "profiles", "src/canids"):
        shutil.copytree(REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "pretrained"))
    shutil.copy2(REPOSITORY / "Snakefile", source)
    shutil.copytree(demo.folder, folder, copy_function=shutil.copy2)
    workflow = replace(demo, folder=folder, source=source)
    done = workflow.snakemake("pretrained", settings=FLEET)
    assert done.returncode == 0, done.stdout + done.stderr
    return workflow


def test_the_package_holds_a_cascade_of_at_most_a_mebibyte_without_a_pickle(shipping):
    package = shipping.source / "src" / "canids" / "pretrained"
    made = sorted(str(path.relative_to(package)) for path in package.rglob("*") if path.is_file())
    assert made == sorted([*FILES.values(), RECORD])
    assert sum((package / name).stat().st_size for name in made) <= 2**20
    for name in made:
        if name.endswith(".safetensors"):
            with safe_open(package / name, framework="np") as file:
                assert file.keys()
    record = read_json(package / RECORD)
    assert (record["training_data"], record["fleet"]["vehicles"]) == ("fleet", 6)


def test_it_was_trained_on_the_fleet_alone(shipping):
    captures = read_json(shipping.results("pretrained", "graphs", "graphs.json"))["captures"]
    learned = [key for key, capture in captures.items() if "test" not in capture["windows_by_role"]]
    assert learned and all("fleet-" in key for key in learned)


def test_by_hand_it_scores_the_test_captures_of_any_dataset(shipping):
    command = [sys.executable, "-m", "canids", "evaluate", "--model", "pretrained", *shipping.settings.split()]
    command += ["--config-folder", str(shipping.source / "config")]
    environment = {**os.environ, "PYTHONPATH": str(shipping.source / "src")}
    done = subprocess.run(command, cwd=shipping.folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    metrics = read_json(shipping.results("demo", "evaluation-pretrained", "metrics.json"))
    assert (metrics["trained_on"], metrics["tested_on"]) == ("pretrained", "demo")
    own = read_json(shipping.results("demo", "seed-1", "evaluation-student", "metrics.json"))
    assert [(r["capture"], r["windows"]) for r in metrics["table"]] == [
        (r["capture"], r["windows"]) for r in own["table"]
    ]


def test_nothing_of_the_datasets_own_becomes_stale(shipping):
    assert shipping.needed() == {}


def canids(folder, *words):
    command = [sys.executable, "-m", "canids", *words, "--config-folder", str(REPOSITORY / "config")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def scored(demo, tmp_path_factory):
    """A copy of the demo whose test windows the models in the repository have scored; its vehicles are new to them."""
    folder = tmp_path_factory.mktemp("scored") / "demo"
    shutil.copytree(demo.folder, folder, copy_function=shutil.copy2)
    canids(folder, "evaluate", "--model", "pretrained", *demo.settings.split())
    return folder


def test_what_ships_finds_the_attacks_of_vehicles_it_has_not_seen(scored):
    table = read_json(scored / "results" / "demo" / "evaluation-pretrained" / "metrics.json")["table"]
    f1 = {row["scenario"]: row["f1"] for row in table if (row["capture"], row["detector"]) == ("all", "fusion")}
    assert min(value for name, value in f1.items() if name < "test_05") > 0.9, f1


def test_the_table_of_what_ships_is_printed(scored, demo):
    printed = canids(scored, "table", "--model", "pretrained", "--format", "md", *demo.settings.split())
    assert "test_04" in printed
