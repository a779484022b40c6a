"""Weighted average, logistic regression, MLP and bandit: what each learns, and what all have in common."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from model_makers import WIDTH, config, fusion_states_of, random_windows
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier

from canids.fusion.alternatives import balanced, best_alpha, fit_alternatives
from canids.fusion.bandit import learn_bandit
from canids.fusion.environment import ALPHAS, STATE_SIZE
from canids.fusion.names import ALTERNATIVES
from canids.fusion.states import FusionStates

SETTINGS = config("fusion.steps=150", "fusion.evidence_decay=0.5").fusion


def made(count: int = 400, seed: int = 0, trust: str = "told") -> FusionStates:
    """The first quantity tells which detector to trust, the second is higher under attack."""
    random = np.random.default_rng(seed)
    label = random.integers(0, 2, count)
    state = random.normal(size=(count, WIDTH))
    state[:, 1] += 3 * label
    gat_right = {"told": state[:, 0] > 0, "vgae": np.zeros(count, bool), "gat": np.ones(count, bool)}[trust]
    truth = np.where(label == 1, 0.9, 0.1)
    vgae, gat = np.where(gat_right, 1 - truth, truth), np.where(gat_right, truth, 1 - truth)
    position = np.arange(count) + 10 * (np.arange(count) // 25)
    return fusion_states_of(label, vgae, gat, position=position, state=state)


@pytest.fixture(scope="module")
def scores() -> dict[str, np.ndarray]:
    train, fresh = made(), made(seed=1)
    return fit_alternatives(train, np.ones(400, bool), SETTINGS, 0).score(fresh, SETTINGS)


def test_each_is_there(scores):
    assert tuple(scores) == ALTERNATIVES


@pytest.mark.parametrize(("name", "auroc"), [("logistic", 0.95), ("mlp", 0.95), ("bandit", 0.8)])
def test_what_the_state_tells_is_learnt(scores, name, auroc):
    assert roc_auc_score(made(seed=1).label, scores[name]) > auroc


@pytest.mark.parametrize("name", ["logistic", "mlp"])
def test_it_scores_as_the_library_that_fitted_it_does(scores, name):
    train, fresh = made(), made(seed=1)
    if name == "logistic":
        fitted = LogisticRegression(class_weight="balanced", max_iter=1000).fit(train.state, train.label)
    else:
        fitted = MLPClassifier((SETTINGS.hidden,), alpha=0.01, max_iter=200, random_state=0)
        fitted.fit(train.state, train.label, sample_weight=balanced(train.label))
    np.testing.assert_allclose(scores[name], fitted.predict_proba(fresh.state)[:, 1], atol=1e-4)


@pytest.mark.parametrize(("trust", "alpha"), [("gat", 1.0), ("vgae", 0.0)])
def test_the_weighted_average_trusts_the_better_detector(trust, alpha):
    states = made(trust=trust)
    assert best_alpha(states.vgae, states.gat, states.label) == alpha


def test_two_detectors_that_err_apart_are_averaged():
    random = np.random.default_rng(0)
    label = random.integers(0, 2, 500)
    one, other = (np.clip(0.5 + 0.3 * (2 * label - 1) + random.normal(0, 0.3, 500), 0.01, 0.99) for _ in range(2))
    assert 0.3 < best_alpha(one, other, label) < 0.7


@pytest.mark.parametrize("name", ALTERNATIVES)
def test_a_window_that_no_profile_speaks_of_is_never_attacked(name):
    states = made()
    blind = replace(states, vgae=np.where(np.arange(400) < 9, 0, states.vgae).astype(np.float32),
                    gat=np.where(np.arange(400) < 9, 0, states.gat).astype(np.float32))  # fmt: skip
    fitted = fit_alternatives(states, np.ones(400, bool), SETTINGS, 0)
    assert not fitted.score(blind, SETTINGS)[name][:9].any()


@pytest.mark.parametrize("name", ALTERNATIVES)
def test_labels_do_not_change_a_score(name):
    states = made()
    fitted = fit_alternatives(states, np.ones(400, bool), SETTINGS, 0)
    one, other = (fitted.score(replace(states, label=label), SETTINGS) for label in (states.label, 1 - states.label))
    assert np.array_equal(one[name], other[name])


def test_windows_that_do_not_fuse_teach_nothing():
    states, fuse = made(), np.arange(400) < 250
    other = replace(states, label=np.where(fuse, states.label, 1 - states.label))
    one, two = (fit_alternatives(each, fuse, SETTINGS, 0).state_dict() for each in (states, other))
    assert all(torch.equal(tensor, two[name]) for name, tensor in one.items())


class TestBandit:
    def test_it_learns_the_expected_reward_of_each_arm(self):
        """One window, always the same: an arm's ridge regression nears its reward, which is 1 or -2."""
        played = random_windows(1)
        played.vgae.fill_(0.9)
        played.gat.fill_(0.1)
        played.label.fill_(1)
        settings = config("fusion.margin_reward=0", "fusion.anchor_cost=0", "fusion.flicker_cost=0", "fusion.ucb=5",
                          "fusion.steps=500", "fusion.missed_cost=2").fusion  # fmt: skip
        expected = learn_bandit(played, settings, 0, 1.0)(torch.cat([played.state, torch.zeros(1, 2)], dim=1))[0]
        rewards = torch.where((1 - ALPHAS) * 0.9 + ALPHAS * 0.1 > 0.5, 1.0, -2.0)
        assert ((expected > 0) == (rewards > 0)).all() and expected.max().item() == pytest.approx(1, abs=0.1)

    def test_the_same_seed_gives_the_same_weights(self):
        one, other, third = (learn_bandit(random_windows(30, 30), SETTINGS, seed, 1.0).weight for seed in (1, 1, 2))
        assert torch.equal(one, other) and not torch.equal(one, third)

    def test_it_sees_what_the_agent_sees(self):
        expected = learn_bandit(random_windows(30), SETTINGS, 0, 1.0)
        assert (expected.in_features, expected.out_features) == (STATE_SIZE, len(ALPHAS))
