"""Event-level metrics, counted by hand on drives of one window a second."""

import numpy as np
import pytest

from canids.evaluation.curves import delay_curve, operating_curve
from canids.evaluation.events import Drive, Span, count_alarms, delays, event_metrics

BURST = Span(start=10.2, end=12.5, first_frame=1020, injected=7, kind="DoS")
SUPPRESSION = Span(start=20.0, end=24.0, first_frame=2000, injected=0, kind="suppression")


def drive(*spans: Span, windows: int = 30) -> Drive:
    """Windows of 100 frames and a second, from 0 s on, without gaps."""
    start = np.arange(windows, dtype=float)
    return Drive(start, start + 1, 100 * np.arange(windows) + 99, spans)


def raised(*windows: int, of: int = 30) -> np.ndarray:
    return np.isin(np.arange(of), windows)


def metrics(*alarms: int, spans=(BURST, SUPPRESSION), kind: str | None = None) -> dict:
    return event_metrics([drive(*spans)], [raised(*alarms)], kind)


class TestDelay:
    def test_it_runs_from_the_first_injected_frame_to_the_end_of_the_window_that_alarms(self):
        seconds, frames = delays(drive(BURST), raised(11))
        assert (seconds.tolist(), frames.tolist()) == ([pytest.approx(1.8)], [1199 - 1020])

    def test_an_alarm_before_the_attack_does_not_find_it(self):
        assert delays(drive(BURST), raised(9))[0].tolist() == [np.inf]

    def test_an_alarm_after_the_attack_does_not_find_it(self):
        assert delays(drive(BURST), raised(13))[0].tolist() == [np.inf]

    def test_the_window_in_which_it_begins_finds_it(self):
        assert delays(drive(BURST), raised(10))[1].tolist() == [1099 - 1020]

    def test_what_was_missed_does_not_count_in_the_median(self):
        assert metrics(11)["delay_s"] == pytest.approx(1.8)

    def test_without_any_found_there_is_none(self):
        assert metrics(5)["delay_s"] is None


class TestBursts:
    def test_each_attack_found_counts_once(self):
        assert metrics(10, 11, 12)["bursts_found"] == 1

    def test_those_of_another_type_are_left_out(self):
        assert metrics(10, kind="suppression")["bursts"] == 1

    def test_an_alarm_in_an_attack_of_another_type_is_still_no_false_one(self):
        assert metrics(10, kind="suppression")["alarms_outside"] == 0


class TestFalseAlarms:
    def test_alarms_less_than_a_second_apart_are_one(self):
        assert count_alarms(drive(), raised(3, 4)) == 1

    def test_alarms_a_second_apart_are_two(self):
        assert count_alarms(drive(), raised(3, 5)) == 2

    def test_without_an_alarm_there_is_none(self):
        assert count_alarms(drive(), raised()) == 0

    def test_only_driving_before_the_first_attack_counts(self):
        assert metrics(2, 6, 11, 15)["false_alarms"] == 2

    def test_the_rate_is_per_hour_of_that_driving(self):
        assert metrics(2, 6)["false_alarms_per_hour"] == pytest.approx(2 / 10 * 3600)

    def test_all_of_an_attack_free_capture_is_driving(self):
        assert metrics(2, spans=())["driving_s"] == 30

    def test_what_comes_between_attacks_counts_outside_of_them(self):
        assert metrics(2, 15, 27)["alarms_outside"] == 3

    def test_an_alarm_during_an_attack_is_not_a_false_one(self):
        assert metrics(10, 11, 12)["alarms_outside"] == 0

    def test_one_that_never_ends_shows_in_the_share_of_time(self):
        assert metrics(*range(10))["driving_under_alarm"] == 1

    def test_without_driving_there_is_no_rate(self):
        span = Span(0.0, 1.0, 0, 3, "DoS")
        assert metrics(3, spans=(span,))["false_alarms_per_hour"] is None


class TestSuppression:
    def test_the_share_of_its_time_under_alarm(self):
        assert metrics(21, 22, 23)["suppressed_under_alarm"] == pytest.approx(3 / 4)

    def test_a_burst_has_none(self):
        assert metrics(11, spans=(BURST,))["suppressed_under_alarm"] is None


class TestCurve:
    """Scores that rise with time: 0, 1, 2, …; driving is 10 s."""

    scores = np.arange(30, dtype=float)

    def test_the_strictest_threshold_lets_nothing_through(self):
        assert operating_curve([drive(BURST)], [self.scores]).false_alarms_per_hour[0] == 0

    def test_at_a_rate_of_one_alarm_it_lets_one_through(self):
        score = np.where(raised(3, 7), self.scores, -1.0)
        curve = operating_curve([drive(BURST)], [score])
        assert (curve.at(0.0), curve.at(1 / 10 * 3600)) == (7.0, 3.0)

    def test_alarms_that_grow_into_one_are_no_improvement(self):
        score = np.where(raised(3, 5), self.scores, np.where(raised(4), 1.0, -1.0))
        curve = operating_curve([drive(BURST)], [score])
        assert curve.at(1 / 10 * 3600) == 3.0
        assert (np.diff(curve.false_alarms_per_hour) >= 0).all()

    def test_without_driving_no_threshold_is_strict_enough(self):
        assert operating_curve([drive(Span(0.0, 1.0, 0, 3, "DoS"))], [self.scores]).at(10.0) == np.inf

    def test_delay_and_share_found_at_each_threshold(self):
        delay, found = delay_curve([drive(BURST)], [self.scores], np.array([50.0, 10.5]))
        assert (delay.tolist(), found.tolist()) == ([np.inf, pytest.approx(1.8)], [0.0, 1.0])
