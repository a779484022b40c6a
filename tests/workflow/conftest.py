"""Real Snakemake runs on tiny settings, shared by the tests of a session."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
REAL_DATA = REPOSITORY.parent / "shared" / "data"
TINY = (
    "simulate.seconds=12 synthesis.copies=1 fusion.steps=300 fusion.selection_interval=100 "
    "models.vgae.teacher.hidden=8 models.vgae.teacher.epochs=3 models.vgae.student.epochs=3 "
    "models.gat.teacher.hidden=8 models.gat.teacher.epochs=4 models.gat.student.epochs=4"
)


@dataclass(frozen=True)
class Workflow:
    """A folder in which the workflow was run, and what it is run with."""

    folder: Path
    config: tuple[str, ...]
    settings: str

    def snakemake(
        self, *arguments: str, settings: str = "", config: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess:
        """Run snakemake in the folder, with further settings."""
        command = self.command(*arguments, settings=settings, config=config)
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)

    def command(self, *arguments: str, settings: str = "", config: tuple[str, ...] = ()) -> list[str | Path]:
        """The words of that run."""
        return [
            sys.executable, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile", "--directory", self.folder,
            "--profile", REPOSITORY / "profiles" / "workstation", *arguments,
            "--config", *self.config, *config, f"set={self.settings} {settings}",
        ]  # fmt: skip

    def planned(self, *arguments: str, settings: str = "") -> Counter:
        """The jobs that a dry run lists, by rule."""
        done = self.snakemake("--dry-run", *arguments, settings=settings)
        assert done.returncode == 0, done.stdout + done.stderr
        text = done.stdout + done.stderr
        if "Nothing to be done" in text:
            return Counter()
        table = re.search(r"Job stats:\njob\s+count\n[- ]+\n(.*?)\ntotal", text, re.DOTALL)
        rows = (line.split() for line in table[1].splitlines())
        return Counter({rule: int(count) for rule, count in rows if rule not in ("all", "train", "evaluate")})

    def results(self, *parts: str) -> Path:
        return self.folder.joinpath("results", *parts)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """The whole workflow on a tiny demo. Tests that change the folder put it back."""
    workflow = Workflow(tmp_path_factory.mktemp("demo"), (), TINY)
    done = workflow.snakemake()
    assert done.returncode == 0, done.stdout + done.stderr
    return workflow


@pytest.fixture
def demo_copy(demo: Workflow, tmp_path: Path) -> Workflow:
    """A copy of the demo's folder, with its timestamps, for tests that change it."""
    shutil.copytree(demo.folder, tmp_path / "demo", copy_function=shutil.copy2)
    return Workflow(tmp_path / "demo", demo.config, demo.settings)


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """The whole workflow on some captures of hcrl_sa, few epochs."""
    if not (REAL_DATA / "hcrl_sa").is_dir():
        pytest.skip("the real captures are not at hand")
    captures = "[train_0*,test_01*/DoS*,test_02*/fuzzing*,test_03*,test_04*]"
    workflow = Workflow(
        tmp_path_factory.mktemp("real"),
        ("dataset=hcrl_sa", f"data_root={REAL_DATA}"),
        f"dataset.captures={captures} {TINY}",
    )
    done = workflow.snakemake()
    assert done.returncode == 0, done.stdout + done.stderr
    return workflow
