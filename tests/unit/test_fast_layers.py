"""What is compiled for a CPU gives what torch and torch_geometric give, gradients too; elsewhere nothing waits."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from model_makers import config, traffic
from torch.nn.functional import elu
from torch_geometric.nn import GATConv
from torch_geometric.utils import scatter

from canids.graphs.batches import NODE_INPUTS, GraphBatch, budget_batches, drop_readings, gather
from canids.graphs.placement import PlacedStore
from canids.models.attention import EdgeAttention
from canids.models.build import build_gat, build_vgae
from canids.models.elu import elu_
from canids.models.pooling import mean_and_max
from canids.models.residual import ResidualDropout
from canids.training.datamodules import BatchLoader
from canids.training.lightning_modules import DistilledGatModule, DistilledVgaeModule

STORE = traffic(30, seed=4, blind=[5])
BATCH = gather(STORE, torch.randperm(30, generator=torch.Generator().manual_seed(0)))
INPUTS, HIDDEN, HEADS = 12, 5, 3


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def close(one: torch.Tensor, other: torch.Tensor) -> None:
    largest = max(1.0, other.abs().max().item()) if other.numel() else 1.0
    torch.testing.assert_close(one, other, atol=1e-5 * largest, rtol=1e-4)


def attentions() -> tuple[GATConv, EdgeAttention]:
    torch.manual_seed(1)
    edge_inputs = BATCH.edge_attr.shape[1]
    theirs = GATConv(INPUTS, HIDDEN, heads=HEADS, edge_dim=edge_inputs, add_self_loops=False)
    torch.nn.init.normal_(theirs.bias)
    ours = EdgeAttention(INPUTS, HIDDEN, HEADS, edge_inputs)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


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
class TestAttention:
    def test_it_gives_what_a_gat_conv_gives(self, batch):
        x = random(len(batch.x), INPUTS)
        theirs, ours = (layer(x, batch.edge_index, batch.edge_attr) for layer in attentions())
        close(ours, theirs)

    def test_its_gradients_are_those_of_a_gat_conv(self, batch):
        gradients = []
        for layer in attentions():
            x, edge_attr = random(len(batch.x), INPUTS).requires_grad_(), batch.edge_attr.clone().requires_grad_()
            out = layer(x, batch.edge_index, edge_attr)
            (out * random(*out.shape, seed=2)).sum().backward()
            parameters = {name: p.grad if p.grad is not None else torch.zeros_like(p)
                          for name, p in layer.named_parameters()}  # fmt: skip
            edges = edge_attr.grad if edge_attr.grad is not None else torch.zeros_like(edge_attr)
            gradients.append({"x": x.grad, "edge_attr": edges, **parameters})
        for name, theirs in gradients[0].items():
            close(gradients[1][name], theirs)


class TestPooling:
    def both(self, nodes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        theirs = [scatter(nodes, BATCH.batch, 0, BATCH.num_graphs, reduce) for reduce in ("mean", "max")]
        return mean_and_max(nodes, BATCH), torch.cat(theirs, dim=1)

    def test_it_gives_each_graphs_mean_and_maximum(self):
        close(*self.both(random(len(BATCH.x), 7)))

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
        mean_and_max(nodes, BATCH)[:, 1].sum().backward()
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


class TestResidualDropout:
    STATE, MESSAGE = random(400, 50), random(400, 50, seed=1)
    ACTIVE = elu(MESSAGE)

    def dropped(self, seed: int = 0, chance: float = 0.3, message: torch.Tensor = MESSAGE) -> torch.Tensor:
        torch.manual_seed(seed)
        return ResidualDropout(chance)(self.STATE, message)

    def test_in_use_nothing_is_dropped(self):
        close(ResidualDropout(0.3).eval()(self.STATE, self.MESSAGE.clone()), self.STATE + self.ACTIVE)

    @pytest.mark.parametrize("chance", [0.1, 0.5, 0.9])
    def test_so_many_are_dropped_and_the_others_scaled_up(self, chance):
        share = (self.dropped(chance=chance) - self.STATE) / self.ACTIVE
        kept = share.abs() > 0.5
        assert kept.float().mean().item() == pytest.approx(1 - chance, abs=0.01)
        torch.testing.assert_close(share[kept], torch.full((int(kept.sum()),), 1 / (1 - chance)), atol=0.05, rtol=0)

    def test_it_drops_in_no_pattern_of_rows_or_columns(self):
        kept = (self.dropped() != self.STATE).float()
        for dim, count in ((0, 400), (1, 50)):
            assert kept.mean(dim=dim).std().item() == pytest.approx((0.3 * 0.7 / count) ** 0.5, rel=0.35)

    def test_torchs_seed_decides_what_is_dropped(self):
        assert torch.equal(self.dropped(1), self.dropped(1)) and not torch.equal(self.dropped(1), self.dropped(2))

    def test_the_gradient_passes_where_the_message_passed(self):
        message = self.MESSAGE.clone().requires_grad_()
        out = self.dropped(message=message)
        out.sum().backward()
        active = self.MESSAGE.clone().requires_grad_()
        elu(active).sum().backward()
        close(out, self.STATE + self.ACTIVE * message.grad / active.grad)


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
        output = model(drop_readings(self.batch(), 0.5, torch.Generator()))
        sum(part.sum() for part in vars(output).values()).backward()
        assert all(p.grad is None or p.grad.is_meta for p in model.parameters())

    def test_what_a_device_gathers_is_what_a_cpu_gathers(self, monkeypatch):
        windows = torch.tensor([3, 0, 3, 29])
        here = gather(STORE, windows)
        monkeypatch.setattr("canids.graphs.batches.COMPILED_FOR", "none")
        there = gather(STORE, windows)
        assert all(torch.equal(tensor, vars(there)[name]) for name, tensor in vars(here).items())
