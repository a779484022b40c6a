"""Experiments: which jobs there are, what is shared, and one tiny sweep."""

import csv
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

STUDENT = {"fusion_states": 1, "train_fusion": 1, "evaluate_scale": 1}


def planned(workflow, experiment):
    jobs = workflow.needed("sweep", settings=f"experiment={experiment}")
    assert jobs.pop("experiment") == 1
    return jobs


def test_variants_that_differ_in_the_students_training_share_everything_before_it(demo):
    assert planned(demo, "demo") == {"distill_gat": 1, **STUDENT}


def test_a_variant_for_each_seed_trains_the_seeds_that_are_not_there(demo):
    assert planned(demo, "seeds") == {
        "train_vgae": 4, "distill_vgae": 4, "train_gat": 4, "distill_gat": 4,
        "fusion_states": 8, "train_fusion": 8, "evaluate_scale": 8,
    }  # fmt: skip


def test_sampling_strategies_share_the_graphs_and_the_vgae_of_their_seed(demo):
    jobs = planned(demo, "sampling")
    assert not {"ingest", "synthesise", "graphs"} & set(jobs)
    assert (jobs["train_vgae"], jobs["train_gat"], jobs["distill_gat"]) == (2, 7 * 3 - 1, 7 * 3 - 1)


def test_the_target_ablation_is_its_experiment_with_a_fleet_in_parts_of_its_own(demo):
    jobs = demo.planned("ablation")
    assert jobs["experiment"] == 1
    assert jobs["graphs"] > 10 and "ingest" not in jobs
    assert jobs["simulate_fleet"] == 1 + 4 + 20  # parts of up to 20 vehicles: of 10, 80 and 400


def test_a_vehicle_left_out_is_ingested_with_the_others(demo):
    jobs = planned(demo, "vehicles")
    assert "ingest" not in jobs
    assert sum(count for rule, count in jobs.items() if rule.startswith("graphs")) == 3


def test_a_variant_with_more_attacked_copies_makes_these_alone(demo, tmp_path):
    for name in ("config", "workflow", "profiles"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    shutil.copy2(REPOSITORY / "Snakefile", tmp_path)
    variants = 'variants: {one: "", two: synthesis.copies=2}'
    (tmp_path / "config/experiments/copies.yaml").write_text(f"title: Copies\n{variants}\n")
    jobs = planned(replace(demo, source=tmp_path), "copies")
    assert ("synthesise" in jobs, jobs["synthesise_1"], jobs["graphs"]) == (False, 3, 1)


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        (("sweep",), "", "experiment: none given, allowed: --config experiment=<name>; known: ablation, "),
        (("sweep",), "experiment=nonsense", "experiment: unknown experiment 'nonsense'; known: ablation, "),
        (("ablation",), "experiment=demo", "experiment: given 'demo', and the target ablation is another"),
    ],
)
def test_an_experiment_that_is_not_there_is_one_message_and_code_2(demo, arguments, settings, words):
    done = demo.snakemake("--dry-run", *arguments, settings=settings)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert words in done.stderr


@pytest.fixture(scope="module")
def swept(demo, tmp_path_factory):
    """The tiny demo's folder after the experiment ``demo``."""
    folder = tmp_path_factory.mktemp("swept") / "demo"
    shutil.copytree(demo.folder, folder, copy_function=shutil.copy2)
    workflow = type(demo)(folder, demo.config, demo.settings)
    done = workflow.snakemake("sweep", settings="experiment=demo")
    assert done.returncode == 0, done.stdout + done.stderr
    return workflow


def test_a_variant_has_a_folder_with_what_it_does_not_share(swept):
    variant = swept.results("demo", "experiments", "demo", "without-distillation")
    folders = sorted(path.name for path in (variant / "seed-1").iterdir())
    assert folders == ["evaluation-student", "fusion-student", "gat-student"]
    assert not (variant / "graphs").exists()
    assert not (variant.parent / "as-shipped").exists()


def test_the_variants_settings_are_those_of_its_model(swept, demo):
    variant = swept.results("demo", "experiments", "demo", "without-distillation", "seed-1", "gat-student")
    assert "weight: 0.0" in (variant / "config.yaml").read_text()
    default = swept.results("demo", "seed-1", "gat-student", "model.safetensors").read_bytes()
    assert default == demo.results("demo", "seed-1", "gat-student", "model.safetensors").read_bytes()
    assert (variant / "model.safetensors").read_bytes() != default


def test_an_experiments_table_has_a_row_for_each_variant_scenario_and_detector(swept):
    with swept.results("demo", "experiments", "demo", "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    keys = ["dataset", "experiment", "variant", "scenario", "model", "scale", "training_data", "seed"]
    assert list(rows[0])[: len(keys)] == keys
    counted = [[row["variant"] for row in rows].count(name) for name in ("as-shipped", "without-distillation")]
    assert counted[0] == counted[1] > 6
    assert {row["scale"] for row in rows} == {"student"}
    students = [row for row in rows if row["model"] == "gat" and row["scenario"].startswith("test_06")]
    assert students[0]["ece"] != students[1]["ece"]


def test_after_a_sweep_there_is_nothing_to_do_for_it_or_for_the_default(swept):
    assert swept.needed("sweep", settings="experiment=demo") == {}
    assert swept.needed() == {}


def canids(folder, *words):
    command = [sys.executable, "-c", "from canids.cli import main; main()", *words]
    return subprocess.run(
        [*command, "--config-folder", REPOSITORY / "config"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_a_plan_counts_the_jobs_and_takes_the_time_of_those_that_ran(demo):
    done = canids(demo.folder, "plan", "sweep", *demo.settings.split(), "experiment=demo")
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines()}
    benchmark = demo.results("demo", "benchmarks", "seed-1", "distill_gat.tsv").read_text().splitlines()[1]
    assert rows["distill_gat"][1:4] == ["demo", "1", f"{float(benchmark.split()[0]):.1f}"]
    assert rows["experiment"][3] == "unknown"
    assert "GPU hours: 0.0" in done.stdout


def test_a_dry_run_ends_with_the_gpu_hours_that_it_plans_as_far_as_they_are_known(demo):
    done = demo.snakemake("--dry-run", "--forcerun", "distill_gat")
    assert re.fullmatch(r"GPU hours: 0\.\d\d, by the median of earlier runs \(\d jobs\)", done.stdout.splitlines()[-1])
    done = demo.snakemake("--dry-run")
    assert "GPU hours" not in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nonsense",), "canids: nonsense: cannot be planned: No rule to produce nonsense"),
        (("all", "train"), "canids: name one target"),
    ],
)
def test_what_cannot_be_planned_is_one_message_and_code_2(demo, words, message):
    done = canids(demo.folder, "plan", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
