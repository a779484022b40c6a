"""Running the real workflow in a folder of its own, for the tests of the workflow and of the cluster."""

from __future__ import annotations

import contextlib
import hashlib
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from canids.status import job_graph

REPOSITORY = Path(__file__).parents[1]
VGAE = "results/demo/seed-1/vgae-teacher/model.safetensors"  # what the tests of faults train


@dataclass(frozen=True)
class Workflow:
    """A folder in which the workflow is run, and what it is run with."""

    folder: Path
    config: tuple[str, ...]
    settings: str
    profile: str = "workstation"
    options: tuple[str, ...] = ()
    source: Path = REPOSITORY

    def command(self, *arguments: str, settings: str = "", config: tuple[str, ...] = ()) -> list:
        """The snakemake command, with further settings."""
        return [
            sys.executable, "-m", "snakemake", "--snakefile", self.source / "Snakefile", "--directory", self.folder,
            "--profile", self.source / "profiles" / self.profile, *self.options, *arguments,
            "--config", *self.config, *config, f"set={self.settings} {settings}",
        ]  # fmt: skip

    def snakemake(
        self, *arguments: str, settings: str = "", config: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess:
        """Run snakemake in the folder, with further settings."""
        command = self.command(*arguments, settings=settings, config=config)
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)

    def start(self, *arguments: str, settings: str = "") -> subprocess.Popen:
        """Start snakemake and go on; it is its own process group, and what it says is in ``snakemake.out``."""
        with (self.folder / "snakemake.out").open("ab") as out:
            return subprocess.Popen(
                self.command(*arguments, settings=settings),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

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

    def needed(self, *targets: str, settings: str = "") -> Counter:
        """The jobs that targets need, by rule: what a dry run lists, without a process of its own to start."""
        overrides = [*self.config, *self.settings.split(), *settings.split()]
        with contextlib.chdir(self.folder), job_graph(self.source / "Snakefile", overrides, *targets) as (dag, jobs):
            return Counter(job.rule.name for job in jobs if dag.needrun(job))

    def results(self, *parts: str) -> Path:
        return self.folder.joinpath("results", *parts)

    def said(self) -> str:
        """What the snakemake that was started has said."""
        return (self.folder / "snakemake.out").read_text()

    def half_written(self) -> list[Path]:
        """Files that a writer left beside their place."""
        return [path for path in self.folder.rglob("*.part") if ".snakemake" not in path.parts]


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
