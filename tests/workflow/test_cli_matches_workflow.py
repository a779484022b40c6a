"""Each stage by hand gives what its job in the workflow gave."""

import pytest
from snakemake_runs import digest
from test_errors import canids

SMALL = ("simulate.seconds=12", "synthesis.copies=1")


@pytest.mark.parametrize(
    ("command", "artifact"),
    [
        (("ingest",), "frames/test_06_masquerade/masquerade-alpha.parquet"),
        (("synthesise",), "synthesised/train_01_attack_free/attack-free-bravo-0.parquet"),
        (("graphs",), "graphs/test_05_suppress.safetensors"),
        (("fusion-states",), "seed-1/fusion-student/states.safetensors"),
        (("evaluate", "--scale", "teacher"), "seed-1/evaluation-teacher/metrics.json"),
        (("baselines",), "seed-1/baselines/metrics.json"),
        (("summary",), "summary.csv"),
    ],
)
def test_stage_by_hand_writes_the_same_bytes(demo_copy, command, artifact):
    path = demo_copy.results("demo", artifact)
    before = digest(path)
    path.unlink()
    done = canids(*command, *SMALL, folder=demo_copy.folder)
    assert done.returncode == 0, done.stderr
    assert digest(path) == before


def test_training_by_hand_gives_the_same_weights(demo_copy):
    folder = demo_copy.results("demo", "seed-1", "gat-student")
    before = digest(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    done = canids("distill", "gat", "models.gat.student.epochs=4", folder=demo_copy.folder)
    assert done.returncode == 0, done.stderr
    assert digest(folder / "model.safetensors") == before


def test_another_seed_gives_another_training(demo_copy):
    done = canids("train", "fusion", "--seed", "1", "fusion.steps=300", folder=demo_copy.folder)
    assert done.returncode == 0, done.stderr
    states = demo_copy.results("demo", "seed-1", "fusion-student", "states.safetensors")
    other = demo_copy.results("demo", "seed-2", "fusion-student")
    other.mkdir(parents=True)
    (other / "states.safetensors").write_bytes(states.read_bytes())
    canids("train", "fusion", "--seed", "2", "fusion.steps=300", folder=demo_copy.folder)
    # what is kept may be the same: where nothing learnt was better than the start, both stay there
    assert digest(other / "history.csv") != digest(states.with_name("history.csv"))


def test_table_prints_each_scenario_and_where_the_report_lies(demo):
    done = canids("table", folder=demo.folder)
    assert done.returncode == 0, done.stderr
    assert "results/demo/report.html" in done.stdout
    assert "test_05" in done.stdout
