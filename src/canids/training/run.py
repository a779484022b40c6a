"""A training run: what it depends on, under which key it resumes, and the record that its metrics carry."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from canids.artifacts import jsonable
from canids.environment import environment, git_state
from canids.provenance import PACKAGE, code_digest
from canids.training.resume import ResumeCheckpoint

PACKAGES = ("canids", "lightning", "numpy", "safetensors", "scikit-learn", "torch", "torch-geometric")


@dataclass(frozen=True)
class Run:
    """A run.

    Attributes:
        folder: the model folder. name: ``<dataset>/seed-<n>/<model>-<scale>``.
        checkpoint: what it resumes from. record: hyper-parameters, commit, inputs, environment.
    """

    folder: Path
    name: str
    checkpoint: ResumeCheckpoint
    record: dict[str, Any]


def describe_run(folder: Path, config: dict[str, Any], inputs: Sequence[Path], module: str) -> Run:
    """Describe a run before it starts.

    Args:
        folder: the model folder. config: what is written as ``config.yaml``.
        inputs: files that it reads. module: the trainer's, whose code counts.
    """
    settings = OmegaConf.to_container(OmegaConf.create(config), resolve=True)
    contents = {"/".join(path.parts[-2:]): _digest(path) for path in inputs}
    # Where a run is tracked changes nothing of what is trained.
    trainer = {name: value for name, value in settings.get("trainer", {}).items() if name != "tracking"}
    where = environment(PACKAGES)
    depends = {
        **settings, "trainer": trainer, "inputs": contents, "code": code_digest(module), "packages": where["packages"]
    }  # fmt: skip
    key = hashlib.sha256(json.dumps(jsonable(depends), sort_keys=True).encode()).hexdigest()[:16]
    record = {
        "key": key,
        "hyper_parameters": settings,
        "git": git_state(PACKAGE),
        "code": depends["code"],
        "data": contents,
        "environment": {
            **where,
            "threads": torch.get_num_threads(),
            "command": sys.argv,
        },
    }
    name = "/".join(folder.parts[-3:])
    return Run(folder, name, ResumeCheckpoint(folder, key), jsonable(record))


def _digest(path: Path) -> str | None:
    """Digest of a file's content; None where there is none (the stage itself says so)."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
