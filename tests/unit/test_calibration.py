"""Calibration: log-odds in Platt's slope, even where few attack-free windows alarm, whatever speaks of the window."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canids.fusion.calibration import (
    FEWEST,
    READ_BY,
    Calibration,
    limits,
    platt_slope,
    quiet_windows,
    tail_limit,
)

fast = settings(max_examples=40, deadline=None)
KNOWN, OWN, BOTH = 1, 2, 3


def scores(seed: int = 0, attacked: int = 200, free: int = 200) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    label = np.repeat([1, 0], [attacked, free])
    return random.normal(0, 1, len(label)) + 2 * label, label


class TestSlope:
    @fast
    @given(factor=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3))
    def test_the_scores_unit_and_origin_do_not_matter(self, factor, shift):
        score, label = scores()
        assert platt_slope(factor * score + shift, label) * factor == pytest.approx(platt_slope(score, label), rel=1e-3)

    def test_it_is_the_log_odds_per_unit_of_two_normal_classes(self):
        assert platt_slope(*scores(attacked=20_000, free=20_000)) == pytest.approx(2.0, abs=0.1)

    def test_classes_weigh_the_same_however_rare_one_is(self):
        assert platt_slope(*scores(attacked=1000, free=30_000)) == pytest.approx(2.0, abs=0.2)

    def test_a_score_that_falls_under_attack_tells_nothing(self):
        score, label = scores()
        assert platt_slope(-score, label) == 0

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_scores_that_are_all_the_same_have_a_finite_slope(self, dtype):
        assert np.isfinite(platt_slope(np.full(1001, 0.1, dtype), np.arange(1001) % 2))

    def test_one_class_alone_is_refused(self):
        with pytest.raises(ValueError, match="class"):
            platt_slope(np.array([1.0, 2.0]), np.array([0, 0]))


class TestTail:
    @pytest.mark.parametrize("share", [0.1, 0.01, 1e-3, 1e-5])
    def test_of_an_exponential_tail_it_is_the_quantile(self, share):
        score = np.random.default_rng(0).exponential(2.0, 200_000)
        assert tail_limit(score, share) == pytest.approx(-2 * np.log(share), rel=0.05)

    def test_the_smaller_the_share_the_higher(self):
        score = np.random.default_rng(0).normal(size=500)
        found = [tail_limit(score, share) for share in (0.2, 0.05, 0.01, 1e-3, 1e-6)]
        assert found == sorted(found)

    def test_it_never_lies_beyond_the_largest_score(self):
        score = np.random.default_rng(0).normal(size=100)
        assert tail_limit(score, 1e-6) == score.max()

    def test_scores_that_are_all_the_same_are_their_own_limit(self):
        assert tail_limit(np.full(100, 3.0), 1e-4) == 3.0


class TestLimits:
    def sample(
        self, code: int, shift: float, count: int = 400, capture: int = 0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        score = np.random.default_rng(code).normal(size=count) + shift
        return score, np.full(count, code), np.full(count, capture)

    def test_each_way_of_reading_has_its_own(self):
        found = limits([self.sample(KNOWN, 0), self.sample(OWN, 5), self.sample(BOTH, -3)], 0.01)
        assert (found[OWN] - found[KNOWN] > 4, found[KNOWN] - found[BOTH] > 2) == (True, True)

    def test_samples_read_alike_are_taken_together(self):
        together = limits([self.sample(KNOWN, 0), self.sample(KNOWN, 9)], 0.1)
        assert together[KNOWN] > 8

    def test_nine_of_ten_captures_keep_to_it(self):
        captures = [self.sample(KNOWN, shift, capture=shift) for shift in range(11)]
        alone = limits(captures[:1], 0.01)[KNOWN]
        np.testing.assert_allclose(limits(captures, 0.01)[KNOWN], alone + 9)

    def test_captures_too_short_for_a_limit_of_their_own_are_taken_together(self):
        short = [self.sample(KNOWN, 10 * number, FEWEST - 1, number) for number in range(3)]
        assert limits(short, 0.1)[KNOWN] > 20

    def test_where_too_few_windows_are_read_so_the_strictest_holds(self):
        found = limits([self.sample(KNOWN, 0), self.sample(BOTH, 2), self.sample(OWN, 50, FEWEST - 1)], 0.01)
        assert found[OWN] == found[BOTH] > found[KNOWN]

    def test_too_few_windows_altogether_are_refused(self):
        with pytest.raises(ValueError, match=f"{FEWEST - 1} attack-free windows are too few"):
            limits([self.sample(KNOWN, 0, FEWEST - 1)], 0.01)


class TestProbability:
    CALIBRATION = Calibration(2.0, *(np.arange(READ_BY, dtype=float),) * 3)

    def test_at_the_limit_of_its_readings_it_is_one_half(self):
        codes = np.arange(1, READ_BY)
        assert self.CALIBRATION.probability(codes.astype(float), codes).tolist() == [0.5] * len(codes)

    def test_it_is_the_logistic_function_of_the_log_odds(self):
        got = self.CALIBRATION.probability(np.array([4.5]), np.array([BOTH]))
        assert got[0] == pytest.approx(1 / (1 + np.exp(-3.0)))

    @pytest.mark.parametrize("score", [-1e30, 1e30, 0.0])
    def test_extreme_scores_have_finite_probabilities(self, score):
        with np.errstate(over="raise", invalid="raise"):
            assert 0 <= self.CALIBRATION.probability(np.array([score]), np.array([OWN]))[0] <= 1


class TestQuietWindows:
    def test_they_are_those_of_captures_without_an_attack(self):
        assert quiet_windows(np.array([0, 1, 0, 0]), np.array([0, 0, 1, 1])).tolist() == [False, False, True, True]

    def test_where_every_capture_is_attacked_they_are_those_without_an_attack_in_themselves(self):
        assert quiet_windows(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])).tolist() == [True, False, True, False]
