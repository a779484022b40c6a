"""The models of one dataset on another, by the workflow and by hand."""

import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from snakemake_runs import REPOSITORY, digest

from canids.artifacts import read_json
from canids.simulate.demo import simulate_demo

TARGET = "results/demo/seed-1/evaluation-student-on-{}/metrics.json"
FEW = "captures: [train_01*, '*/DoS-alpha', '*/fuzzing-*', '*/spoofing-alpha']"


@pytest.fixture(scope="module")
def second(demo, tmp_path_factory):
    """The tiny demo's folder with a second dataset beside it: other vehicles' logs, few of them, nothing trained on."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("second") / "demo"
    for name in ("config", "workflow", "profiles"):
        shutil.copytree(REPOSITORY / name, source / name)
    shutil.copy2(REPOSITORY / "Snakefile", source)
    text = (source / "config" / "datasets" / "demo.yaml").read_text()
    text = text.replace("simulated: true", f"simulated: false\n{FEW}").replace("/demo", "/second")
    (source / "config" / "datasets" / "second.yaml").write_text(text)
    shutil.copytree(demo.folder, folder, copy_function=shutil.copy2)
    simulate_demo(folder / "data" / "second", 11, 12.0)
    workflow = replace(demo, folder=folder, source=source)
    done = workflow.snakemake(TARGET.format("second"))
    assert done.returncode == 0, done.stdout + done.stderr
    return workflow


def test_the_other_dataset_is_tested_on_and_nothing_else_is_made_of_it(second):
    metrics = read_json(second.folder / TARGET.format("second"))
    assert (metrics["trained_on"], metrics["tested_on"]) == ("demo", "second")
    assert {row["capture"] for row in metrics["table"]} > {"all"}
    assert (
        metrics["thresholds"]
        == read_json(second.results("demo", "seed-1", "evaluation-student", "metrics.json"))["thresholds"]
    )
    made = sorted(path.name for path in second.results("second").iterdir())
    assert made == ["benchmarks", "frames", "logs", "provenance", "tested"]


def test_afterwards_there_is_nothing_to_do_for_it_or_for_the_dataset(second):
    assert second.planned(TARGET.format("second")) == {}
    assert second.needed() == {}


def test_as_a_setting_the_other_dataset_is_evaluated_on_by_both_scales(second):
    assert second.needed(settings="evaluate_on=[second]") == {"evaluate_on": 1}  # the student's is there


def test_by_hand_it_is_the_same(second):
    path = second.folder / TARGET.format("second")
    before = digest(path)
    path.unlink()
    command = [sys.executable, "-m", "canids", "evaluate", "--on", "second", *second.settings.split()]
    command += ["--config-folder", str(second.source / "config")]
    done = subprocess.run(command, cwd=second.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert digest(path) == before


def test_the_table_of_it_holds_the_scales_that_are_there(second):
    command = [sys.executable, "-m", "canids", "table", "--on", "second", "--format", "md"]
    command += ["--config-folder", str(second.source / "config")]
    done = subprocess.run(command, cwd=second.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "test_01" in done.stdout
    assert "student" in done.stdout and "teacher" not in done.stdout


def test_a_dataset_that_is_not_known_is_one_message_and_code_2(demo):
    done = demo.snakemake("--dry-run", TARGET.format("nonsense"))
    assert done.returncode == 2
    assert "unknown dataset 'nonsense'" in done.stderr
    assert "Traceback" not in done.stderr
