"""A search of settings: its rounds and trials as jobs, killed and gone on with."""

import csv
import os
import re
import shutil
import signal
import subprocess

import pytest
import yaml
from snakemake_runs import Workflow
from test_faults import scripts_of, wait_for

SEARCH = ("demo", "experiments", "tuning-demo")
JOBS = {"ask_trials": 2, "train_fusion": 4, "best_trial": 1}


def needed(workflow):
    return workflow.needed("search", settings="experiment=tuning-demo")


def rows(workflow):
    return list(csv.DictReader(workflow.results(*SEARCH, "trials.csv").open()))


@pytest.fixture(scope="module")
def searched(demo, tmp_path_factory):
    """The demo's folder after a search that was killed in its first round and started again; what the kill left."""
    folder = tmp_path_factory.mktemp("searched") / "demo"
    shutil.copytree(demo.folder, folder, copy_function=shutil.copy2)
    workflow = Workflow(folder, demo.config, demo.settings)
    first = workflow.results(*SEARCH, "trial-0000", "seed-1", "fusion-student", "model.safetensors")
    process = workflow.start("search", "--cores", "1", settings="experiment=tuning-demo")
    wait_for(first.exists, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for script in scripts_of(folder):
        script.wait(120)
    asked = workflow.results(*SEARCH, "rounds", "0", "trials.json")
    before = {path: path.stat().st_mtime_ns for path in (asked, asked.with_name("journal.log"))}
    assert not workflow.results(*SEARCH, "rounds", "1").exists()
    assert workflow.snakemake("--unlock").returncode == 0
    done = workflow.snakemake("search", settings="experiment=tuning-demo")
    assert done.returncode == 0, done.stdout + done.stderr
    return workflow, before


def test_a_search_is_rounds_of_trials_that_share_what_they_do_not_change(demo):
    assert needed(demo) == JOBS


def test_what_was_asked_before_the_kill_is_not_asked_again(searched):
    assert {path: path.stat().st_mtime_ns for path in searched[1]} == searched[1]


def test_each_trial_is_a_row_with_its_settings_and_what_it_reached_on_validation(searched):
    table = rows(searched[0])
    assert [(row["trial"], row["round"]) for row in table] == [(f"trial-000{n}", str(n // 2)) for n in range(4)]
    for row in table:
        folder = searched[0].results(*SEARCH, row["trial"], "seed-1", "fusion-student")
        settings = yaml.safe_load((folder / "config.yaml").read_text())["settings"]
        assert (settings["lr"], settings["hidden"]) == (float(row["fusion.lr"]), int(row["fusion.hidden"]))
        assert yaml.safe_load((folder / "metrics.json").read_text())["select_reward"] == float(row["select_reward"])


def test_the_best_settings_are_passed_on_as_they_are(searched):
    workflow = searched[0]
    best = max(rows(workflow), key=lambda row: float(row["select_reward"]))
    said = yaml.safe_load(workflow.results(*SEARCH, "best.yaml").read_text())["set"]
    assert f"fusion.lr={best['fusion.lr']} fusion.hidden={best['fusion.hidden']}" in said
    command = workflow.command("--dry-run", "--configfile", workflow.results(*SEARCH, "best.yaml"))
    command = command[: command.index("--config")]
    done = subprocess.run(command, cwd=workflow.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    table = re.search(r"Job stats:\njob\s+count\n[- ]+\n(.*?)\ntotal", done.stdout, re.DOTALL)[1]
    assert {line.split()[0] for line in table.splitlines()} == {
        "all", "train_fusion", "evaluate_scale", "explain", "summary", "report",
    }  # fmt: skip


def test_after_a_search_there_is_nothing_to_do(searched):
    assert needed(searched[0]) == {}
