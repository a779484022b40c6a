"""Batches filled up to one size, for a recorded step: the real graphs' losses and gradients are what they would be.

Here steps are not recorded but made anew; ``test_cuda.py`` records them on a device.
"""

from __future__ import annotations

import pytest
import torch
from model_makers import traffic
from torch.utils._python_dispatch import TorchDispatchMode
from training_makers import leave_nothing_to_chance, module_of, small_fit

from canids.graphs.batches import IGNORED, PaddedBatch, budget_batches, gather, gather_padded
from canids.graphs.placement import PlacedStore, Planned
from canids.models.encoder import GatEncoder
from canids.training.captured import CapturedStep, capacity
from canids.training.datamodules import ShuffleSampler

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore:.*LeafSpec.*")
STORE = traffic(80, seed=1, attacked=slice(0, None, 4), blind=[5])
WINDOWS = torch.randperm(80, generator=torch.Generator().manual_seed(0))
REAL = 20
KINDS = ["gat", "class-weighted gat", "focal gat", "distilled gat", "vgae", "distilled vgae"]


@pytest.fixture
def without_chance(monkeypatch):
    leave_nothing_to_chance(monkeypatch)


@pytest.fixture
def unrecorded(monkeypatch):
    """Steps of planned batches, on a CPU."""
    monkeypatch.setattr("canids.training.datamodules.can_capture", lambda *_: True)
    monkeypatch.setattr(CapturedStep, "_record", lambda *_: None)


def filled(nodes: int, edges: int):
    return gather_padded(STORE, WINDOWS[:30], torch.tensor(REAL), (nodes, edges))


def batch():
    return gather(STORE, WINDOWS[:REAL])


SIZES = {
    "a node for each graph": (len(batch().x) + 10, len(batch().edge_attr) + 1),
    "no edge": (len(batch().x) + 10, len(batch().edge_attr)),
    "more than the store has": (len(batch().x) + 999, len(batch().edge_attr) + 999),
}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
class TestFilledBatch:
    def test_it_has_the_size(self, size):
        assert (len(filled(*size).x), len(filled(*size).edge_attr)) == size

    def test_the_real_graphs_come_first_and_are_as_gathered(self, size):
        made = filled(*size)
        for name, here in vars(batch()).items():
            there = vars(made)[name]
            assert torch.equal(there[:, : here.shape[1]] if name == "edge_index" else there[: len(here)], here)

    def test_what_was_added_is_labelled_as_ignored(self, size):
        assert (filled(*size).y == IGNORED).tolist() == [False] * REAL + [True] * 10

    def test_no_edge_joins_two_graphs(self, size):
        made = filled(*size)
        source, target = made.batch[made.edge_index]
        assert torch.equal(source, target)

    def test_what_was_added_is_spread_over_the_added_graphs(self, size):
        counts = filled(*size).node_start.diff()[REAL:]
        assert counts.min() >= 1 and counts.max() - counts.min() <= 1


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled layers", "torch's layers"])
@pytest.mark.parametrize("kind", KINDS)
class TestStep:
    def outcome(self, kind, compiled, graphs, monkeypatch):
        if not compiled:
            monkeypatch.setattr(GatEncoder, "_is_compiled_for", lambda *_: False)
        module = module_of(kind, STORE).train()
        parts = module.step(graphs, torch.linspace(0, 1, 30)[: graphs.num_graphs])
        parts["loss"].backward()
        return {name: value.detach() for name, value in parts.items()}, [p.grad for p in module.parameters()]

    def both(self, kind, compiled, monkeypatch):
        made = filled(*SIZES["more than the store has"])
        return [self.outcome(kind, compiled, graphs, monkeypatch) for graphs in (batch(), made)]

    def test_its_losses_are_those_of_the_real_graphs(self, kind, compiled, without_chance, monkeypatch):
        here, there = self.both(kind, compiled, monkeypatch)
        torch.testing.assert_close(there[0], here[0], atol=1e-5, rtol=1e-4)

    def test_its_gradients_are_those_of_the_real_graphs(self, kind, compiled, without_chance, monkeypatch):
        here, there = self.both(kind, compiled, monkeypatch)
        torch.testing.assert_close(there[1], here[1], atol=1e-5, rtol=1e-4)


