"""A training step as one CUDA graph: its hundreds of small kernels are launched at once.

Small models on small batches keep a GPU waiting for the host, which launches kernel after kernel. Gathering, losses
and gradients of a step are recorded once and repeated; a graph repeats the same sizes at the same addresses, so batches
are filled up to the size of the largest, and what changes between steps is copied to where the graph reads it. The
optimiser changes the weights where they are. Random numbers in the graph are drawn anew each time, by the device's
generator.
"""

from __future__ import annotations

from collections.abc import Sequence

import lightning
import torch
from lightning.pytorch.strategies import SingleDeviceStrategy

from canids.graphs.batches import gather_padded
from canids.graphs.placement import PlacedStore, Planned
from canids.graphs.store import GraphStore

WARM_UP = 3  # steps before the recording, in which libraries prepare themselves
SPARE = 1 / 32  # of a batch's size, for larger ones in later epochs


def can_capture(trainer: lightning.Trainer, placed: PlacedStore) -> bool:
    """Whether one process trains on a GPU that holds the store, with a loss that needs no scaling."""
    alone = isinstance(trainer.strategy, SingleDeviceStrategy)
    return alone and placed.placed.label.is_cuda and trainer.precision != "16-mixed"


class CapturedStep:
    """Losses and gradients of planned batches of a store.

    Where the device has no room for the graph's own memory, each step is launched anew.

    Args:
        module: has ``step``. plan: the batches of an epoch; it takes the largest of them, and somewhat larger ones.
    """

    def __init__(self, module: lightning.LightningModule, store: GraphStore, plan: Sequence[Planned]) -> None:
        self.store, device = store, store.label.device
        self.graphs, self.size = capacity(plan)
        self.windows = torch.zeros(self.graphs, dtype=torch.int64, device=device)
        self.real = torch.ones((), dtype=torch.int64, device=device)
        self.draw = torch.zeros(self.graphs, device=device)
        self.parameters = [each for each in module.parameters() if each.requires_grad]
        self.gradients = [torch.empty_like(each) for each in self.parameters]
        self.graph: torch.cuda.CUDAGraph | None = None
        self._record(module, device)

    def holds(self, planned: Planned) -> bool:
        """Whether a batch fits, with a node for each graph that is added."""
        nodes, edges = planned.size
        added = self.graphs - planned.num_graphs
        return added > 0 and nodes + added <= self.size[0] and edges <= self.size[1]

    def __call__(self, module: lightning.LightningModule, planned: Planned, draw: torch.Tensor) -> dict:
        """The losses, overwritten by the next call.

        Args:
            draw: (B,) which graphs lose readings, in memory that a GPU copies from by itself.
        """
        self.windows[: planned.num_graphs].copy_(planned.windows)
        self.draw[: planned.num_graphs].copy_(draw, non_blocking=True)
        self.real.fill_(planned.num_graphs)
        if self.graph is None:
            return self._run(module)
        self.graph.replay()
        return self.parts

    def give_gradients(self) -> None:
        """Hand the last call's gradients to the parameters."""
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            parameter.grad = gradient

    def _record(self, module: lightning.LightningModule, device: torch.device) -> None:
        aside, here = torch.cuda.Stream(device), torch.cuda.current_stream(device)
        with torch.random.fork_rng([device]):  # a training that goes on records again, and draws what it would have
            aside.wait_stream(here)
            with torch.cuda.stream(aside):
                for _ in range(WARM_UP):
                    self._run(module)
            here.wait_stream(aside)
            if has_room(device):
                self.graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(self.graph):
                    self.parts = self._run(module)

    def _run(self, module: lightning.LightningModule) -> dict[str, torch.Tensor]:
        parts = module.step(gather_padded(self.store, self.windows, self.real, self.size), self.draw)
        with torch.autocast(self.windows.device.type, enabled=False):  # the way back keeps the types of the way there
            gradients = torch.autograd.grad(parts["loss"], self.parameters)
        torch._foreach_copy_(self.gradients, gradients)
        return {name: value.detach().double() for name, value in parts.items()}


def capacity(plan: Sequence[Planned]) -> tuple[int, tuple[int, int]]:
    """Graphs, and nodes and edges, that hold any of these batches and at least one graph more, each with a node."""
    graphs = _with_spare(max(each.num_graphs for each in plan))
    nodes = _with_spare(max(each.size[0] - each.num_graphs for each in plan)) + graphs
    return graphs, (nodes, _with_spare(max(each.size[1] for each in plan)))


def has_room(device: torch.device) -> bool:
    """Whether as much again as was ever in use would fit: a graph keeps its memory, and validation needs some too."""
    return 2 * torch.cuda.max_memory_allocated(device) <= torch.cuda.get_device_properties(device).total_memory


def _with_spare(size: int) -> int:
    return size + int(size * SPARE) + 1
