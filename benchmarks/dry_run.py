"""How long snakemake takes to plan a dataset of many captures: ``python benchmarks/dry_run.py [CAPTURES]``.

Prints captures, jobs, and the CPU seconds that snakemake took to build the graph of jobs (``--dry-run``).
"""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

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


def plan(captures: int) -> tuple[int, float]:
    """Jobs of a dataset with so many captures, half of them attack-free, and the CPU seconds that planning took."""
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
        command = [sys.executable, "-m", "snakemake", "--dry-run", "--config", "dataset=planned"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    jobs = int(re.search(r"^total +(\d+)", done.stdout + done.stderr, re.MULTILINE)[1])
    return jobs, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    for captures in [int(word) for word in sys.argv[1:]] or [500, 5000]:
        jobs, seconds = plan(captures)
        print(f"{captures} captures: {jobs} jobs planned in {seconds:.1f} s of CPU time")
