"""Where each artifact lies, and how a file comes into being: whole, or not at all."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from canids.errors import ArtifactError

FRAMES = "{results}/{dataset}/frames/{scenario}/{capture}.parquet"
FINGERPRINT = "{results}/{dataset}/frames/{scenario}/{capture}.fingerprint.safetensors"
INGEST_RECORD = "{results}/{dataset}/frames/{scenario}/{capture}.json"
SYNTHESISED = "{results}/{dataset}/synthesised/{scenario}/{capture}-{number}.parquet"
GRAPHS = "{results}/{dataset}/graphs"
PROFILES = "{results}/{dataset}/profiles"
MODEL = "{results}/{dataset}/seed-{seed}/{model}-{scale}"
BATCH_SIZE = f"{MODEL}/batch_size.json"
EVALUATION = "{results}/{dataset}/seed-{seed}/evaluation-{scale}"
BASELINES = "{results}/{dataset}/seed-{seed}/baselines"
EXPLANATIONS = "{results}/{dataset}/seed-{seed}/explanations-{scale}"
SUMMARY = "{results}/{dataset}/summary.csv"
COMPARISONS = "{results}/{dataset}/comparisons.csv"
REPORT = "{results}/{dataset}/report.html"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; on success it is synced and renamed to ``path``, on failure removed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield beside
        with beside.open("rb+") as written:
            os.fsync(written.fileno())
        beside.chmod(0o666 & ~_umask())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_path(path) as beside:
        beside.write_text(text)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically; NaN and infinity become null, numpy values plain ones."""
    write_text(path, json.dumps(jsonable(value), indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON artifact.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    return _read(path, lambda p: json.loads(p.read_text()))


def jsonable(value: Any) -> Any:
    """The value as JSON can hold it: no numpy, no tensors, no paths, no NaN."""
    if isinstance(value, dict):
        return {str(key): jsonable(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set):
        return [jsonable(each) for each in value]
    if hasattr(value, "detach"):
        value = value.detach().cpu().tolist()  # numpy knows no bfloat16
        return jsonable(value)
    if isinstance(value, np.ndarray | np.generic):
        return jsonable(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value


def _read(path: Path, read: Callable[[Path], Any]) -> Any:
    path = Path(path)
    if not path.is_file():
        raise ArtifactError(f"{path}: there is no such file; run the stage that makes it (snakemake {path})")
    try:
        return read(path)
    except (ValueError, OSError) as error:
        raise ArtifactError(f"{path}: damaged ({error}); delete it and run snakemake {path}") from None
