"""A GPU for each job that asks for one, where nothing but a count keeps jobs apart: a workstation with several."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

VISIBLE = "CUDA_VISIBLE_DEVICES"


@contextlib.contextmanager
def own_gpus(wanted: int, present: int) -> Iterator[None]:
    """Let this process see so many GPUs that no other job of this user on this machine has, if as many are free.

    Where whoever started the process has said what it may see (a scheduler does), that holds. It must come before the
    process first uses a GPU. A claim ends with the block, or with the process.

    Args:
        wanted: GPUs that the job asks for. present: GPUs of the machine.
    """
    if VISIBLE in os.environ or not wanted or present < 2:
        yield
        return
    folder = Path(tempfile.gettempdir()) / f"canids-gpus-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    with contextlib.ExitStack() as claims:
        mine: list[int] = []
        for number in range(present):
            lock = FileLock(folder / f"{number}.lock")
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=0)
                claims.callback(lock.release)
                mine.append(number)
            if len(mine) == wanted:
                os.environ[VISIBLE] = ",".join(map(str, mine))
                claims.callback(os.environ.pop, VISIBLE)
                break
        yield


def gpus_present() -> int:
    """GPUs of the machine, of which a process that has loaded torch can know."""
    return sys.modules["torch"].cuda.device_count() if "torch" in sys.modules else 0
