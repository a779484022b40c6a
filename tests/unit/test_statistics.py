"""Intervals over seeds, and the paired bootstrap over recordings and their blocks."""

import numpy as np
import pytest
from makers import rng

from canids.evaluation.reliability import expected_calibration_error, reliability
from canids.evaluation.statistics import BLOCK, f1_difference, mean_interval, resample

WINDOWS = 40 * BLOCK
LABEL = (np.arange(WINDOWS) % 3 == 0).astype(int)
RECORDING = np.repeat(["a", "b", "c", "d"], WINDOWS // 4)
POSITION = np.tile(np.arange(WINDOWS // 4), 4)


def wrong_in(share: float, seed: int) -> np.ndarray:
    """(1, w) alarms of a detector that errs in a share of the windows."""
    return ((LABEL == 1) ^ (rng(seed).random(WINDOWS) < share))[None]


def difference(one: np.ndarray, other: np.ndarray, recording: np.ndarray = RECORDING):
    return f1_difference(resample(recording, POSITION), LABEL, one, other)


class TestMean:
    def test_its_interval_is_students(self):
        interval = mean_interval([0.9, 0.91, 0.92])
        assert (interval.low, interval.high) == pytest.approx((0.91 - 4.3027 * 0.01 / 3**0.5, 0.91 + 0.02484), abs=1e-5)

    def test_one_seed_has_no_interval(self):
        assert np.isnan(mean_interval([0.9]).half_width)

    def test_undefined_values_are_left_out(self):
        assert mean_interval([0.9, np.nan, 0.8]).mean == pytest.approx(0.85)

    def test_of_undefined_values_alone_nothing_is_known(self):
        assert np.isnan(mean_interval([np.nan]).mean)


class TestBootstrap:
    def test_the_difference_is_that_of_the_f1s(self):
        interval, _ = difference(wrong_in(0, 1), np.zeros((1, WINDOWS), bool))
        assert interval.mean == 1

    def test_a_clear_lead_excludes_zero(self):
        interval, not_above = difference(wrong_in(0.01, 1), wrong_in(0.1, 2))
        assert interval.low > 0
        assert not_above == 0

    def test_chance_includes_zero(self):
        interval, _ = difference(wrong_in(0.05, 1), wrong_in(0.05, 2))
        assert interval.low < 0 < interval.high

    def test_errors_that_lie_together_widen_it(self):
        scattered, together = wrong_in(0.05, 1), (LABEL == 1) ^ (np.arange(WINDOWS) < 0.05 * WINDOWS)[None]
        widths = [difference(each, wrong_in(0, 1))[0].half_width for each in (scattered, together)]
        assert widths[1] > 2 * widths[0]

    def test_few_recordings_that_differ_widen_it_though_windows_are_many(self):
        good_in_one = (LABEL == 1) ^ ((rng(3).random(WINDOWS) < 0.2) & (RECORDING != "a"))
        of_four, of_forty = RECORDING, POSITION // BLOCK
        widths = [difference(good_in_one[None], wrong_in(0.1, 4), each)[0].half_width for each in (of_four, of_forty)]
        assert widths[0] > 1.5 * widths[1]

    def test_seeds_are_averaged(self):
        both = np.concatenate([wrong_in(0, 1), np.zeros((1, WINDOWS), bool)])
        assert difference(both, np.zeros((2, WINDOWS), bool))[0].mean == 0.5

    def test_without_an_attack_nothing_is_known(self):
        resamples = resample(RECORDING, POSITION)
        interval, not_above = f1_difference(resamples, 0 * LABEL, *np.zeros((2, 1, WINDOWS), bool))
        assert np.isnan([interval.low, interval.high, not_above]).all()


class TestReliability:
    def test_probabilities_that_hold_have_no_error(self):
        label = np.array([0, 0, 0, 1])
        assert expected_calibration_error(label, np.full(4, np.log(0.25 / 0.75))) == pytest.approx(0)

    def test_sure_and_wrong_is_the_largest_error(self):
        assert expected_calibration_error(np.zeros(3), np.full(3, 50.0)) == pytest.approx(1)

    def test_bins_are_weighted_by_windows(self):
        score = np.array([50.0, 50.0, 50.0, -50.0])
        assert expected_calibration_error(np.array([1, 1, 1, 1]), score) == pytest.approx(0.25)

    def test_a_table_holds_the_bins_that_have_windows(self):
        table = reliability(np.array([0, 1, 1]), np.array([-50.0, 50.0, 50.0]))
        assert (table.observed.tolist(), table.windows.tolist()) == ([0, 1], [1, 2])
