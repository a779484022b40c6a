"""The networks: what they make of a graph does not depend on its batch, and what VGAE errors mean."""

from pathlib import Path

import pytest
import torch
from model_makers import config, node_columns_of, traffic

from canids.config import load_config
from canids.graphs.batches import NODE_INPUTS, NODE_INPUTS_OF, PRESENT, GraphBatch, gather, present_inputs
from canids.graphs.store import GraphStore
from canids.models.build import build_gat, build_vgae
from canids.models.gat import Gat
from canids.models.q_network import QNetwork
from canids.models.vgae import CLIP, Vgae, anomaly_score, node_errors, square_errors, window_errors
from canids.training.model_manager import ModelManager

STORE = traffic(12, attacked=[3, 7], blind=[5])
SHIPPED = load_config(Path(__file__).parents[2] / "config")


@pytest.fixture
def gat() -> Gat:
    torch.manual_seed(0)
    return build_gat(config().models.gat, "teacher").eval()


@pytest.fixture
def vgae() -> Vgae:
    torch.manual_seed(0)
    model = build_vgae(config().models.vgae, "teacher").eval()
    model.input_centre.normal_()
    model.input_spread.uniform_(0.5, 2)
    return model


def batch_of(*windows: int, store: GraphStore = STORE) -> GraphBatch:
    return gather(store, torch.tensor(windows))


def renumbered(batch: GraphBatch) -> GraphBatch:
    """The same graphs, the nodes of each in reverse order."""
    bounds = batch.node_start.unfold(0, 2, 1).tolist()
    new = torch.cat([torch.arange(last - 1, first - 1, -1) for first, last in bounds])
    return GraphBatch(
        x=batch.x[new], edge_index=torch.argsort(new)[batch.edge_index], edge_attr=batch.edge_attr, batch=batch.batch,
        node_start=batch.node_start, y=batch.y, windows=batch.windows,
    )  # fmt: skip


