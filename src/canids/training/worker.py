"""One of several processes that train together: ``torchrun -m canids.training.worker FOLDER``."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import warnings
from pathlib import Path

import torch

from canids.artifacts import read_json, write_json
from canids.errors import CanidsError
from canids.training.distributed import ERROR, SAYS, rebuild
from canids.training.termination import Terminated


def main(folder: Path) -> None:
    """Train as the folder's ``job.json`` says; the first process that fails leaves its message beside it."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")  # of Lightning, about torch's own pytrees
    threading.Thread(target=_end_with_whoever_waits, daemon=True).start()
    if os.environ["RANK"] == "0":
        logging.basicConfig(format=f"{SAYS}%(message)s", level=logging.WARNING)
        logging.getLogger("canids").setLevel(logging.INFO)
    try:
        rebuild(read_json(folder / "job.json")).train()
    except CanidsError as error:
        if not (folder / ERROR).exists():
            write_json(folder / ERROR, {"message": str(error), "terminated": isinstance(error, Terminated)})
        sys.exit(1)


def _end_with_whoever_waits() -> None:
    """Whoever started the training holds the other end of the standard input: without it, nobody wants the result."""
    os.read(sys.stdin.fileno(), 1)  # not by the buffered reader, whose lock the end of the process would wait for
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
