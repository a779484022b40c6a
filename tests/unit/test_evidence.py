"""Evidence over time: a sum that never looks ahead, begins anew with each capture, and what it buys on validation."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canids.artifacts import write_json
from canids.errors import ArtifactError, DatasetError
from canids.evaluation.evidence import (
    FINENESS,
    MOST_RAISED,
    Cusum,
    quiet_cusum,
    quiet_limit,
    validation_delays,
    with_cusum,
    with_cusum_point,
)
from canids.evaluation.thresholds import OperatingPoints, read_points, write_points

fast = settings(max_examples=100, deadline=None)
# halves: their sums are exact, in whatever order they are added
log_odds = st.lists(st.integers(-32, 32).map(lambda n: n / 2), min_size=1, max_size=40).map(np.array)
drifts = st.sampled_from([-2.0, -0.5, 0.0, 1.5])
ceilings = st.sampled_from([1.0, 4.5, 12.0, 1000.0])
POINTS = OperatingPoints({"fusion": 0.0}, 3, 0.02)
SPAN = {"start": 2.0, "end": 4.0, "kind": "DoS", "first_frame": 20, "injected": 5}
LATER = {**SPAN, "start": 6.0, "end": 7.0, "first_frame": 60}
GRAPHS = {"captures": {"s/quiet": {"attack_spans": []}, "s/attacked": {"attack_spans": [SPAN, LATER]}}}


def windows(fusion, capture: str = "attacked", role: str = "calibrate", first: int = 0, attacked=()) -> pl.DataFrame:
    """Consecutive windows of a second, the first of them at ``first``."""
    at = first + np.arange(len(fusion))
    return pl.DataFrame({
        "scenario": "s", "capture": capture, "role": role, "position": at, "last_frame": 10 * at + 9,
        "start": at.astype(float), "end": at + 1.0, "label": np.isin(at, attacked).astype(int),
        "fusion": np.asarray(fusion, float), "read_by": 3,
    })  # fmt: skip


def summed(*parts: pl.DataFrame) -> list[float]:
    return with_cusum(pl.concat(parts), Cusum(0.0, 10.0))["cusum"].to_list()


class TestSum:
    @fast
    @given(first=log_odds, later=log_odds, other=log_odds, drift=drifts, ceiling=ceilings)
    def test_later_windows_change_nothing_earlier(self, first, later, other, drift, ceiling):
        cusum = Cusum(drift, ceiling)
        one, two = (cusum.along(np.concatenate([first, each]))[: len(first)] for each in (later, other))
        np.testing.assert_array_equal(one, two)

    @fast
    @given(scores=log_odds, drift=drifts)
    def test_without_a_ceiling_it_is_the_largest_sum_of_windows_up_to_now(self, scores, drift):
        gains = scores - drift
        largest = [max(0.0, *(gains[a : b + 1].sum() for a in range(b + 1))) for b in range(len(gains))]
        np.testing.assert_array_equal(Cusum(drift, np.inf).along(scores), largest)

    @fast
    @given(scores=log_odds, drift=drifts, ceiling=ceilings)
    def test_each_step_adds_the_windows_gain_and_stays_between_nothing_and_the_ceiling(self, scores, drift, ceiling):
        got = Cusum(drift, ceiling).along(scores)
        before = np.concatenate([[0.0], got[:-1]])
        np.testing.assert_array_equal(got, np.minimum(np.maximum(before + scores - drift, 0), ceiling))

    def test_several_suspicious_windows_add_up(self):
        assert summed(windows([1, 1, 1])) == [1, 2, 3]

    def test_it_begins_anew_with_each_capture(self):
        assert summed(windows([3, 3]), windows([1, 1], "quiet", first=2)) == [3, 6, 1, 2]

    def test_it_begins_anew_behind_a_gap(self):
        assert summed(windows([3, 3]), windows([1, 1], first=3)) == [3, 6, 1, 2]

    def test_it_begins_anew_with_each_role(self):
        assert summed(windows([3, 3], role="fuse"), windows([1, 1], first=2)) == [3, 6, 1, 2]


class TestQuiet:
    """The drift of a vehicle that is enrolled by some drives; the sum alarms above 2."""

    CUSUM = Cusum(-1.0, 12.0)

    def drift(self, *drives) -> float:
        scores = pl.concat([windows(each, f"drive-{number}") for number, each in enumerate(drives)])
        return quiet_cusum(scores, self.CUSUM, 2.0).drift

    @fast
    @given(drives=st.lists(log_odds.map(lambda scores: np.minimum(scores, MOST_RAISED - 1)), min_size=1, max_size=3))
    def test_no_drive_alarms_any_more_and_one_would_with_less(self, drives):
        drift = self.drift(*drives)
        assert all(Cusum(drift, 12.0).along(each).max() <= 2 for each in drives)
        if drift > self.CUSUM.drift:
            assert any(Cusum(drift - FINENESS, 12.0).along(each).max() > 2 for each in drives)

    def test_drives_without_an_alarm_leave_it_as_it_is(self):
        assert self.drift([-3, 1, -3, 1]) == self.CUSUM.drift

    def test_an_attack_on_the_drives_still_alarms(self):
        attack = np.full(100, 16.0)
        assert Cusum(self.drift(attack), 12.0).along(attack).max() > 2

    def test_drives_do_not_add_up(self):
        assert self.drift([-5, 1], [1, -5]) == self.CUSUM.drift


class TestQuietLimit:
    """The threshold of a vehicle that is enrolled by drives of some windows, a second each; it was 2."""

    def limit(self, per_hour: float, *drives: int, ceiling: float = 12.0) -> float:
        scores = pl.concat([windows(np.zeros(seconds), f"drive-{n}") for n, seconds in enumerate(drives)])
        return quiet_limit(scores, Cusum(-1.0, ceiling), 2.0, per_hour)

    def test_the_less_was_driven_the_higher_it_is(self):
        assert self.limit(1.0, 600, 600) == pytest.approx(2 + np.log(3))

    def test_the_rate_of_what_was_driven_leaves_it_as_it_is(self):
        assert self.limit(3.0, 1200) == pytest.approx(2)

    def test_it_is_never_lowered(self):
        assert self.limit(1000.0, 1200) == 2

    def test_it_stays_below_the_ceiling(self):
        assert self.limit(1e-3, 10, ceiling=5.0) == 4

    def test_a_low_ceiling_does_not_lower_it(self):
        assert self.limit(1e-3, 10, ceiling=2.5) == 2


class TestPoint:
    # 2 to 4 s and 6 to 7 s are under attack: windows 1 to 4 and 5 to 7 overlap these
    def limit(self, cusum, label=(2,), capture: str = "attacked") -> float:
        scores = windows(np.zeros(len(cusum)), capture, attacked=label).with_columns(cusum=np.array(cusum, float))
        return with_cusum_point(POINTS, Cusum(0.0, 10.0), scores, GRAPHS).limits["cusum"]

    def test_windows_within_an_attack_count_as_attacked(self):
        assert self.limit([0, 6, 6, 6, 6, 6, 6, 6, 0, 0]) == 3

    def test_windows_that_are_labelled_count_where_no_span_says_so(self):
        assert self.limit([0, 0, 6, 0], capture="quiet") == 3

    def test_windows_of_other_roles_do_not_matter(self):
        scores = windows([0, 6, 6, 6, 6, 6, 6, 6, 0, 0]).with_columns(cusum=pl.col("fusion"))
        tested = windows([9, 1, 9, 1], role="test").with_columns(cusum=pl.col("fusion"))
        one, two = (
            with_cusum_point(POINTS, Cusum(0.0, 10.0), each, GRAPHS) for each in (scores, pl.concat([scores, tested]))
        )
        assert one == two

    def test_it_is_never_below_nothing(self):
        assert self.limit([0] * 10) == 0

    def test_under_attack_throughout_it_says_so(self):
        with pytest.raises(DatasetError, match="every window that calibrates"):
            self.limit([1, 1, 1], label=(0, 1, 2))

    def test_it_is_read_as_it_was_written(self, tmp_path):
        points = replace(POINTS, cusum={"drift": -1.0, "ceiling": 12.0})
        write_points(tmp_path, points)
        assert read_points(tmp_path) == points

    def test_points_that_say_nothing_of_it_are_refused(self, tmp_path):
        write_json(tmp_path / "thresholds.json", {"thresholds": {}, "read_by": 3, "tolerance": 0.02})
        with pytest.raises(ArtifactError, match="evaluate again"):
            read_points(tmp_path)


class TestValidationDelays:
    """The data of the report's plot."""

    def measured(self, attacked, quiet=(1, -9, 2, -9), role: str = "select"):
        scores = pl.concat([windows(attacked, role=role), windows(quiet, "quiet", role)])
        return validation_delays(scores, GRAPHS, ("fusion",))["fusion"]

    def test_false_alarms_are_those_of_attack_free_captures(self):
        # 2 and 1 are the strictest thresholds: none above 2, one alarm in 4 s above 1
        rates = self.measured([9] * 10).curve.false_alarms_per_hour
        assert rates.tolist()[:2] == [0, 900]

    def test_what_precedes_an_attack_is_no_false_alarm(self):
        assert self.measured([9, 0, 0, 0, 0]).curve.threshold.max() == 2

    def test_an_attack_above_the_threshold_is_found(self):
        assert self.measured([0, 0, 0, 3, 0, 0]).found[0] == 1

    def test_its_delay_runs_from_its_begin_to_the_alarming_windows_end(self):
        assert self.measured([0, 0, 0, 3, 0, 0]).delay[0] == 2

    def test_an_attack_below_the_threshold_is_missed(self):
        assert self.measured([0, 0, 0, 2, 0, 0]).delay[0] == np.inf

    def test_later_attacks_of_the_run_do_not_count(self):
        assert self.measured([0, 0, 0, 3, 0, 0, 0, 0, 0]).found[0] == 1

    def test_an_attack_that_began_before_the_run_does_not_count(self):
        scores = pl.concat([windows([9, 9], first=3), windows([0], "quiet")])
        assert validation_delays(scores, GRAPHS, ("fusion",)) == {}

    @pytest.mark.parametrize("role", ["train", "fuse", "test"])
    def test_windows_of_other_roles_do_not_count(self, role):
        scores = pl.concat([windows([9] * 10, role=role), windows([0], "quiet", role)])
        assert validation_delays(scores, GRAPHS, ("fusion",)) == {}

    def test_without_attack_free_captures_there_is_nothing(self):
        assert validation_delays(windows([9] * 10), GRAPHS, ("fusion",)) == {}
