"""How long snakemake takes to plan a dataset of many captures: ``python benchmarks/dry_run.py [CAPTURES]``.

Prints captures, jobs, and the CPU seconds of a dry run: to start (imports, settings, rules), to build the graph of jobs
(from snakemake's line "Building DAG of jobs..." to its table of jobs), and to print every job.
"""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).parents[1]
DATASET = """title: planned only
source: benchmarks/dry_run.py
licence: none
folder: ${data_root}/planned
train: [train_01, train_02]
test: [test_01]
vehicles: {v: "*"}
attacks: {attack-free: "train_01/*", DoS: "*/*"}
"""
LOG = "timestamp,arbitration_id,data_field,attack\n0.0,123,00,0\n"


def plan(captures: int) -> tuple[int, list[float]]:
    """Jobs of a dataset with so many captures, half of them attack-free; CPU seconds to start, to build, to print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("workflow", "config"):
            shutil.copytree(REPOSITORY / part, folder / part)
        shutil.copy(REPOSITORY / "Snakefile", folder)
        (folder / "config" / "datasets" / "planned.yaml").write_text(DATASET)
        for scenario, share in (("train_01", 0.5), ("train_02", 0.3), ("test_01", 0.2)):
            (folder / "data" / "planned" / scenario).mkdir(parents=True)
            for number in range(round(captures * share)):
                (folder / "data" / "planned" / scenario / f"capture-{number}.csv").write_text(LOG)
        return dry_run(folder)


def dry_run(folder: Path) -> tuple[int, list[float]]:
    """As ``plan``, of a folder that is there."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--config", "dataset=planned"]
    before = seconds(resource.getrusage(resource.RUSAGE_CHILDREN))
    said, marks = [], []
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout:
            said.append(line)
            if line.startswith(("Building DAG of jobs", "Job stats")):
                times = psutil.Process(process.pid).cpu_times()
                marks.append(times.user + times.system)
    if process.returncode:
        sys.exit("".join(said))
    jobs = int(re.search(r"^total +(\d+)", "".join(said), re.MULTILINE)[1])
    start, built = marks[:2]  # the table of jobs is printed again at the end
    return jobs, [start, built - start, seconds(resource.getrusage(resource.RUSAGE_CHILDREN)) - before - built]


def seconds(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    for captures in [int(word) for word in sys.argv[1:]] or [500, 5000]:
        jobs, (start, build, rest) = plan(captures)
        print(
            f"{captures} captures: {jobs} jobs planned in {start + build + rest:.1f} s of CPU time: "
            f"{start:.1f} to start, {build:.1f} to build the DAG, {rest:.1f} to print it"
        )
