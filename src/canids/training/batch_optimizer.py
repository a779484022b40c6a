"""How many nodes a batch may hold: found by true training steps on the device at hand."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

import lightning
import torch
from omegaconf import DictConfig

from canids.errors import CanidsError
from canids.graphs.batches import budget_batches
from canids.graphs.placement import PlacedStore
from canids.graphs.store import GraphStore
from canids.training.datamodules import GraphDataModule
from canids.training.device import device_name, device_of
from canids.training.memory import PeakMemory

logger = logging.getLogger(__name__)
STEPS = 2  # of a trial: in the second, gradients and the optimiser's state are there before it begins
PRECISION = 1.1  # bisecting ends when the budget that fits and the one that does not are this close
MEGABYTE = 2**20


@dataclass(frozen=True)
class BatchSize:
    """A node budget and what it rests on.

    Attributes:
        node_budget: most nodes in a batch. limited_by: ``memory``, or ``steps`` where an epoch's least steps limit it.
        fits: largest budget that was seen to fit. fails: smallest that was seen not to, if any was.
        peak_mb: memory of the process (of the device, on a GPU) at the result, MiB. limit_mb: what it may use.
        device: name of the device.
    """

    node_budget: int
    limited_by: str
    fits: int
    fails: int | None
    peak_mb: float
    limit_mb: float
    device: str


class BatchSizeOptimizer:
    """Finds the node budget of a training.

    It doubles, then bisects the budget, each trial a few true steps (forward, backward, optimiser) of a copy of the
    module on the graphs that take most; takes a share of what fits; keeps a least number of steps in an epoch, for a
    budget that holds a small dataset at once trains nothing; and tries the result. Nothing is written, and neither
    the module nor torch's generators are changed.

    Args:
        settings: ``batch_size``. trainer: ``trainer``.
    """

    def __init__(self, settings: DictConfig, trainer: DictConfig) -> None:
        self.settings, self.trainer = settings, trainer

    def optimize_with_datamodule(self, module: lightning.LightningModule, data: GraphDataModule) -> BatchSize:
        """The budget for a data module, whose epochs differ (curriculum): its first epoch is taken for the smallest.

        Raises:
            CanidsError: not even the smallest batch fits.
        """
        return self._optimize(module, data.train, data.order(0), torch.arange(len(data.train)))

    def optimize_with_datasets(
        self, module: lightning.LightningModule, train: GraphStore, windows: torch.Tensor
    ) -> BatchSize:
        """The budget for epochs that all hold the same windows ((k,) int64) of a store.

        Raises:
            CanidsError: not even the smallest batch fits.
        """
        return self._optimize(module, train, windows, windows)

    def _optimize(
        self, module: lightning.LightningModule, store: GraphStore, epoch: torch.Tensor, windows: torch.Tensor
    ) -> BatchSize:
        """``epoch``: windows of the smallest epoch. ``windows``: those that may occur in any."""
        nodes = store.nodes_per_window()
        largest, epoch_nodes = int(nodes[windows].max()), int(nodes[epoch].sum())
        steps = self.settings.least_steps * self.trainer.devices * self.trainer.num_nodes
        by_steps = max(largest, epoch_nodes // steps)
        # More than twice what an epoch may use is never needed, for a share of it is taken.
        most = math.ceil(by_steps / self.settings.safety)
        trial = Trial(module, store, heaviest(store, windows), self.trainer, self.settings.memory_limit * MEGABYTE)
        fits, fails = search(trial.fits, largest, most)
        if fits is None:
            raise CanidsError(
                f"batch_size: a batch of one window ({largest} nodes) already takes {trial.peak / MEGABYTE:.0f} MiB "
                f"of {trial.limit / MEGABYTE:.0f} MiB; raise batch_size.memory_limit or choose a smaller model"
            )
        budget = max(largest, int(fits * self.settings.safety))
        result = min(budget, by_steps)
        if not trial.fits(result):
            raise CanidsError(
                f"batch_size: {result} nodes did not fit although {fits} did; other processes take memory"
            )
        logger.info(
            "batch size: %d nodes (%d fit%s), %.0f of %.0f MiB on %s",
            result, fits, f", {fails} do not" if fails else "", trial.peak / MEGABYTE, trial.limit / MEGABYTE,
            trial.device_name,
        )  # fmt: skip
        return BatchSize(
            node_budget=result,
            limited_by="steps" if result == by_steps else "memory",
            fits=fits,
            fails=fails,
            peak_mb=round(trial.peak / MEGABYTE, 1),
            limit_mb=round(trial.limit / MEGABYTE, 1),
            device=trial.device_name,
        )


def search(fits: Callable[[int], bool], least: int, most: int) -> tuple[int | None, int | None]:
    """Double from ``least`` on while it fits, then bisect.

    Returns:
        The largest budget seen to fit, or None, and the smallest seen not to, or None where ``most`` fits.
    """
    good, bad, budget = None, None, least
    while bad is None and good != most:
        if fits(budget):
            good, budget = budget, min(2 * budget, most)
        else:
            bad = budget
    while good is not None and bad is not None and bad > PRECISION * good and bad - good > 1:
        middle = (good + bad) // 2
        if fits(middle):
            good = middle
        else:
            bad = middle
    return good, bad


def heaviest(store: GraphStore, windows: torch.Tensor) -> torch.Tensor:
    """The windows, those with most edges for a node first: of a batch of so many nodes, these take most memory."""
    edges = store.edge_start.diff()[windows] / store.nodes_per_window()[windows]
    return windows[torch.argsort(edges, descending=True, stable=True)]


class Trial:
    """Training steps of a copy of a module.

    Attributes:
        limit: bytes that may be used. peak: bytes used in the last trial.
    """

    def __init__(
        self,
        module: lightning.LightningModule,
        store: GraphStore,
        windows: torch.Tensor,
        trainer: DictConfig,
        limit: int,
    ) -> None:
        self.module, self.windows = module, windows
        self.nodes = store.nodes_per_window()[windows].cumsum(0)
        self.device_name, self.autocast = device_name(trainer), AUTOCAST.get(trainer.precision)
        self.device = device_of(trainer)
        on_gpu = self.device.type == "cuda"
        self.limit = torch.cuda.get_device_properties(self.device).total_memory if on_gpu else limit
        self.placed = PlacedStore(store, self.device)
        self.peak = 0

    def fits(self, budget: int) -> bool:
        """Whether steps of so many nodes fit into memory."""
        with torch.random.fork_rng(), PeakMemory(self.device, self.limit) as memory:
            try:
                self._steps(budget, memory)
                exhausted = False
            except (torch.OutOfMemoryError, MemoryError):
                exhausted = True
        self.peak = memory.peak
        return not exhausted and memory.peak <= self.limit

    def _steps(self, budget: int, memory: PeakMemory) -> None:
        # Buffers are shared with the copy: a teacher's outputs would count twice.
        module = copy.deepcopy(self.module, {id(buffer): buffer for buffer in self.module.buffers()})
        module.to(self.device).train()
        for layer in module.modules():
            layer.register_forward_hook(lambda *_: memory.check())  # or a trial could take far more than it may
        configured = module.configure_optimizers()
        optimizer = configured["optimizer"] if isinstance(configured, dict) else configured
        windows = self._windows(budget)
        for number, planned in enumerate(self.placed.plan([windows] * STEPS)):
            graphs = self.placed.gather(planned)
            with torch.autocast(self.device.type, self.autocast, enabled=self.autocast is not None):
                loss = module.training_step(graphs, number)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()

    def _windows(self, budget: int) -> torch.Tensor:
        """The first windows that make a batch, taken again where they are too few for it."""
        store = self.placed.host
        return next(budget_batches(store, self.windows.repeat(budget // int(self.nodes[-1]) + 1), budget))


AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
