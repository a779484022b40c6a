"""Operating points: as good on the windows that set them as any threshold, and as far from both classes as can be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from canids.evaluation.thresholds import logit, operating_point

fast = settings(max_examples=100, deadline=None)
labelled_scores = st.lists(st.tuples(st.integers(-16, 16).map(lambda n: n / 2), st.integers(0, 1)), min_size=2).filter(
    lambda rows: len({label for _, label in rows}) == 2
)
tolerances = st.sampled_from([0.0, 0.005, 0.05, 0.3])


def arrays(rows: list[tuple[float, int]]) -> tuple[np.ndarray, np.ndarray]:
    score, label = zip(*rows, strict=True)
    return np.array(score, float), np.array(label)


def f1(score: np.ndarray, label: np.ndarray, threshold: float) -> float:
    return f1_score(label, score > threshold, zero_division=0)


def best_f1(score: np.ndarray, label: np.ndarray) -> float:
    return max(f1(score, label, threshold) for threshold in [score.min() - 1, *score])


class TestOperatingPoint:
    @fast
    @given(rows=labelled_scores, tolerance=tolerances)
    def test_no_threshold_is_better_by_more_than_the_tolerance(self, rows, tolerance):
        score, label = arrays(rows)
        got = f1(score, label, operating_point(score, label, tolerance))
        assert got >= best_f1(score, label) - tolerance - 1e-12

    @fast
    @given(rows=labelled_scores, tolerance=tolerances, seed=st.integers(0, 9))
    def test_the_order_of_windows_does_not_matter(self, rows, tolerance, seed):
        score, label = arrays(rows)
        shuffled = np.random.default_rng(seed).permutation(len(rows))
        again = operating_point(score[shuffled], label[shuffled], tolerance)
        assert again == operating_point(score, label, tolerance)

    @fast
    @given(rows=labelled_scores, tolerance=tolerances, shift=st.integers(-8, 8))
    def test_it_moves_with_the_scores(self, rows, tolerance, shift):
        score, label = arrays(rows)
        moved = operating_point(score + shift, label, tolerance)
        assert moved == pytest.approx(operating_point(score, label, tolerance) + shift)

    @fast
    @given(rows=labelled_scores, copies=st.integers(2, 4))
    def test_windows_counted_several_times_over_change_nothing(self, rows, copies):
        score, label = arrays(rows)
        repeated = operating_point(np.repeat(score, copies), np.repeat(label, copies), 0.0)
        assert repeated == operating_point(score, label, 0.0)

    def test_between_two_classes_apart_it_is_halfway(self):
        assert operating_point(np.array([-5.0, -3.0, 4.0, 6.0]), np.array([0, 0, 1, 1]), 0.0) == pytest.approx(0.5)

    def test_a_single_attack_below_the_quiet_windows_does_not_drag_it_down(self):
        score = np.array([*np.linspace(-9, -3, 300), *np.linspace(4, 9, 60), -12.0])
        label = np.repeat([0, 1], [300, 61])
        assert -3 < operating_point(score, label, 0.005) < 4

    def test_where_an_alarm_on_everything_is_best_everything_alarms(self):
        score, label = np.array([1.0, 2.0, 3.0]), np.array([1, 0, 1])
        assert (score > operating_point(score, label, 0.0)).all()

    @pytest.mark.parametrize("label", [0, 1])
    def test_one_class_alone_is_refused(self, label):
        with pytest.raises(ValueError, match="attacked and attack-free"):
            operating_point(np.array([1.0, 2.0]), np.array([label, label]), 0.0)


class TestLogit:
    @pytest.mark.parametrize("probability", [0.0, 1.0])
    def test_certainty_has_finite_log_odds(self, probability):
        assert np.isfinite(logit(np.array([probability], np.float32)))

    def test_one_half_is_zero(self):
        assert logit(np.array([0.5])) == 0

    def test_it_inverts_the_logistic_function(self):
        x = np.linspace(-12, 12, 49)
        np.testing.assert_allclose(logit(1 / (1 + np.exp(-x))), x, atol=1e-6)

    @fast
    @given(st.lists(st.floats(0, 1), min_size=2))
    def test_it_keeps_the_order(self, probabilities):
        assert (np.diff(logit(np.sort(probabilities))) >= 0).all()
