"""The windows that a trainer works with: the training store, and the part of the validation store that selects."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from canids.errors import DatasetError
from canids.graphs.splits import ROLES
from canids.graphs.store import GraphStore, load_store

LEAST_WINDOWS = 2  # of a single one no spread can be measured


@dataclass(frozen=True)
class TrainingStores:
    """``train``, ``val``, and the windows of ``val`` that select ((k,) int64)."""

    train: GraphStore
    val: GraphStore
    select: torch.Tensor

    def attack_free(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Attack-free windows of ``train``, and those of ``val`` that select."""
        return (self.train.label == 0).nonzero().ravel(), self.select[self.val.label[self.select] == 0]


def fitting_stores(graphs: Path) -> list[Path]:
    """The files of the stores that are trained and validated on."""
    return [graphs / f"{part}.safetensors" for part in ("train", "val")]


def open_stores(graphs: Path) -> TrainingStores:
    """Open the stores in a graphs folder.

    Raises:
        DatasetError: there are too few windows to train and to validate on.
    """
    train, val = (load_store(path) for path in fitting_stores(graphs))
    stores = TrainingStores(train, val, windows_of(val, "select"))
    for part, windows in zip(("train", "val (select)"), stores.attack_free(), strict=True):
        if len(windows) < LEAST_WINDOWS:
            found = "a single attack-free window" if len(windows) else "no attack-free window"
            raise DatasetError(f"{graphs}: {found} in {part}, {LEAST_WINDOWS} at least are needed; add captures")
    return stores


def windows_of(store: GraphStore, role: str) -> torch.Tensor:
    """(k,) int64 windows of a role."""
    return (store.role == ROLES.index(role)).nonzero().ravel()


def require_attacks(stores: TrainingStores, graphs: Path) -> None:
    """Refuse to train a classifier without both classes in training and validation.

    Raises:
        DatasetError: one of them holds no attacked window.
    """
    for part, label in (("train", stores.train.label), ("val (select)", stores.val.label[stores.select])):
        if not (label == 1).any():
            raise DatasetError(
                f"{graphs}: no attacked window in {part}; a classifier needs labelled attacks to train on"
            )
