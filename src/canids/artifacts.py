"""Where each artifact lies, and how a file comes into being: whole, or not at all; and whether it is still whole."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import math
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from canids.errors import ArtifactError

FRAMES = "{results}/{dataset}/frames/{scenario}/{capture}.parquet"
FINGERPRINT = "{results}/{dataset}/frames/{scenario}/{capture}.fingerprint.safetensors"
INGEST_RECORD = "{results}/{dataset}/frames/{scenario}/{capture}.json"
SYNTHESISED = "{results}/{dataset}/synthesised/{scenario}/{capture}-{number}.parquet"
FLEET_PART = "{results}/fleet/{fleet}/part-{part}"
GRAPHS = "{results}/{dataset}/graphs"
PROFILES = "{results}/{dataset}/profiles"
MODEL = "{results}/{dataset}/seed-{seed}/{model}-{scale}"
BATCH_SIZE = f"{MODEL}/batch_size.json"
EVALUATION = "{results}/{dataset}/seed-{seed}/evaluation-{scale}"
EVALUATION_ON = f"{EVALUATION}-on-{{other}}"
EVALUATION_PRETRAINED = "{results}/{dataset}/evaluation-pretrained"
ENROLLED = "-enrolled-{vehicle}"  # what follows the name of an evaluation of an enrolled vehicle alone
BASELINES = "{results}/{dataset}/seed-{seed}/baselines"
EXPLANATIONS = "{results}/{dataset}/seed-{seed}/explanations-{scale}"
SUMMARY = "{results}/{dataset}/summary.csv"
COMPARISONS = "{results}/{dataset}/comparisons.csv"
REPORT = "{results}/{dataset}/report.html"
# Beneath the results folder: a dataset as the models of others are tested on it.
TESTED = "{dataset}/tested"
# In the paths above, an experiment's variant takes the place of its dataset.
EXPERIMENT_VARIANT = "{dataset}/experiments/{experiment}/{variant}"
SEARCH = "{results}/{dataset}/experiments/{experiment}"
SEARCH_ROUND = f"{SEARCH}/rounds/{{round}}"
EXPERIMENT_SUMMARY = "{results}/{dataset}/experiments/{experiment}/summary.csv"
NAMES = "names"  # the one entry of a safetensors file's metadata, JSON: several would be written in no fixed order
NO_CHECKSUM = "0" * 64  # what counts in the checksum's own place
_READING_UMASK = threading.Lock()
_CHECKSUM = re.compile(rb"sha256\W{1,9}([0-9a-f]{64})")


@contextlib.contextmanager
def atomic_path(path: Path, synced: bool = True) -> Iterator[Path]:
    """A path beside ``path`` to write to; on success it is synced and renamed to ``path``, on failure removed.

    Args:
        synced: whether to wait for the disk. What is made again in seconds, and holds checksums that tell whether a
            loss of power damaged it, need not wait.

    Raises:
        ArtifactError: the disk is full, the folder may not be written to, or the like.
    """
    path = Path(path)
    # The host too: on a cluster, two writers may have the same number on two machines.
    beside = path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        yield beside
        if synced:
            with beside.open("rb+") as written:
                os.fsync(written.fileno())
        beside.chmod(0o666 & ~_umask())
        beside.replace(path)
    except Exception as error:
        # Writers wrap what the system said in exceptions of their own, and in words of their own.
        full = _is_full(path.parent)
        if not full and not isinstance(error, OSError):
            raise
        reason = "No space left on device" if full else error
        raise ArtifactError(f"{path}: not written ({reason}), nothing is left of it; mend that, start again") from None
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()


def _remove_abandoned(path: Path) -> None:
    """Remove what a writer of ``path`` on this machine left beside it when it was killed."""
    for beside in path.parent.glob(f".{glob.escape(path.name)}.{glob.escape(socket.gethostname())}-*.part"):
        try:
            os.kill(int(beside.stem.rpartition("-")[2]), 0)
        except ProcessLookupError:
            beside.unlink(missing_ok=True)
        except PermissionError:
            continue  # it writes still, for someone else


def _is_full(folder: Path) -> bool:
    """Whether a folder's file system has no room for another block."""
    with contextlib.suppress(OSError):
        system = os.statvfs(folder)
        return system.f_blocks > 0 and system.f_bavail == 0
    return False


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    with _READING_UMASK:
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


def write_tensors(path: Path, save_file: Callable, tensors: dict[str, Any], **names: Any) -> None:
    """Write a safetensors file atomically, with a checksum of all its bytes among its names.

    Args:
        save_file: safetensors' function for the kind of tensors that is given.
        names: JSON values that are kept with the tensors.
    """
    entry = {NAMES: json.dumps({**names, "sha256": NO_CHECKSUM})}
    with atomic_path(path) as beside:
        save_file(tensors, beside, metadata=entry)
        with beside.open("rb+") as file, ThreadPoolExecutor(1) as pool:
            synced = pool.submit(os.fsync, file.fileno())  # the disk writes while the checksum is computed
            place, _, computed = _checksum(beside)
            synced.result()
            file.seek(place)
            file.write(computed.encode())


def read_names(path: Path) -> dict[str, Any]:
    """The names in a safetensors file, once its bytes were found to be those that were written.

    Raises:
        ArtifactError: they are not.
        KeyError: the file has no checksum, and is none of ours.
    """
    _, written, computed = _checksum(path)
    if written != computed:
        raise ArtifactError(
            f"{path}: damaged, its checksum is {computed[:16]}… and was {written[:16]}…; "
            f"delete it and run snakemake {path}"
        )
    return unchecked_names(path)


def unchecked_names(path: Path) -> dict[str, Any]:
    """The names in a safetensors file, for whoever has just written it."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    names = json.loads(header["__metadata__"][NAMES])
    del names["sha256"]
    return names


def written_checksum(path: Path) -> str | None:
    """The checksum that a safetensors file holds, as it was written; None where it holds none."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        found = _CHECKSUM.search(file.read(min(length, 100_000_000)))
    return found[1].decode() if found else None


def _checksum(path: Path) -> tuple[int, str, str]:
    """Where a safetensors file keeps its checksum (bytes from its start), the checksum there, and that of its bytes.

    Raises:
        KeyError: it keeps none.
    """
    with path.open("rb") as file:
        length = file.read(8)
        header = file.read(min(int.from_bytes(length, "little"), 100_000_000))  # safetensors' own limit
        found = _CHECKSUM.search(header)
        if found is None:
            raise KeyError("no checksum")
        digest = hashlib.sha256(length + header[: found.start(1)] + NO_CHECKSUM.encode() + header[found.end(1) :])
        while block := file.read(2**20):
            digest.update(block)
    return 8 + found.start(1), found[1].decode(), digest.hexdigest()


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
