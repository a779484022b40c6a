"""The one data module: windows of a store in node-budget batches, in an order that a sampler decides each epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import lightning
import torch

from canids.graphs.batches import GraphBatch, budget_batches
from canids.graphs.placement import PlacedStore, Planned
from canids.graphs.store import GraphStore
from canids.training.captured import can_capture
from canids.training.sharding import training_share, validation_share


class Sampler(Protocol):
    """Decides which windows an epoch trains on, and in which order: a function of seed, epoch and its state."""

    def order(self, epoch: int) -> torch.Tensor:
        """(k,) int64 windows."""
        ...

    def state_dict(self) -> dict[str, torch.Tensor]:
        """What an order depends on beside seed and epoch."""
        ...

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Go on from ``state_dict()``."""
        ...


class ShuffleSampler:
    """Every given window once an epoch, shuffled."""

    def __init__(self, windows: torch.Tensor, seed: int) -> None:
        self.windows, self.seed = windows, seed

    def order(self, epoch: int) -> torch.Tensor:
        return self.windows[torch.randperm(len(self.windows), generator=epoch_generator(self.seed, epoch))]

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        pass


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """A generator that depends on seed and epoch alone, so that a resumed run draws what an uninterrupted one drew."""
    return torch.Generator().manual_seed(seed * 1_000_003 + epoch)


class BatchLoader:
    """Iterates over batches of windows ((b,) int64 each) on the device where their store is placed.

    It can go on after the batches that it gave before it was saved.

    Args:
        gathers: else it gives what is planned, for a step that gathers by itself.
    """

    def __init__(self, store: PlacedStore, batches: Iterable[torch.Tensor], gathers: bool = True) -> None:
        self.store, self.batches, self.gathers = store, store.plan(batches), gathers
        self.given, self._first = 0, 0

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[GraphBatch | Planned]:
        self.given, self._first = self._first, 0
        for planned in self.batches[self.given :]:
            self.given += 1
            yield self.store.gather(planned) if self.gathers else planned

    def state_dict(self) -> dict[str, int]:
        return {"given": self.given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self._first = state["given"]


class GraphDataModule(lightning.LightningDataModule):
    """Training windows by a sampler, validation windows in order.

    Args:
        train, val: stores. sampler: of the training windows. val_windows: (k,) int64 windows of ``val``.
        node_budget: most nodes in a batch; None as long as it is not known.
        epoch_windows: most training windows in an epoch, the first of its order; None: all.
    """

    def __init__(
        self,
        train: GraphStore,
        val: GraphStore,
        sampler: Sampler,
        val_windows: torch.Tensor,
        node_budget: int | None = None,
        epoch_windows: int | None = None,
    ) -> None:
        super().__init__()
        self.train, self.val, self.sampler = train, val, sampler
        self.val_windows, self.node_budget, self.epoch_windows = val_windows, node_budget, epoch_windows

    def setup(self, stage: str) -> None:
        device = self.trainer.strategy.root_device
        self.placed = {part: PlacedStore(store, device) for part, store in (("train", self.train), ("val", self.val))}

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        return batch  # it is there; Lightning would look through all of it at every step

    def order(self, epoch: int) -> torch.Tensor:
        """(k,) int64 windows that an epoch trains on."""
        return self.sampler.order(epoch)[: self.epoch_windows]

    def train_dataloader(self) -> BatchLoader:
        batches = list(budget_batches(self.train, self.order(self.trainer.current_epoch), self.node_budget))
        placed = self.placed["train"]
        share = training_share(batches, self.trainer.global_rank, self.trainer.world_size)
        return BatchLoader(placed, share, gathers=not can_capture(self.trainer, placed))

    def val_dataloader(self) -> BatchLoader:
        batches = list(budget_batches(self.val, self.val_windows, self.node_budget))
        return BatchLoader(
            self.placed["val"], validation_share(batches, self.trainer.global_rank, self.trainer.world_size)
        )

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training has to know: the sampler's state."""
        return {"sampler": self.sampler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.sampler.load_state_dict(state["sampler"])
