"""What is compiled for a CPU gives what torch and torch_geometric give, gradients too; elsewhere nothing waits."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from model_makers import config, traffic
from torch.nn.functional import elu
from torch_geometric.utils import scatter

from canids.graphs.batches import NODE_INPUTS, GraphBatch, budget_batches, gather, without_readings
from canids.graphs.placement import PlacedStore
from canids.models.build import build_gat, build_vgae
from canids.models.elu import elu_
from canids.models.encoder import GatEncoder, attended
from canids.models.pooling import mean_and_max_of_elu
from canids.training.datamodules import BatchLoader
from canids.training.lightning_modules import DistilledGatModule, DistilledVgaeModule

STORE = traffic(30, seed=4, blind=[5])
BATCH = gather(STORE, torch.randperm(30, generator=torch.Generator().manual_seed(0)))
HIDDEN, HEADS = 5, 3


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def close(one: torch.Tensor, other: torch.Tensor) -> None:
    largest = max(1.0, other.abs().max().item()) if other.numel() else 1.0
    torch.testing.assert_close(one, other, atol=1e-5 * largest, rtol=1e-4)


def encoder(chance: float = 0.0, layers: int = 2) -> GatEncoder:
    torch.manual_seed(1)
    made = GatEncoder(NODE_INPUTS, BATCH.edge_attr.shape[1], HIDDEN, HEADS, layers, chance)
    for each in made.parameters():
        torch.nn.init.normal_(each, std=0.3)
    return made


def passed(model: GatEncoder, batch: GraphBatch, by_torch: bool = False) -> torch.Tensor:
    """All states of a batch's nodes; torch's and torch_geometric's layers make them where features have a gradient."""
    return model(batch.x.clone().requires_grad_(by_torch), batch.edge_index, batch.edge_attr)


def gradients(model: GatEncoder, states: torch.Tensor) -> dict[str, torch.Tensor]:
    """Of a random sum of the states."""
    model.zero_grad()
    (states * random(*states.shape, seed=2)).sum().backward(retain_graph=True)
    return {name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in model.named_parameters()}


def with_edges(batch: GraphBatch, chosen: torch.Tensor) -> GraphBatch:
    return replace(batch, edge_index=batch.edge_index[:, chosen], edge_attr=batch.edge_attr[chosen])


BATCHES = {
    "as gathered": BATCH,
    "edges in any order": with_edges(BATCH, torch.randperm(len(BATCH.edge_attr))),
    "nodes without an incoming edge": with_edges(BATCH, torch.arange(0, len(BATCH.edge_attr), 3)),
    "no edge at all": with_edges(BATCH, torch.arange(0)),
    "loud": replace(BATCH, edge_attr=200 * BATCH.edge_attr),
}


@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES.keys())
class TestEncoder:
    def test_it_gives_what_torchs_layers_give(self, batch):
        close(passed(encoder(), batch), passed(encoder(), batch, by_torch=True))

    def test_its_gradients_are_those_of_torchs_layers(self, batch):
        model = encoder()
        theirs = gradients(model, passed(model, batch, by_torch=True))
        for name, ours in gradients(model, passed(model, batch)).items():
            close(ours, theirs[name])


@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES.keys())
class TestAttention:
    """By torch, as on a GPU, against torch_geometric's layer."""

    def both(self, batch: GraphBatch) -> list[list[torch.Tensor]]:
        """What comes out, and the gradients of input and parameters, of both."""
        outcomes = []
        for attend in (attended, lambda layer, *given: layer(*given)):
            layer, x = encoder(layers=1).attend[0], random(len(batch.x), HIDDEN * HEADS).requires_grad_()
            out = attend(layer, x, batch.edge_index, batch.edge_attr)
            (out * random(*out.shape, seed=2)).sum().backward()
            grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in layer.parameters()]
            outcomes.append([out.detach(), x.grad, *grads])
        return outcomes

    def test_it_gives_what_the_layer_gives(self, batch):
        ours, theirs = self.both(batch)
        close(ours[0], theirs[0])

    def test_its_gradients_are_those_of_the_layer(self, batch):
        for ours, theirs in zip(*self.both(batch), strict=True):
            close(ours, theirs)


