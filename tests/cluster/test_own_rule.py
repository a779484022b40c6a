"""A job on the cluster runs its own rule and nothing else, whatever was changed while it waited."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from slurm import run
from snakemake_runs import REPOSITORY, VGAE, digest

RECORD = "results/demo/frames/test_06_masquerade/masquerade-alpha.json"
STORE = "results/demo/graphs/train.safetensors"


@pytest.fixture(scope="module")
def edited(without_vgae, slurm, tmp_path_factory):
    """A training job waits; settings, code and a log file are edited; the job runs.

    What it left, its jobs, and what ``canids status`` said while it waited.
    """
    folder = tmp_path_factory.mktemp("edited")
    for name in ("Snakefile", "workflow", "config", "profiles", "src"):
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    workflow = replace(without_vgae(folder / "run"), source=folder)
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", os.pathsep.join([str(folder / "src"), os.environ.get("PYTHONPATH", "")]))
    last = slurm.jobs()[-1].number
    node = run("hostname").strip()
    run("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")
    process = workflow.start(VGAE)
    try:
        slurm.wait_for_job("train_vgae", "PENDING", after=last)
        status = [sys.executable, "-c", "from canids.cli import main; main()", "status", *workflow.settings.split()]
        status += ["--config-folder", str(folder / "config")]
        told = subprocess.run(status, cwd=workflow.folder, capture_output=True, text=True, check=False).stdout
        (folder / "config" / "models" / "vgae.yaml").write_text("lr: 0.5\n")
        for module in ("frames/ingest.py", "graphs/build.py", "training/modes/autoencoder.py"):
            with (folder / "src" / "canids" / module).open("a") as file:
                file.write("\nEDITED = True\n")
        log = workflow.folder / "data" / "demo" / "test_06_masquerade" / "masquerade-alpha.csv"
        log.write_text(log.read_text() + "99.0,123,00,0\n")
        run("scontrol", "update", f"NodeName={node}", "State=RESUME")
        assert process.wait(180) == 0, workflow.said()[-5000:]
    finally:
        run("scontrol", "update", f"NodeName={node}", "State=RESUME")
        process.kill()
        patch.undo()
    return workflow, [job for job in slurm.jobs() if job.number > last], told


def test_the_waiting_job_ran_and_no_other(edited):
    assert [(job.rule, job.state) for job in edited[1]] == [("train_vgae", "COMPLETED")]


def test_status_shows_the_waiting_job_as_queued_with_its_number(edited):
    line = next(line for line in edited[2].splitlines() if line.split()[1] == "train_vgae")
    assert line.startswith("queued")
    assert line.endswith(f"SLURM job {edited[1][0].number}")


@pytest.mark.parametrize("path", [RECORD, STORE])
def test_its_inputs_are_untouched(edited, finished, path):
    ran = edited[0].folder / path
    assert ran.stat().st_mtime_ns == (finished.workflow.folder / path).stat().st_mtime_ns
    assert digest(ran) == digest(finished.workflow.folder / path)


def test_it_computed_with_the_settings_of_the_start(edited, finished):
    assert digest(edited[0].folder / VGAE) == digest(finished.workflow.folder / VGAE)
