"""Training in several processes: they are started inside the one job, by torchrun, and rank zero writes.

Neither of Lightning's own launchers fits: one starts the calling script again, which is a workflow's job, a console
script or a notebook; the others fork or spawn a process that has loaded its data, and bring nothing back.
"""

from __future__ import annotations

import inspect
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections import deque
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from canids.artifacts import read_json, write_json
from canids.errors import CanidsError, ConfigError
from canids.training.fit import launched, require_devices
from canids.training.resume import RESUME
from canids.training.termination import Terminated, Termination

logger = logging.getLogger(__name__)
ERROR = "error.json"
LAST_LINES = 1000
SAYS = "canids: "  # begins the lines of a process that are for the log


def needs_processes(trainer: DictConfig) -> bool:
    """Whether the settings (``trainer``) ask for processes that are still to be started.

    Raises:
        CanidsError: several machines are asked for, which torchrun has to start; or a device is not there.
    """
    if launched():
        return False
    if trainer.num_nodes > 1:
        raise ConfigError(
            f"trainer.num_nodes: given {trainer.num_nodes}; start the command on each machine by "
            f"torchrun --nnodes {trainer.num_nodes} --nproc-per-node {trainer.devices} --no-python canids train …"
        )
    require_devices(trainer)
    return trainer.devices > 1


def train_in_processes(trainer: Any) -> dict[str, Any]:
    """Run ``train()`` of one of the modes' trainers in as many processes as its settings ask for.

    Returns:
        The metrics that rank zero wrote.

    Raises:
        CanidsError: what a process ended with. Terminated: SIGTERM came; the state is saved.
    """
    names = list(inspect.signature(type(trainer)).parameters)
    job = {
        "trainer": [type(trainer).__module__, type(trainer).__name__],
        "arguments": {name: _described(getattr(trainer, name)) for name in names},
    }
    with tempfile.TemporaryDirectory(prefix="canids-") as folder, Termination() as termination:
        write_json(Path(folder) / "job.json", job)
        code, other_lines = _run(Path(folder), trainer.trainer.devices, termination)
        failed = Path(folder) / ERROR
        if failed.is_file():
            error = read_json(failed)
            raise (Terminated if error["terminated"] else CanidsError)(error["message"])
    if code:
        raise RuntimeError(f"a process of the training ended with {code}:\n{''.join(other_lines)}")
    (trainer.out / RESUME).unlink(missing_ok=True)
    return read_json(trainer.out / "metrics.json")


def rebuild(job: dict[str, Any]) -> Any:
    """The trainer that a job describes."""
    module, name = job["trainer"]
    return getattr(import_module(module), name)(**{k: _rebuilt(v) for k, v in job["arguments"].items()})


def _run(folder: Path, processes: int, termination: Termination) -> tuple[int, list[str]]:
    """Start the processes, log what they say; returns their exit code and the last lines that are not for the log."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}",
        "-m", "canids.training.worker", str(folder),
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, torch.get_num_threads() // processes))}
    # The pipe to their standard input tells them when this process is gone, and with it whoever waits for them.
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as started:
        termination.then = lambda: started.send_signal(signal.SIGTERM)
        others = deque(maxlen=LAST_LINES)
        for line in started.stdout:
            if line.startswith(SAYS):
                logger.info("%s", line.removeprefix(SAYS).rstrip())
            else:
                others.append(line)
        return started.wait(), list(others)


def _described(value: Any) -> Any:
    if isinstance(value, DictConfig):
        return {"settings": OmegaConf.to_container(value, resolve=True)}
    return {"path": str(value)} if isinstance(value, Path) else {"plain": value}


def _rebuilt(value: dict[str, Any]) -> Any:
    if "settings" in value:
        return OmegaConf.create(value["settings"])
    return Path(value["path"]) if "path" in value else value["plain"]
