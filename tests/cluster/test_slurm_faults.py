"""A training job on SLURM meets one fault after the other, and the model comes out as if there had been none."""

import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from slurm import run
from snakemake_runs import VGAE, digest

LOG = "results/demo/logs/seed-1/train_vgae.log"


def training_process(number):
    """The process of a SLURM job that computes."""
    for process in psutil.process_iter():
        try:
            script = any(".snakemake/scripts/" in word for word in process.cmdline())
            if script and process.environ().get("SLURM_JOB_ID") == str(number):
                return process
        except psutil.Error:
            continue
    return None


def wait_for(condition, what, timeout=120):
    end = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.1)
    return found


def text_of(log):
    """What a log holds; nothing while it is not there."""
    with contextlib.suppress(FileNotFoundError):
        return log.read_text()
    return ""


@pytest.fixture(scope="module")
def disturbed(slurm, without_vgae, tmp_path_factory):
    """One run, a fault in each attempt, then snakemake killed: the jobs, and whether a model lay there after each."""
    workflow, jobs, left = without_vgae(tmp_path_factory.mktemp("disturbed") / "run"), [], []
    log, model = workflow.folder / LOG, workflow.folder / VGAE
    last = slurm.jobs()[-1].number
    process = workflow.start(
        VGAE, "--retries", "4", "--set-resources",
        "train_vgae:mem_mb=400 if attempt == 1 else 4000", "train_vgae:runtime=1 if attempt == 4 else 10",
    )  # fmt: skip

    def training_job():
        """The next attempt, once it has trained for an epoch more."""
        log.unlink(missing_ok=True)
        job = slurm.wait_for_job("train_vgae", "RUNNING", after=jobs[-1].number if jobs else last)
        wait_for(lambda: re.search(r"epoch \d+: ", text_of(log)), "an epoch")
        return job

    def ended(job):
        """The job as it ended; whether a model lies there now."""
        wait_for(lambda: slurm.job(job.number).state not in ("RUNNING", "COMPLETING", "PENDING"), "the job's end")
        jobs.append(slurm.job(job.number))
        left.append(model.exists())

    try:
        ended(slurm.wait_for_job("train_vgae", "RUNNING", after=last))  # out of memory
        job = training_job()
        training_process(job.number).kill()
        ended(job)
        job = training_job()
        run("scancel", str(job.number))
        ended(job)
        job = training_job()
        training_process(job.number).suspend()  # or it would be done before its time is over
        ended(job)
        job = training_job()
        slurm.restart_slurmd()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        ended(job)
    finally:
        process.kill()
    return workflow, jobs, left


def test_a_job_that_takes_more_memory_than_it_asked_for_is_killed_and_gets_more(disturbed):
    first, second = disturbed[1][:2]
    assert first.state in ("FAILED", "OUT_OF_MEMORY")  # the latter with cgroups, which a container does not have
    assert "exceeded memory limit" in Path(first.facts["StdOut"]).read_text()
    assert (first.facts["MinMemoryNode"], second.facts["MinMemoryNode"]) == ("400M", "4000M")


def test_a_killed_training_process_fails_its_job(disturbed):
    assert disturbed[1][1].state == "FAILED"


def test_a_cancelled_job_is_submitted_again(disturbed):
    assert [job.state for job in disturbed[1][2:4]] == ["CANCELLED", "TIMEOUT"]


def test_a_job_outlives_a_restart_of_slurmd_and_the_end_of_snakemake(disturbed):
    assert disturbed[1][4].state == "COMPLETED"


def test_no_fault_leaves_a_model_that_is_not_finished(disturbed):
    assert disturbed[2] == [False, False, False, False, True]


def test_the_next_run_ends_with_the_model_of_an_undisturbed_one(disturbed, finished):
    workflow = disturbed[0]
    unlocked = subprocess.run(workflow.command("--unlock"), cwd=workflow.folder, capture_output=True, check=False)
    assert unlocked.returncode == 0
    done = workflow.snakemake(VGAE)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    assert digest(workflow.folder / VGAE) == digest(finished.workflow.folder / VGAE)
    assert workflow.half_written() == []
