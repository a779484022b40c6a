"""The record of a job beside what it made: settings, hashes, commit, versions, machine, time and memory.

It is no output of the job: what it says of a run (when, where, how long) would differ where the results do not.
"""

from __future__ import annotations

import hashlib
import os
import resource
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from canids.artifacts import write_json, written_checksum
from canids.environment import environment, git_state
from canids.provenance import PACKAGE

PACKAGES = (
    "canids", "lightgbm", "lightning", "numba", "numpy", "optuna", "polars", "pyarrow", "safetensors", "scikit-learn",
    "snakemake", "torch", "torch-geometric",
)  # fmt: skip


def record_path(log: Path) -> Path:
    """Where the record of the job lies whose log this is: ``…/logs/x.log`` has ``…/provenance/x.json``."""
    parts = list(log.with_suffix(".json").parts)
    at = len(parts) - 1 - parts[::-1].index("logs")
    return Path(*parts[:at], "provenance", *parts[at + 1 :])


def write_record(job: Any, started: float) -> None:
    """Write the record of a job that has just made its outputs.

    Args:
        job: the ``snakemake`` object that a script is given. started: Unix time.
    """
    params = dict(job.params.items())
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    torch = sys.modules.get("torch")
    on_gpu = torch is not None and torch.cuda.is_initialized()
    write_json(
        record_path(Path(job.log[0])),
        {
            "rule": job.rule,
            "of": dict(job.wildcards.items()),
            "code": params.pop("code", None),
            "settings": params,
            "inputs": digests(job.input),
            "outputs": digests(job.output),
            "git": git_state(PACKAGE),
            "environment": {**environment(PACKAGES), "threads": job.threads},
            "slurm_job": os.environ.get("SLURM_JOB_ID"),
            "started": started,
            "wall_seconds": time.time() - started,
            "cpu_seconds": sum(each.ru_utime + each.ru_stime for each in (own, children)),
            "peak_memory_mb": max(own.ru_maxrss, children.ru_maxrss) / 1024,
            "peak_gpu_memory_mb": torch.cuda.max_memory_allocated() / 2**20 if on_gpu else None,
        },
    )


def digests(paths: Iterable[str]) -> dict[str, str]:
    """SHA-256 of each file; a safetensors file may hold its own, a folder has one of its files' names and hashes.

    A file that has been removed since is left out.
    """
    return {str(path): _digest(Path(path)) for path in paths if Path(path).exists()}


def _digest(path: Path) -> str:
    if path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.is_file())
        text = "".join(f"{each.relative_to(path)} {_digest(each)}\n" for each in files)
        return hashlib.sha256(text.encode()).hexdigest()
    if path.suffix == ".safetensors" and (written := written_checksum(path)):
        return written
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
