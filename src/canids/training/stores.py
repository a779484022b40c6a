"""The windows that a trainer works with: the training store, and the part of the validation store that selects."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from canids.errors import DatasetError
from canids.graphs.splits import ROLES
from canids.graphs.store import GraphStore, load_store


@dataclass(frozen=True)
class TrainingStores:
    """``train``, ``val``, and the windows of ``val`` that select ((k,) int64)."""

    train: GraphStore
    val: GraphStore
    select: torch.Tensor

    def attack_free(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Attack-free windows of ``train``, and those of ``val`` that select."""
        return (self.train.label == 0).nonzero().ravel(), self.select[self.val.label[self.select] == 0]


def open_stores(graphs: Path) -> TrainingStores:
    """Open the stores in a graphs folder.

    Raises:
        DatasetError: there are too few windows to train and to validate on.
    """
    train, val = (load_store(graphs / f"{part}.safetensors") for part in ("train", "val"))
    stores = TrainingStores(train, val, windows_of(val, "select"))
    if not all(len(windows) for windows in stores.attack_free()):
        raise DatasetError(f"{graphs}: no attack-free window to train or to validate on; more captures are needed")
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