class Operations(TorchDispatchMode):
    """Names of all that is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.names.add(operation.name())
        return operation(*args, **(kwargs or {}))


@pytest.mark.parametrize("kind", KINDS)
def test_no_step_on_a_device_adds_by_scattering(kind):
    """Which, where algorithms are deterministic, copies from the host, and cannot be recorded."""
    module, store = module_of(kind, STORE).to("meta"), PlacedStore(STORE, "meta").placed
    windows, real = torch.zeros(30, dtype=torch.int64, device="meta"), torch.tensor(REAL, device="meta")
    with Operations() as found:
        graphs = gather_padded(store, windows, real, SIZES["a node for each graph"])
        module.step(graphs, torch.zeros(30, device="meta"))["loss"].backward()
    assert not {name for name in found.names if "scatter_add" in name}


def plan(budget: int) -> list[Planned]:
    return PlacedStore(STORE, "cpu").plan(budget_batches(STORE, WINDOWS, budget))


class TestCapacity:
    @pytest.mark.parametrize("budget", [6, 30, 100, 10_000])
    def test_it_holds_every_batch_that_it_was_made_for(self, budget, unrecorded):
        captured = CapturedStep(module_of("gat", STORE), STORE, plan(budget))
        assert all(captured.holds(each) for each in plan(budget))

    def test_it_holds_no_batch_of_twice_the_size(self, unrecorded):
        captured = CapturedStep(module_of("gat", STORE), STORE, plan(50))
        assert not any(captured.holds(each) for each in plan(100)[:-1])

    def test_it_adds_little(self):
        graphs, size = capacity(plan(100))
        assert size[0] < 110 and graphs <= 1.1 * max(each.num_graphs for each in plan(100))


def trained(kind: str):
    """A module after a fit, the fit, and the steps' batches."""
    module, given = module_of(kind, STORE), []
    step = module.step
    module.step = lambda graphs, draw: given.append(graphs) or step(graphs, draw)
    return module, small_fit(module, STORE), given


@pytest.mark.parametrize("kind", ["gat", "distilled vgae"])
class TestFit:
    def test_weights_are_those_of_a_fit_of_gathered_batches(self, kind, without_chance, request):
        here, _, _ = trained(kind)
        request.getfixturevalue("unrecorded")
        there, _, given = trained(kind)
        assert given and all(isinstance(each, PaddedBatch) for each in given)
        torch.testing.assert_close(there.model.state_dict(), here.model.state_dict(), atol=1e-5, rtol=1e-3)

    def test_losses_are_those_of_a_fit_of_gathered_batches(self, kind, without_chance, request):
        _, here, _ = trained(kind)
        request.getfixturevalue("unrecorded")
        _, there, _ = trained(kind)
        for mine, theirs in zip(there.history, here.history, strict=True):
            assert mine == pytest.approx(theirs, rel=1e-3)

    def test_what_was_recorded_is_given_up_at_the_end(self, kind, unrecorded):
        module, _, _ = trained(kind)
        assert module.captured is None


def test_a_batch_that_does_not_fit_is_recorded_anew(unrecorded, monkeypatch):
    recorded = []
    monkeypatch.setattr(CapturedStep, "_record", lambda step, *_: recorded.append(step.size))
    orders = [torch.arange(10), torch.arange(40), torch.arange(20)]
    monkeypatch.setattr(ShuffleSampler, "order", lambda _, epoch: orders[epoch])
    small_fit(module_of("gat", STORE), STORE, epochs=3, budget=10_000)
    assert len(recorded) == 2 and recorded[0] < recorded[1]
