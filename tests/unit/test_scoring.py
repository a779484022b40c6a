"""Models over a whole store: a window's scores are its own."""

from pathlib import Path

import numpy as np
import pytest
import torch
from model_makers import config, traffic, write_graphs
from sklearn.metrics import roc_auc_score

from canids.graphs.batches import gather
from canids.models import scoring
from canids.models.build import build_gat, build_vgae
from canids.models.scoring import kl_divergence, score_gat, score_vgae
from canids.models.vgae import Vgae, VgaeOutput
from canids.training.model_folder import load_vgae
from canids.training.modes import AutoencoderTrainer

STORE = traffic(40, attacked=[3, 7], blind=[5])
SCORERS = {"gat": (score_gat, ("logits", "embedding")), "vgae": (score_vgae, ("errors", "latent", "score"))}
every_model = pytest.mark.parametrize("name", SCORERS)


def model_of(name: str) -> torch.nn.Module:
    torch.manual_seed(1)
    build = {"gat": build_gat, "vgae": build_vgae}[name]
    return build(config(f"models.{name}.dropout=0.5").models[name], "teacher")


def scores_of(name: str, model: torch.nn.Module, store=STORE) -> list[torch.Tensor]:
    score, parts = SCORERS[name]
    scored = score(model, store)
    return [getattr(scored, part) for part in parts]


def close(one: list[torch.Tensor], other: list[torch.Tensor]) -> None:
    for each, wanted in zip(one, other, strict=True):
        # the spread of equal latents is a difference of squares, and so only zero but for its rounding
        torch.testing.assert_close(each, wanted, atol=5e-4, rtol=1e-5)


@every_model
class TestBoth:
    @pytest.mark.parametrize("budget", [1, 13, 50])
    def test_scores_do_not_depend_on_the_size_of_batches(self, monkeypatch, name, budget):
        model = model_of(name)
        whole = scores_of(name, model)
        monkeypatch.setattr(scoring, "SCORING_BUDGET", budget)
        close(scores_of(name, model), whole)

    def test_scores_follow_their_windows_when_these_are_shuffled(self, name):
        model, order = model_of(name), torch.from_numpy(np.random.default_rng(0).permutation(40))
        close(scores_of(name, model, STORE.select(order)), [each[order] for each in scores_of(name, model)])

    def test_a_windows_scores_do_not_depend_on_which_others_are_scored(self, name):
        model = model_of(name)
        close(scores_of(name, model, STORE.select(torch.tensor([7]))), [each[7:8] for each in scores_of(name, model)])

    def test_every_window_is_scored(self, name):
        assert {len(each) for each in scores_of(name, model_of(name))} == {40}

    def test_nothing_random_enters_a_score(self, name):
        model = model_of(name)
        assert all(map(torch.equal, scores_of(name, model), scores_of(name, model)))

    @pytest.mark.parametrize("training", [True, False])
    def test_the_model_stays_in_the_mode_that_it_was_in(self, name, training):
        model = model_of(name).train(training)
        scores_of(name, model)
        assert model.training is training

    def test_scores_do_not_depend_on_how_many_threads_see_the_batches(self, monkeypatch, name):
        monkeypatch.setattr(scoring, "SCORING_BUDGET", 13)
        model, before = model_of(name), torch.get_num_threads()
        found = []
        try:
            for threads in (1, 3):
                torch.set_num_threads(threads)
                found.append(scores_of(name, model))
                assert torch.get_num_threads() == threads  # and torch is left as it was
        finally:
            torch.set_num_threads(before)
        assert all(map(torch.equal, *found))

    def test_scores_need_no_gradient(self, name):
        assert not any(each.requires_grad for each in scores_of(name, model_of(name)))

    def test_a_blind_windows_scores_are_finite(self, name):
        assert all(each.isfinite().all() for each in scores_of(name, model_of(name)))


class TestGat:
    def test_the_score_is_the_log_odds_of_an_attack(self):
        scored = score_gat(model_of("gat"), STORE)
        odds = scored.logits.softmax(dim=1)
        torch.testing.assert_close(scored.score, (odds[:, 1] / odds[:, 0]).log(), atol=1e-5, rtol=1e-4)

    def test_the_embedding_is_told_by_mean_spread_smallest_and_largest(self):
        model = model_of("gat").eval()
        embedding = model(gather(STORE, torch.tensor([4]))).embedding[0].detach().numpy()
        wanted = [embedding.mean(), embedding.std(ddof=1), embedding.min(), embedding.max()]
        np.testing.assert_allclose(score_gat(model, STORE).embedding[4], wanted, atol=1e-5)


class TestVgae:
    @pytest.mark.parametrize("window", [0, 3, 11])
    def test_the_latent_is_told_by_mean_spread_largest_and_divergence(self, window):
        model = model_of("vgae").eval()
        output = model(gather(STORE, torch.tensor([window])))
        size = output.mean.abs().mean(dim=1).detach().numpy()
        wanted = [size.mean(), size.std(), size.max(), kl_divergence(output).max().item()]
        np.testing.assert_allclose(score_vgae(model, STORE).latent[window], wanted, atol=1e-4)

    def test_the_divergence_of_the_prior_from_itself_is_zero(self):
        zeros = torch.zeros(3, 4)
        assert kl_divergence(VgaeOutput(zeros, zeros, zeros, zeros, zeros)).tolist() == [0, 0, 0]

    def test_the_divergence_is_that_of_two_normal_distributions(self):
        mean, log_variance = torch.randn(5, 3), torch.randn(5, 3)
        normal = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
        wanted = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).sum(dim=1)
        got = kl_divergence(VgaeOutput(mean, log_variance, mean, mean, mean))
        torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Vgae:
    """A VGAE trained for a few epochs on windows whose features are all near 0."""
    folder: Path = tmp_path_factory.mktemp("vgae")
    settings = config("models.vgae.teacher.epochs=6")
    graphs = write_graphs(folder / "graphs")
    AutoencoderTrainer(settings.models.vgae, settings.trainer, 1, "teacher", graphs, folder / "out").train()
    return load_vgae(folder / "out")


class TestTrainedVgae:
    def test_windows_unlike_training_score_higher(self, trained):
        store = traffic(60, seed=9, attacked=slice(0, 30))
        assert roc_auc_score(store.label, score_vgae(trained, store).score) > 0.98

    def test_the_score_rises_with_the_strangeness(self, trained):
        middle = [
            score_vgae(trained, traffic(40, seed=9, attacked=slice(None), strange=by)).score.median().item()
            for by in (0.0, 1.5, 3.0, 6.0)
        ]
        assert middle == sorted(middle)

    def test_attack_free_windows_score_about_zero(self, trained):
        assert abs(score_vgae(trained, traffic(60, seed=9)).score.median().item()) < 1.0
