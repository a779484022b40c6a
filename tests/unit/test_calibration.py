"""Platt scaling: scores become probabilities that keep their order and depend on no unit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canids.fusion.calibration import PlattScale, fit_platt

fast = settings(max_examples=40, deadline=None)


def scores(seed: int = 0, attacked: int = 200, free: int = 200) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    label = np.repeat([1, 0], [attacked, free])
    return random.normal(0, 1, len(label)) + 2 * label, label


def test_a_probability_is_the_logistic_function_of_the_log_odds():
    scale = PlattScale(2.0, -1.0)
    assert scale.probability(np.array([1.5])) == pytest.approx(1 / (1 + np.exp(-2.0)))


def test_higher_scores_of_attacks_give_higher_probabilities():
    probability = fit_platt(*scores()).probability(np.linspace(-5, 5, 50))
    assert (np.diff(probability) > 0).all()


@pytest.mark.parametrize("score", [-1e30, 1e30, 0.0])
def test_extreme_scores_have_finite_probabilities(score):
    with np.errstate(over="raise", invalid="raise"):
        assert 0 <= fit_platt(*scores()).probability(np.array([score]))[0] <= 1


@fast
@given(factor=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3))
def test_the_scores_unit_and_origin_do_not_matter(factor, shift):
    score, label = scores()
    plain, moved = fit_platt(score, label), fit_platt(factor * score + shift, label)
    np.testing.assert_allclose(moved.probability(factor * score + shift), plain.probability(score), atol=1e-4)


def test_a_score_between_two_equally_wide_classes_is_worth_one_half():
    assert fit_platt(*scores(attacked=5000, free=5000)).probability(np.array([1.0]))[0] == pytest.approx(0.5, abs=0.03)


def test_classes_weigh_the_same_however_rare_one_is():
    assert fit_platt(*scores(attacked=300, free=9000)).probability(np.array([1.0]))[0] == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_that_are_all_the_same_are_worth_one_half(dtype):
    score = np.full(1001, 0.1, dtype)
    probability = fit_platt(score, np.arange(1001) % 2).probability(score)
    np.testing.assert_allclose(probability, 0.5, atol=0.01)


def test_one_class_alone_is_refused():
    with pytest.raises(ValueError, match="class"):
        fit_platt(np.array([1.0, 2.0]), np.array([0, 0]))
