"""Which batches of an epoch a process trains on, and which it validates on."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from canids.errors import DatasetError


def training_share(batches: Sequence[torch.Tensor], rank: int, processes: int) -> list[torch.Tensor]:
    """A process's batches of windows: no window is on two processes, and all have equally many batches.

    What is left when the batches do not divide is dealt out by windows; of these, fewer than there are processes may be
    left out of the epoch, for no process can have a batch of none.

    Raises:
        DatasetError: there are fewer windows than processes.
    """
    whole = len(batches) - len(batches) % processes
    share = list(batches[rank:whole:processes])
    if whole < len(batches):
        rest = torch.cat(list(batches[whole:]))
        if len(rest) >= processes:
            share.append(rest.tensor_split(processes)[rank])
    if not share:
        raise _too_few(batches, processes)
    return share


def validation_share(batches: Sequence[torch.Tensor], rank: int, processes: int) -> list[torch.Tensor]:
    """A process's batches of windows: all together they are those of a process alone, cut up where they are too few.

    Raises:
        DatasetError: there are fewer windows than processes.
    """
    if len(batches) < processes:
        windows = torch.cat(list(batches))
        if len(windows) < processes:
            raise _too_few(batches, processes)
        batches = windows.tensor_split(processes)
    return list(batches[rank::processes])


def _too_few(batches: Sequence[torch.Tensor], processes: int) -> DatasetError:
    windows = sum(map(len, batches))
    return DatasetError(f"trainer.devices: {processes} processes cannot share {windows} windows; use fewer")