def close(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


class TestGat:
    @pytest.mark.parametrize("window", range(12))
    def test_a_windows_logits_do_not_depend_on_its_batch(self, gat, window):
        close(gat(batch_of(*range(12))).logits[window], gat(batch_of(window)).logits[0])

    def test_a_windows_embedding_does_not_depend_on_its_batch(self, gat):
        close(gat(batch_of(9, 3, 5)).embedding[1], gat(batch_of(3)).embedding[0])

    def test_the_numbering_of_nodes_does_not_matter(self, gat):
        close(gat(renumbered(batch_of(1, 2))).logits, gat(batch_of(1, 2)).logits)

    def test_a_graph_twice_in_one_window_is_classified_as_once(self, gat):
        once, twice = batch_of(4), batch_of(4, 4)
        one_window = GraphBatch(
            x=twice.x, edge_index=twice.edge_index, edge_attr=twice.edge_attr, batch=0 * twice.batch,
            node_start=twice.node_start[[0, 2]], y=once.y, windows=once.windows,
        )  # fmt: skip
        close(gat(one_window).logits, gat(once).logits)

    @pytest.mark.parametrize("part", ["x", "edge_attr"])
    def test_features_matter(self, gat, part):
        batch = batch_of(1)
        before = gat(batch).logits
        getattr(batch, part).mul_(-2)
        assert not torch.allclose(gat(batch).logits, before)

    def test_the_direction_of_edges_matters(self, gat):
        batch = batch_of(4, 6)
        before = gat(batch).logits
        batch.edge_index.copy_(batch.edge_index.flip(0))
        assert not torch.allclose(gat(batch).logits, before)

    def test_every_parameter_learns(self, gat):
        gat.train()(batch_of(*range(12))).logits[:, 1].square().sum().backward()
        assert [name for name, p in gat.named_parameters() if p.grad is None or not p.grad.any()] == []

    def test_a_window_without_an_edge_has_logits(self, gat):
        batch = batch_of(1)
        lonely = GraphBatch(**{**vars(batch), "edge_index": batch.edge_index[:, :0], "edge_attr": batch.edge_attr[:0]})
        assert gat(lonely).logits.isfinite().all()


class TestVgae:
    @pytest.mark.parametrize("window", range(12))
    def test_a_windows_errors_do_not_depend_on_its_batch(self, vgae, window):
        together, alone = batch_of(*range(12)), batch_of(window)
        close(window_errors(vgae, vgae(together), together)[window], window_errors(vgae, vgae(alone), alone)[0])

    def test_in_use_the_latent_is_the_mean(self, vgae):
        output = vgae(batch_of(0, 1))
        assert torch.equal(output.latent, output.mean)

    def test_in_training_the_latent_is_a_sample(self, vgae):
        vgae.train()
        assert not torch.equal(vgae(batch_of(0)).latent, vgae(batch_of(0)).latent)

    def test_samples_spread_as_the_posterior_says(self, vgae):
        vgae.train()
        for layer in (vgae.mean, vgae.log_variance):
            torch.nn.init.zeros_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
        vgae.log_variance.bias.data.fill_(2.0)
        drawn = torch.cat([vgae(batch_of(*range(12))).latent for _ in range(40)])
        assert drawn.std().item() == pytest.approx(torch.tensor(1.0).exp().item(), rel=0.05)

    def test_an_edge_is_not_as_likely_as_its_reverse(self, vgae):
        latent = torch.randn(2, 4)
        assert vgae.edge_logits(latent, torch.tensor([[0], [1]])) != vgae.edge_logits(latent, torch.tensor([[1], [0]]))

    def test_inputs_are_in_spreads_from_the_centre(self, vgae):
        x = batch_of(0).x
        x[:, 7] = vgae.input_centre[7] + 3 * vgae.input_spread[7]
        close(vgae.standardise(x)[:, 7], torch.full((len(x),), 3.0))

    def test_inputs_are_clipped(self, vgae):
        x = batch_of(0).x
        x[:, 7] = -1e4
        assert vgae.standardise(x)[:, 7].tolist() == [-CLIP] * len(x)

    @pytest.mark.parametrize("reading", ["known", "own"])
    def test_inputs_of_a_missing_reading_are_zero_whatever_the_centre(self, vgae, reading):
        x = batch_of(0).x
        x[:, NODE_INPUTS_OF[reading]] = 0
        assert not vgae.standardise(x)[:, NODE_INPUTS_OF[reading]].any()

    @pytest.mark.parametrize("reading", ["known", "own"])
    def test_a_missing_reading_makes_no_error(self, vgae, reading):
        batch = batch_of(0)
        batch.x[:, NODE_INPUTS_OF[reading]] = 0
        nodes, neighbourhood = square_errors(vgae, vgae(batch), batch)
        assert not (nodes[:, NODE_INPUTS_OF[reading]].any() or neighbourhood[:, NODE_INPUTS_OF[reading]].any())

    def test_the_neighbourhood_is_the_mean_of_the_predecessors(self, vgae):
        batch = batch_of(0, 1)
        output, x = vgae(batch), vgae.standardise(batch.x)
        errors = square_errors(vgae, output, batch)[1]
        for node in range(len(x)):
            sources = batch.edge_index[0, batch.edge_index[1] == node]
            close(errors[node], (output.neighbourhood[node] - x[sources].mean(dim=0)).square())

    def test_node_errors_are_means_over_inputs_that_are_there(self, vgae):
        batch = batch_of(0)
        batch.x[:, NODE_INPUTS_OF["own"]] = 0
        there = present_inputs(batch.x)[0].bool()
        output = vgae(batch)
        errors = (output.nodes - vgae.standardise(batch.x)).square()[:, there].mean(dim=1)
        close(node_errors(vgae, output, batch)[0], errors)

    def test_a_windows_node_error_is_that_of_its_worst_node_in_its_five_worst_inputs(self, vgae):
        batch = batch_of(2, 4)
        output = vgae(batch)
        errors = square_errors(vgae, output, batch)[0]
        for g in range(2):
            worst = max(sum(sorted(row)[-5:]) / 5 for row in errors[batch.batch == g].tolist())
            assert window_errors(vgae, output, batch)[g, 0].exp().item() == pytest.approx(worst, rel=1e-4)

    def test_a_windows_edge_error_is_the_mean_of_its_edges(self, vgae):
        batch = batch_of(2, 4)
        output = vgae(batch)
        cost = -vgae.edge_logits(output.latent, batch.edge_index).sigmoid().log()
        mine = cost[batch.batch[batch.edge_index[0]] == 1].mean().item()
        assert window_errors(vgae, output, batch)[1, 1].exp().item() == pytest.approx(mine, rel=1e-4)

    def test_a_blind_windows_errors_are_finite(self, vgae):
        batch = batch_of(5)
        assert window_errors(vgae, vgae(batch), batch).isfinite().all()

    def test_the_score_is_zero_at_the_usual_errors(self, vgae):
        vgae.error_centre.copy_(torch.tensor([1.0, 2.0, 3.0]))
        assert anomaly_score(vgae, torch.tensor([[1.0, 2.0, 3.0]])).item() == 0

    def test_the_score_counts_in_spreads_of_node_and_neighbourhood_error(self, vgae):
        vgae.error_spread.copy_(torch.tensor([2.0, 1.0, 4.0]))
        assert anomaly_score(vgae, torch.tensor([[2.0, 0.0, 8.0]])).item() == pytest.approx(1.5)

    def test_the_edge_error_does_not_enter_the_score(self, vgae):
        assert anomaly_score(vgae, torch.tensor([[1.0, -5.0, 1.0]])) == anomaly_score(vgae, torch.tensor([[1.0, 9, 1]]))

    def test_every_parameter_learns(self, vgae):
        batch = batch_of(*range(12))
        output = vgae.train()(batch)
        edges = vgae.edge_logits(output.latent, batch.edge_index).square().mean()
        (sum(each.sum() for each in square_errors(vgae, output, batch)) + edges).backward()
        assert [name for name, p in vgae.named_parameters() if p.grad is None or not p.grad.any()] == []


class TestInputs:
    def test_flags_of_readings_are_among_the_masked_columns(self):
        assert all(PRESENT[reading] in NODE_INPUTS_OF[reading] for reading in NODE_INPUTS_OF)

    def test_node_columns_of_readings_do_not_overlap(self):
        assert not set(node_columns_of("known")) & set(node_columns_of("own"))


class TestSizes:
    def parameters(self, model: str, scale: str) -> int:
        built = {"gat": build_gat, "vgae": build_vgae}[model](SHIPPED.models[model], scale)
        return ModelManager.get_model_info(built)["parameters"]

    @pytest.mark.parametrize("model", ["gat", "vgae"])
    def test_the_student_has_at_most_a_fifth_of_its_teacher(self, model):
        assert 5 * self.parameters(model, "student") <= self.parameters(model, "teacher")

    def test_the_gat_teacher_has_about_300_000_parameters(self):
        assert self.parameters("gat", "teacher") == pytest.approx(300_000, rel=0.2)

    def test_the_gat_student_has_at_most_50_000_parameters(self):
        assert self.parameters("gat", "student") <= 50_000

    @pytest.mark.parametrize("scale", ["teacher", "student"])
    def test_a_scale_has_the_layers_that_are_asked_for(self, scale):
        settings = config(f"models.gat.{scale}.layers=3").models.gat
        assert len(build_gat(settings, scale).encoder.attend) == 3


def test_a_q_network_values_each_action_of_each_state():
    assert QNetwork(NODE_INPUTS, 8, 21)(torch.zeros(3, NODE_INPUTS)).shape == (3, 21)
