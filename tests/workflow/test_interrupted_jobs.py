"""Jobs that are killed or ended in the middle of a training: the same command goes on where they were."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_errors import REPOSITORY

from canids.artifacts import read_json

MODEL = "results/demo/seed-1/gat-student"
LONG = "models.gat.student.epochs=25 models.gat.patience=100"


def when(path: Path, process: subprocess.Popen) -> None:
    """Wait until a file is there, for as long as the process runs."""
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.fixture
def untrained(demo, tmp_path):
    """A folder with all that the student GAT is trained from, but without the student."""
    for part in ("graphs", "seed-1/gat-teacher"):
        shutil.copytree(demo.results("demo", part), tmp_path / "results" / "demo" / part)
    return tmp_path


def test_a_command_that_is_ended_says_where_it_goes_on_and_does(untrained):
    command = [
        sys.executable, "-c", "from canids.cli import main; main()", "distill", "gat", *LONG.split(),
        "--config-folder", str(REPOSITORY / "config"),
    ]  # fmt: skip
    resume = untrained / MODEL / "resume.ckpt"
    process = subprocess.Popen(command, cwd=untrained, stderr=subprocess.PIPE, text=True)
    when(resume, process)
    process.send_signal(signal.SIGTERM)
    said = process.communicate()[1]
    assert process.returncode == 143
    assert "Traceback" not in said
    assert "canids: ended by SIGTERM " in said and f"saved to {MODEL}/resume.ckpt" in said.replace("\n", " ")
    assert not (untrained / MODEL / "model.safetensors").exists()
    done = subprocess.run(command, cwd=untrained, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"resuming from {MODEL}/resume.ckpt" in done.stderr
    assert read_json(untrained / MODEL / "metrics.json")["epochs"] == 25
    assert not resume.exists()


def test_a_workflow_that_is_killed_goes_on_within_the_training(demo_copy):
    model, resume = demo_copy.folder / MODEL / "model.safetensors", demo_copy.folder / MODEL / "resume.ckpt"
    target = f"{MODEL}/model.safetensors"
    command = demo_copy.command(target, settings=LONG)
    process = subprocess.Popen(
        command, cwd=demo_copy.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    when(resume, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert resume.exists() and not model.exists()
    demo_copy.snakemake("--unlock")
    done = demo_copy.snakemake(target, settings=LONG)
    assert done.returncode == 0, done.stdout + done.stderr
    log = demo_copy.results("demo", "logs", "seed-1", "distill_gat.log").read_text()
    assert f"resuming from {MODEL}/resume.ckpt" in log
    assert model.exists() and not resume.exists()