class TestPooling:
    def both(self, nodes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        theirs = [scatter(elu(nodes), BATCH.batch, 0, BATCH.num_graphs, reduce) for reduce in ("mean", "max")]
        return mean_and_max_of_elu(nodes.clone(), BATCH), torch.cat(theirs, dim=1)

    def test_it_gives_each_graphs_mean_and_maximum(self):
        close(*self.both(random(len(BATCH.x), 7)))

    def test_torchs_operations_give_the_same(self, monkeypatch):
        made, _ = self.both(random(len(BATCH.x), 7))
        monkeypatch.setattr("torch.compiler.is_compiling", lambda: True)
        close(self.both(random(len(BATCH.x), 7))[0], made)

    def test_its_gradient_is_theirs(self):
        gradients = []
        for side in (0, 1):
            nodes = random(len(BATCH.x), 7).requires_grad_()
            pooled = self.both(nodes)[side]
            (pooled * random(*pooled.shape, seed=2)).sum().backward()
            gradients.append(nodes.grad)
        close(*gradients)

    def test_nodes_that_share_a_maximum_share_its_gradient(self):
        nodes = torch.ones(len(BATCH.x), 1, requires_grad=True)
        mean_and_max_of_elu(nodes, BATCH)[:, 1].sum().backward()
        close(nodes.grad[:, 0], 1 / BATCH.node_start.diff()[BATCH.batch])


class TestElu:
    EXTREMES = torch.tensor([0.0, -88.0, -1e30, float("-inf"), float("inf")])
    X = torch.cat([random(1000) * 10 ** random(1000, seed=1), EXTREMES])

    def test_it_gives_what_torch_gives(self):
        torch.testing.assert_close(elu_(self.X.clone()), elu(self.X), atol=1e-7, rtol=1e-6)

    def test_its_gradient_is_torchs(self):
        x, other = (self.X.clone().requires_grad_() for _ in range(2))
        elu_(x * 1).sum().backward()
        elu(other).sum().backward()
        torch.testing.assert_close(x.grad, other.grad, atol=1e-6, rtol=1e-6)

    def test_what_is_not_a_number_stays_so(self):
        assert elu_(torch.tensor([1.0, float("nan")])).isnan().tolist() == [False, True]


class TestDropout:
    """What a layer adds to a state, in training and in use."""

    GRAPHS = gather(STORE, torch.arange(30).repeat(20))

    def added(self, chance: float, training: bool = True, seed: int = 0) -> torch.Tensor:
        model = encoder(chance, layers=1).train(training)
        torch.manual_seed(seed)
        before, after = passed(model, self.GRAPHS).detach().chunk(2, dim=1)
        return after - before

    def test_in_use_nothing_is_dropped(self):
        close(self.added(0.3, training=False), self.added(0.0))

    @pytest.mark.parametrize("chance", [0.1, 0.5, 0.9])
    def test_so_many_are_dropped_and_the_others_scaled_up(self, chance):
        kept = self.added(chance) != 0
        assert kept.float().mean().item() == pytest.approx(1 - chance, abs=0.01)
        close(self.added(chance)[kept], (self.added(chance, training=False) / (1 - chance))[kept])

    def test_it_drops_in_no_pattern_of_rows_or_columns(self):
        kept = (self.added(0.3) != 0).float()
        for dim, count in ((0, len(kept)), (1, kept.shape[1])):
            assert kept.mean(dim=dim).std().item() == pytest.approx((0.3 * 0.7 / count) ** 0.5, rel=0.35)

    def test_each_layer_drops_by_itself(self):
        states = passed(encoder(0.3, layers=2), self.GRAPHS).detach().chunk(3, dim=1)
        first, second = ((after != before).float() for before, after in pairwise(states))
        assert (first * second).mean().item() == pytest.approx(0.7 * 0.7, abs=0.02)

    def test_torchs_seed_decides_what_is_dropped(self):
        assert torch.equal(self.added(0.3, seed=1), self.added(0.3, seed=1))
        assert not torch.equal(self.added(0.3, seed=1), self.added(0.3, seed=2))

    def test_the_gradient_passes_where_the_message_passed(self, monkeypatch):
        model = encoder(0.3, layers=1)
        states = passed(model, self.GRAPHS)
        before, after = states.detach().chunk(2, dim=1)
        kept = (after != before) / 0.7
        monkeypatch.setattr("torch.nn.functional.dropout", lambda x, p, training: x * kept if p else x)
        theirs = gradients(model, passed(model, self.GRAPHS, by_torch=True))
        for name, ours in gradients(model, states).items():
            close(ours, theirs[name])

    def test_the_way_back_can_be_gone_twice(self):
        model = encoder(0.3)
        states = passed(model, BATCH)
        first = gradients(model, states)
        assert all(torch.equal(first[name], again) for name, again in gradients(model, states).items())


class TestOnADevice:
    """The meta device computes no value, so that whatever waits for one, or copies from the host, fails on it."""

    def batch(self) -> GraphBatch:
        loader = BatchLoader(PlacedStore(STORE, "meta"), budget_batches(STORE, torch.arange(30), 40))
        return list(loader)[1]

    def test_a_batch_is_gathered_without_a_look_at_it(self):
        here = gather(STORE, list(budget_batches(STORE, torch.arange(30), 40))[1])
        assert {name: (t.shape, t.dtype, t.device.type) for name, t in vars(self.batch()).items()} == {
            name: (t.shape, t.dtype, "meta") for name, t in vars(here).items()
        }

    @pytest.mark.parametrize("name", ["gat", "vgae"])
    def test_a_distilled_student_learns_without_a_look_at_its_teacher(self, name):
        settings = config().models[name]
        if name == "gat":
            module = DistilledGatModule(build_gat(settings, "student"), settings, 2, 0, random(30, 2))
        else:
            teacher = random(len(STORE.nodes), 4), random(len(STORE.nodes), NODE_INPUTS)
            module = DistilledVgaeModule(build_vgae(settings, "student"), settings, 2, 0, STORE, *teacher)
        assert module.to("meta").training_step(self.batch(), 0).is_meta

    @pytest.mark.parametrize(("build", "name"), [(build_gat, "gat"), (build_vgae, "vgae")])
    def test_a_model_trains_without_a_look_at_the_batch(self, build, name):
        model = build(config().models[name], "teacher").to("meta")
        batch = self.batch()
        output = model(without_readings(batch, 0.5, torch.rand(batch.num_graphs, device="meta")))
        sum(part.sum() for part in vars(output).values()).backward()
        assert all(p.grad is None or p.grad.is_meta for p in model.parameters())

    def test_what_a_device_gathers_is_what_a_cpu_gathers(self, monkeypatch):
        windows = torch.tensor([3, 0, 3, 29])
        here = gather(STORE, windows)
        monkeypatch.setattr("canids.graphs.batches.COMPILED_FOR", "none")
        there = gather(STORE, windows)
        assert all(torch.equal(tensor, vars(there)[name]) for name, tensor in vars(here).items())
