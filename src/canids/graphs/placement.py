"""A graph store where a device can reach it: moved there once, so that a training step copies nothing from the host."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch

from canids.graphs.batches import GraphBatch, batch_size, gather
from canids.graphs.store import GraphStore

MEMORY_SHARE = 0.5  # of a GPU's free memory that a store may take; the rest is for the model


class Planned(NamedTuple):
    """A batch to come: its windows ((b,) int64, where the store is), and its nodes and edges together."""

    windows: torch.Tensor
    size: tuple[int, int]

    @property
    def num_graphs(self) -> int:
        return len(self.windows)


class PlacedStore:
    """A store's batches on a device.

    Where the store does not fit on the device, batches are gathered on the host and sent from pinned memory.
    """

    def __init__(self, store: GraphStore, device: torch.device | str) -> None:
        self.device = torch.device(device)
        self.host = store
        self.placed = store.to(self.device) if fits(store, self.device) else store

    def plan(self, batches: Iterable[torch.Tensor]) -> list[Planned]:
        """Batches of windows ((b,) int64 each), counted on the host and sent to the device all at once."""
        batches = list(batches)
        if not batches:
            return []
        windows = torch.cat(batches).to(self.placed.label.device).split([len(each) for each in batches])
        return [Planned(each, batch_size(self.host, here)) for each, here in zip(windows, batches, strict=True)]

    def gather(self, planned: Planned) -> GraphBatch:
        """A planned batch, on the device."""
        batch = gather(self.placed, *planned)
        if batch.x.device.type == self.device.type:
            return batch
        return batch.pin_memory().to(self.device, non_blocking=True)


def fits(store: GraphStore, device: torch.device) -> bool:
    """Whether a store takes no more than its share of the memory that is free on a device."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return store.nbytes <= MEMORY_SHARE * free
