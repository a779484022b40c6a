"""A one-machine SLURM for the session, and the workflow run on it once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from slurm import Job, Slurm, missing_programs
from snakemake_runs import VGAE, Workflow

# As small as the demo can be made; the VGAE trains for some seconds, so that it can be disturbed.
SMALL = (
    "dataset.captures=[train_01*,train_02*/DoS*,train_02*/fuzzing*,test_01*,test_06*] simulate.seconds=12 "
    "synthesis.copies=1 trainer.accelerator=cpu fusion.steps=100 fusion.selection_interval=50 "
    "models.vgae.teacher.hidden=8 models.vgae.teacher.epochs=40 models.vgae.patience=40 "
    "models.vgae.student.epochs=2 models.gat.teacher.hidden=8 models.gat.teacher.epochs=2 models.gat.student.epochs=2"
)
# What a site without accounting and with two cores says, and a test that does not want to wait.
HERE = (
    "--slurm-no-account", "--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "2",
    "--latency-wait", "5", "--cores", "2",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """The workflow's folder after a whole run on SLURM, what it said, and its jobs there."""

    workflow: Workflow
    said: str
    jobs: list[Job]


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    os.environ["PATH"] += os.pathsep + "/usr/sbin"
    missing = missing_programs()
    if missing or os.geteuid() != 0:
        pytest.exit(f"the cluster tests need root and {', '.join(missing) or 'no more'}: make test-cluster", 2)
    scheduler = Slurm()
    try:
        scheduler.start()
        yield scheduler
    finally:
        scheduler.stop()


@pytest.fixture(scope="session")
def finished(slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole workflow, run on SLURM. Nothing changes its folder."""
    workflow = Workflow(tmp_path_factory.mktemp("finished"), (), SMALL, "slurm", HERE)
    done = workflow.snakemake()
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
    return Run(workflow, done.stdout + done.stderr, slurm.jobs())


@pytest.fixture(scope="session")
def without_vgae(finished: Run) -> Callable[[Path], Workflow]:
    """Copies the finished run into a folder, less its teacher VGAE."""

    def copy(folder: Path) -> Workflow:
        shutil.copytree(finished.workflow.folder, folder, copy_function=shutil.copy2)
        shutil.rmtree((folder / VGAE).parent)
        return replace(finished.workflow, folder=folder)

    return copy
