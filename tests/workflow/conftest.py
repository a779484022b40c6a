"""Real Snakemake runs on tiny settings, shared by the tests of a session."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from snakemake_runs import REPOSITORY, Workflow

REAL_DATA = REPOSITORY.parent / "shared" / "data"
TINY = (
    "simulate.seconds=12 synthesis.copies=1 fusion.steps=300 fusion.selection_interval=100 "
    "models.vgae.teacher.hidden=8 models.vgae.teacher.epochs=3 models.vgae.student.epochs=3 "
    "models.gat.teacher.hidden=8 models.gat.teacher.epochs=4 models.gat.student.epochs=4"
)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """The whole workflow on a tiny demo, run once; each process has a copy. Tests that change it put it back."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    made, finished = shared / "demo-made", shared / "demo-made.finished"
    with FileLock(shared / "demo-made.lock"):
        if not finished.exists():
            made.mkdir(exist_ok=True)
            done = Workflow(made, (), TINY).snakemake()
            assert done.returncode == 0, done.stdout + done.stderr
            finished.touch()
    folder = own / "demo"
    shutil.copytree(made, folder, copy_function=shutil.copy2)
    return Workflow(folder, (), TINY)


@pytest.fixture
def demo_copy(demo: Workflow, tmp_path: Path) -> Workflow:
    """A copy of the demo's folder, with its timestamps, for tests that change it."""
    shutil.copytree(demo.folder, tmp_path / "demo", copy_function=shutil.copy2)
    return Workflow(tmp_path / "demo", demo.config, demo.settings)


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """The whole workflow on some captures of hcrl_sa, few epochs, without a fleet."""
    if not (REAL_DATA / "hcrl_sa").is_dir():
        pytest.skip("the real captures are not at hand")
    captures = "[train_0*,test_01*/DoS*,test_02*/fuzzing*,test_03*,test_04*]"
    workflow = Workflow(
        tmp_path_factory.mktemp("real"),
        ("dataset=hcrl_sa", f"data_root={REAL_DATA}"),
        f"training_data=both dataset.captures={captures} {TINY}",
    )
    done = workflow.snakemake()
    assert done.returncode == 0, done.stdout + done.stderr
    return workflow
