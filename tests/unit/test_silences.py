"""IDs that fell silent, which no node of a window can name."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from makers import periodic
from model_makers import traffic

from canids.evaluation.causes import MOST, Cause
from canids.evaluation.silences import SilenceAttribution, joined, overdue, serving_profiles
from canids.graphs.enroll import fit_profile
from canids.graphs.profile import VehicleProfile, save_profile
from canids.graphs.references import Sample
from canids.graphs.store import GRAPH_COLUMNS, GraphStore
from canids.graphs.windows import Cut, WindowedCapture, window_capture

CUT = Cut(100, 100)
GONE, SINCE = 0x101, 8.0  # an ID of period 0.02 s, and when (s) it falls silent


def windows_of(seed: int, silent: bool = False, never: bool = False) -> WindowedCapture:
    frames = periodic(6000, seed)
    gone = frames.arbitration_id == GONE
    gone &= never | (silent & (frames.timestamp - frames.timestamp[0] > SINCE))
    return window_capture(frames.take(np.flatnonzero(~gone)), CUT)


def profile() -> VehicleProfile:
    capture = windows_of(1)
    return fit_profile([Sample.of(capture, np.ones(len(capture), bool))])


KNOWN, SILENT = profile(), windows_of(2, silent=True)
LAST = len(SILENT) - 1
COLUMN = int(np.searchsorted(KNOWN.key, GONE))


class TestOverdue:
    def test_it_is_the_time_since_the_last_frame_in_longest_pauses(self):
        last_heard = SILENT.timestamp[SILENT.code == np.searchsorted(SILENT.ids, GONE)][-1]
        since = SILENT.timestamp[SILENT.last_frame[LAST]] - last_heard
        wanted = math.log(since) - KNOWN.longest[COLUMN]
        assert overdue(SILENT, KNOWN, np.array([LAST]))[0, COLUMN] == pytest.approx(wanted, rel=1e-5)

    def test_nothing_else_is_overdue(self):
        late = overdue(SILENT, KNOWN, np.arange(len(SILENT)))
        assert (np.delete(late, COLUMN, axis=1) < 0.3).all()

    def test_an_id_that_the_capture_never_showed_is_not(self):
        late = overdue(windows_of(2, never=True), KNOWN, np.array([LAST - 5]))
        assert late[0, COLUMN] == -np.inf

    def test_what_comes_after_a_window_is_not_looked_at(self):
        early = np.flatnonzero(SILENT.timestamp[SILENT.last_frame] - SILENT.timestamp[0] < SINCE)
        assert (overdue(SILENT, KNOWN, early)[:, COLUMN] < 0.3).all()


class TestCauses:
    def store(self, position: int, silence: float) -> GraphStore:
        """A window at a position, whose known reading says so much of silence."""
        store = traffic(1, position=[position])
        store.graph_features[0, GRAPH_COLUMNS.index("known_silence")] = silence
        return store

    def quiet(self) -> GraphStore:
        store = traffic(100, seed=1)
        store.graph_features[:, [GRAPH_COLUMNS.index(f"{name}_silence") for name in ("known", "own")]] = 0
        return store

    def causes(self, position: int, silence: float = 2.0) -> list[Cause]:
        serving = [("known", KNOWN, 0, len(SILENT))]
        return SilenceAttribution(self.quiet()).causes(self.store(position, silence), SILENT, serving)[0]

    def test_the_id_that_fell_silent_is_named(self):
        (cause,) = self.causes(LAST)
        assert (cause.key, cause.reading, cause.statistic) == (GONE, "known", "silence") and cause.surprise > 5

    def test_while_nothing_is_overdue_none_is(self):
        assert self.causes(3) == []

    def test_a_model_that_was_not_shown_silence_did_not_alarm_for_it(self):
        assert self.causes(LAST, silence=0.0) == []

    def test_silence_of_one_id_is_compared_with_windows_in_which_no_more_are_silent(self):
        quiet, silence, ids = (
            self.quiet(),
            *(GRAPH_COLUMNS.index(f"known_{name}") for name in ("silence", "silence_ids")),
        )
        quiet.graph_features[:, ids] = 0
        quiet.graph_features[:20, silence], quiet.graph_features[:20, ids] = 4.0, math.log(5)  # another state
        alone, among_others = self.store(LAST, 2.0), self.store(LAST, 2.0)
        alone.graph_features[0, ids], among_others.graph_features[0, ids] = math.log(2), math.log(5)
        serving = [("known", KNOWN, 0, len(SILENT))]
        one, other = (SilenceAttribution(quiet).causes(each, SILENT, serving)[0] for each in (alone, among_others))
        assert one[0].surprise > 10 > other[0].surprise

    def test_they_are_ranked_among_the_other_causes(self):
        others = [Cause(key, "own", "flips_max", surprise, {}) for key, surprise in ((1, 9.0), (2, 7.0), (3, 5.0))]
        silent = Cause(GONE, "known", "silence", 8.0, {})
        (together,) = joined([others], [[silent]])
        assert [cause.key for cause in together] == [1, GONE, 2] and len(together) == MOST

    def test_an_id_is_named_once_by_what_surprises_most(self):
        both = [Cause(1, "own", "interval_max", 4.0, {})], [Cause(1, "own", "silence", 6.0, {})]
        (together,) = joined([both[0]], [both[1]])
        assert [cause.statistic for cause in together] == ["silence"]


class TestServing:
    def test_each_window_has_its_vehicles_profile_and_its_own_from_the_warm_up_on(self, tmp_path):
        save_profile(tmp_path / "v", KNOWN, "v", [])
        serving = list(serving_profiles(SILENT, tmp_path / "v", 4, True))
        (_, _, *whole), *own = serving
        assert [each[0] for each in serving] == ["known", *["own"] * len(own)] and whole == [0, len(SILENT)]
        bounds = [(first, last) for _, _, first, last in own]
        assert bounds[0][0] == 4 and bounds[-1][1] == len(SILENT)
        assert all(one[1] == other[0] for one, other in itertools.pairwise(bounds))

    def test_an_unknown_vehicle_has_its_own_alone(self):
        assert {each[0] for each in serving_profiles(SILENT, None, 4, True)} == {"own"}


def test_labels_of_windows_change_no_silence():
    store = traffic(1, position=[LAST])
    store.graph_features[0, GRAPH_COLUMNS.index("known_silence")] = 2.0
    attribution, serving = SilenceAttribution(traffic(50, seed=1)), [("known", KNOWN, 0, len(SILENT))]
    before = attribution.causes(store, SILENT, serving)
    store.label[:] = torch.ones_like(store.label)
    assert attribution.causes(store, SILENT, serving) == before
