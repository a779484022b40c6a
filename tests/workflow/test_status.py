"""``canids status`` and ``canids why``: what is done, stale, running or failed, and what made a file."""

import platform
import re
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest
from snakemake_runs import REPOSITORY, VGAE, digest
from test_errors import LOG, canids
from test_faults import scripts_of, wait_for
from typer.testing import CliRunner

from canids.artifacts import read_json, written_checksum
from canids.cli import app

FRAMES = "results/demo/frames/test_06_masquerade/masquerade-alpha.parquet"


@pytest.fixture
def told(demo, monkeypatch):
    """The lines that a command says of a demo's folder, asked with the demo's settings and more."""

    def tell(command, *arguments, folder=demo.folder):
        monkeypatch.chdir(folder)
        words = [command, *arguments, *demo.settings.split(), "--config-folder", str(REPOSITORY / "config")]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        return done.stdout.splitlines()

    return tell


def test_after_a_full_run_every_stage_is_done(told):
    assert {line.split()[0] for line in told("status")} == {"done"}


def test_a_changed_setting_makes_its_stage_stale_and_names_old_and_new_value(told):
    lines = told("status", "fusion.gamma=0.8")
    stale = [line.split() for line in lines if line.startswith("stale")]
    assert {words[1] for words in stale} == {"train_fusion", "evaluate_scale", "explain", "summary", "report"}
    assert any("gamma: 0.9 → 0.8" in line for line in lines)


def test_a_failed_job_is_shown_with_its_message_and_its_log(demo_copy, told):
    (demo_copy.folder / LOG).write_text("timestamp,arbitration_id,data_field,attack\nx,y,z,w\n")
    frames = demo_copy.results("demo", "frames", LOG.parent.name, "DoS-bravo.parquet")
    assert demo_copy.snakemake(frames.relative_to(demo_copy.folder)).returncode == 1
    lines = told("status", folder=demo_copy.folder)
    at = next(number for number, line in enumerate(lines) if line.startswith("failed"))
    assert "no usable frame among 1 lines" in lines[at]
    assert f"results/demo/logs/ingest/{LOG.parent.name}/DoS-bravo.log" in lines[at + 1]


def test_a_job_that_runs_is_shown_and_one_that_was_killed_is_interrupted(demo_copy, told):
    shutil.rmtree((demo_copy.folder / VGAE).parent)
    log = demo_copy.results("demo", "logs", "seed-1", "train_vgae.log")
    log.unlink()
    process = demo_copy.start(VGAE, settings="models.vgae.teacher.epochs=3")
    wait_for(log.exists, process)
    # It must not be done before it is looked at.
    for script in scripts_of(demo_copy.folder):
        script.suspend()
    assert any(line.split()[:2] == ["running", "train_vgae"] for line in told("status", folder=demo_copy.folder))
    process.kill()
    process.wait()
    for script in scripts_of(demo_copy.folder):
        script.kill()
    assert demo_copy.snakemake("--unlock").returncode == 0
    assert any(line.split()[:2] == ["interrupted", "train_vgae"] for line in told("status", folder=demo_copy.folder))


def test_why_names_the_rule_its_inputs_parameters_and_code(told):
    lines = told("why", VGAE)
    rows = dict(line.split(None, 1) for line in lines)
    assert rows["rule"] == "train_vgae"
    assert rows["state"] == "done"
    store = Path("results/demo/graphs/train.safetensors")  # told runs in the demo's folder
    assert f"input      {store}  sha256 {written_checksum(store)}" in lines
    assert "parameter  teacher.hidden = 8" in lines
    assert any(line.startswith("parameter  code = ") for line in lines)


def test_why_says_from_the_jobs_record_where_it_ran_and_what_it_took_and_made(told):
    lines = told("why", "results/demo/seed-1/evaluation-student/metrics.json")
    rows = dict(line.split(None, 1) for line in lines)
    assert re.fullmatch(r"\d+\.\d s, at most \d+ MB", rows["took"])
    assert rows["host"].startswith(f"{platform.node()}, ")
    assert f"snakemake {version('snakemake')}" in rows["packages"]
    metrics = "results/demo/seed-1/evaluation-student/metrics.json"
    assert f"output     {metrics}  sha256 {digest(Path(metrics))}" in lines


def test_every_stage_has_left_a_record(demo):
    recorded = {read_json(path)["rule"] for path in demo.results().rglob("provenance/**/*.json")}
    assert recorded == {
        "simulate", "ingest", "synthesise", "graphs", "baselines", "train_vgae", "distill_vgae", "train_gat",
        "distill_gat", "fusion_states", "train_fusion", "evaluate_scale", "explain", "summary", "report",
    }  # fmt: skip


def test_why_of_a_file_that_no_stage_makes_ends_with_code_2(demo):
    done = canids("why", "results/demo/nothing.txt", *demo.settings.split(), folder=demo.folder)
    assert done.returncode == 2
    assert "no stage makes this file" in done.stderr
