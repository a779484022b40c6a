"""A capture read against a profile: what the features mean, that nothing in them comes from later, none from labels."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from makers import frames_of, periodic, rng, some_frames
from reference import Profile, edges_of, facts_of, key_of, silence_of, windows_of

from canids.frames.frames import Frames
from canids.graphs.enroll import fit_profile
from canids.graphs.profile import VehicleProfile
from canids.graphs.readings import (
    GRAPH_FEATURES,
    LARGEST,
    NODE_FEATURES,
    SILENT,
    Reading,
    known_reading,
    own_profiles,
    own_reading,
)
from canids.graphs.references import Sample
from canids.graphs.statistics import STATISTICS, read_nodes, z_scores
from canids.graphs.windows import Cut, WindowedCapture, window_capture

WARMUP = 4
SIZES = {"window": st.integers(4, 12), "stride": st.integers(1, 15)}
fast = settings(max_examples=40, deadline=None)
SILENCE, PRESENT = GRAPH_FEATURES.index("silence"), GRAPH_FEATURES.index("present")
SILENCE_IDS = GRAPH_FEATURES.index("silence_ids")


def fitted(frames: Frames, window: int = 10, stride: int = 10) -> VehicleProfile:
    capture = window_capture(frames, Cut(window, stride))
    return fit_profile([Sample.of(capture, np.ones(len(capture), bool))])


def silenced(frames: Frames, number: int, since: float) -> Frames:
    """The frames without those of an ID from some time (s since the first) on."""
    return frames.take((frames.arbitration_id != number) | (frames.timestamp - frames.timestamp[0] < since))


KNOWN = fitted(periodic(600, 50))
READINGS = {"known": lambda capture: known_reading(capture, KNOWN), "own": partial(own_reading, warmup=WARMUP)}
each_reading = pytest.mark.parametrize("read", READINGS.values(), ids=READINGS)


def features_until(capture: WindowedCapture, reading: Reading, count: int) -> list[np.ndarray]:
    """Everything that a reading says of the first windows."""
    return [
        reading.nodes[: capture.node_start[count]],
        reading.edges[: capture.edge_start[count]],
        reading.graphs[:count],
    ]


def other_future(frames: Frames, last: int, seed: int) -> Frames:
    """The frames up to the given one, and then others: IDs, payloads, lengths, gaps and labels made anew."""
    random = rng(seed)
    later = np.arange(len(frames)) > last
    count = int(later.sum())
    changed = {name: getattr(frames, name).copy() for name in ("arbitration_id", "payload", "dlc", "timestamp")}
    changed["arbitration_id"][later] = random.integers(0x0FE, 0x108, count)
    changed["payload"][later] = random.integers(0, 256, (count, 8))
    changed["dlc"][later] = random.integers(0, 9, count)
    changed["timestamp"][later] = frames.timestamp[last] + np.cumsum(random.exponential(0.02, count))
    return replace(frames, **changed, attack=frames.attack | later)


class TestCausality:
    """No feature of a window knows of a frame behind the window's last."""

    @each_reading
    @fast
    @given(
        seed=st.integers(0, 50),
        window=st.integers(5, 12),
        stride=st.integers(2, 14),
        ends=st.integers(0, 59),
        future=st.integers(0, 99),
    )
    def test_another_future_changes_no_earlier_window(self, read, seed, window, stride, ends, future):
        frames = periodic(400, seed)
        capture = window_capture(frames, Cut(window, stride))
        assume(ends < len(capture) - 1)
        last = int(capture.last_frame[ends])
        changed = window_capture(other_future(frames, last, future), Cut(window, stride))
        before = features_until(capture, read(capture), ends + 1)
        after = features_until(changed, read(changed), ends + 1)
        for expected, got in zip(before, after, strict=True):
            np.testing.assert_array_equal(got, expected)

    @each_reading
    @fast
    @given(seed=st.integers(0, 50), stride=st.integers(2, 14), length=st.integers(100, 399))
    def test_a_capture_cut_off_reads_as_the_beginning_of_the_whole(self, read, seed, stride, length):
        whole = window_capture(periodic(400, seed), Cut(10, stride))
        part = window_capture(periodic(400, seed).take(slice(0, length)), Cut(10, stride))
        expected = features_until(whole, read(whole), len(part))
        for beginning, got in zip(expected, features_until(part, read(part), len(part)), strict=True):
            np.testing.assert_array_equal(got, beginning)

    @pytest.mark.parametrize("stride", [3, 10, 14])
    def test_an_own_profile_knows_nothing_of_the_windows_that_it_serves(self, stride):
        frames = periodic(600, 7)
        for profile, nodes in own_profiles(window_capture(frames, Cut(10, stride)), WARMUP):
            changed = window_capture(other_future(frames, nodes.first * stride - 1, 1), Cut(10, stride))
            (other,) = (each for each, served in own_profiles(changed, WARMUP) if served.first == nodes.first)
            for name, value in vars(profile).items():
                np.testing.assert_array_equal(getattr(other, name), value, name)

    @each_reading
    def test_labels_change_nothing(self, read):
        frames = periodic(400, 7)
        labelled = replace(frames, attack=rng(1).random(400) < 0.3, attack_type=np.ones(400, np.int8))
        plain, other = (read(window_capture(each, Cut(10, 5))) for each in (frames, labelled))
        assert all(np.array_equal(getattr(plain, part), getattr(other, part)) for part in vars(plain))


class TestAgainstTheReference:
    @fast
    @given(seed=st.integers(0, 99), since=st.tuples(*[st.floats(0.0, 1.0)] * 4), **SIZES)
    def test_silence_is_alike(self, seed, since, window, stride):
        frames, others = periodic(200, seed), periodic(200, seed + 100)
        for number, second in enumerate(since):
            others = silenced(others, 0x100 + number, second)
        assume(len(others) >= window)
        capture, plain = learned(frames, others, window, stride)
        got = known_reading(capture, fitted(frames, window, stride)).graphs[:, [SILENCE, SILENCE_IDS]]
        expected = [silence_of(others, each[-1], plain) for each in windows_of(len(others), window, stride)]
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)

    @fast
    @given(frames=some_frames(least=12), others=some_frames(least=12), **SIZES)
    def test_edges_cost_what_the_transition_costs(self, frames, others, window, stride):
        capture, plain = learned(frames, others, window, stride)
        expected = [
            plain.transition(*pair)
            for each in windows_of(len(others), window, stride)
            for pair in edges_of([key_of(others, i) for i in each])
        ]
        got = known_reading(capture, fitted(frames, window, stride)).edges
        np.testing.assert_allclose(got, np.reshape(expected, (-1, 1)), rtol=1e-4, atol=1e-4)

    @fast
    @given(frames=some_frames(least=12), others=some_frames(least=12), **SIZES)
    def test_node_features_are_bounded(self, frames, others, window, stride):
        capture, _ = learned(frames, others, window, stride)
        assert np.abs(known_reading(capture, fitted(frames, window, stride)).nodes).max(initial=0) <= LARGEST

    @fast
    @given(frames=some_frames(least=12), others=some_frames(least=12), **SIZES)
    def test_graph_features_are_finite(self, frames, others, window, stride):
        capture, _ = learned(frames, others, window, stride)
        assert np.isfinite(known_reading(capture, fitted(frames, window, stride)).graphs).all()


def learned(frames: Frames, others: Frames, window: int, stride: int) -> tuple[WindowedCapture, Profile]:
    """The others in windows, and what the plain reference learns from the frames."""
    ranges = windows_of(len(frames), window, stride)
    assume(ranges)
    facts = facts_of(frames)
    return window_capture(others, Cut(window, stride)), Profile(
        [facts[i] for i in sorted({i for r in ranges for i in r})]
    )


class TestMeaning:
    @pytest.mark.parametrize(
        ("feature", "expected"), [("heard", np.log(KNOWN.frames)), ("unsteady", KNOWN.mad / 0.15)], ids=str
    )
    def test_each_node_says_what_its_id_is_usually_like(self, feature, expected):
        capture = window_capture(periodic(100, 1), Cut(10, 10))
        got = known_reading(capture, KNOWN).nodes[:, NODE_FEATURES.index(feature)]
        rows = KNOWN.rows(capture.ids[capture.node_code])
        np.testing.assert_allclose(got, np.arcsinh(expected[rows]), rtol=1e-5)

    def test_without_a_profile_everything_is_zero(self):
        reading = known_reading(window_capture(periodic(100, 1), Cut(10, 10)), None)
        assert not any(part.any() for part in vars(reading).values())

    def test_every_window_has_a_known_reading(self):
        assert known_reading(window_capture(periodic(100, 1), Cut(10, 10)), KNOWN).graphs[:, PRESENT].all()

    def test_the_own_reading_begins_behind_the_warm_up(self):
        present = own_reading(window_capture(periodic(100, 1), Cut(10, 10)), WARMUP).graphs[:, PRESENT]
        assert present.tolist() == [0] * WARMUP + [1] * 6

    def test_a_capture_no_longer_than_the_warm_up_has_no_own_reading(self):
        assert not own_reading(window_capture(periodic(40, 1), Cut(10, 10)), WARMUP).nodes.any()

    def test_a_nodes_features_are_asinh_of_statistics_and_z(self):
        capture = window_capture(periodic(100, 1), Cut(10, 10))
        statistics = read_nodes(capture, KNOWN, 0, 10).statistics
        z = z_scores(statistics, KNOWN, KNOWN.rows(capture.node_key))
        for name, column in (("interval_mean", statistics), ("interval_mean_z", z)):
            got = known_reading(capture, KNOWN).nodes[:, NODE_FEATURES.index(name)]
            expected = np.arcsinh(column[:, STATISTICS.index("interval_mean")])
            np.testing.assert_allclose(got, np.clip(expected, -LARGEST, LARGEST), rtol=1e-5)

    def test_an_unseen_id_is_flagged_and_says_nothing_else(self):
        frames = periodic(10, 1)
        frames.arbitration_id[:] = 0x700
        nodes = known_reading(window_capture(frames, Cut(10, 10)), KNOWN).nodes
        assert dict(zip(NODE_FEATURES, nodes[0], strict=True)) == {
            name: pytest.approx(np.arcsinh(1)) if name == "unseen" else 0 for name in NODE_FEATURES
        }

    def test_a_known_id_is_not_flagged(self):
        nodes = known_reading(window_capture(periodic(10, 1), Cut(10, 10)), KNOWN).nodes
        assert not nodes[:, NODE_FEATURES.index("unseen")].any()

    def test_the_duration_is_told_relative_to_the_usual_one(self):
        frames = periodic(600, 50)
        slow = replace(frames, timestamp=frames.timestamp[0] + 3 * (frames.timestamp - frames.timestamp[0]))
        got = known_reading(window_capture(slow, Cut(10, 10)), KNOWN).graphs[:, GRAPH_FEATURES.index("log_duration")]
        assert np.median(got) == pytest.approx(np.log(3), abs=0.01)

    def test_usual_traffic_holds(self):
        graphs = known_reading(window_capture(periodic(600, 51), Cut(10, 10)), KNOWN).graphs
        assert np.median(graphs[:, GRAPH_FEATURES.index("holds")]) > 0.9

    def test_windows_of_unseen_ids_hold_nothing(self):
        frames = periodic(100, 1)
        frames.arbitration_id[:] += 0x400
        graphs = known_reading(window_capture(frames, Cut(10, 10)), KNOWN).graphs
        assert not graphs[:, GRAPH_FEATURES.index("holds")].any()


class TestSilence:
    @each_reading
    def test_nothing_is_silent_in_usual_traffic(self, read):
        assert read(window_capture(periodic(600, 51), Cut(10, 10))).graphs[:, SILENCE].max() < 0.5

    @each_reading
    def test_it_grows_with_the_time_since_an_id_fell_silent(self, read):
        frames = silenced(periodic(1200, 51), 0x100, 3.0)
        capture = window_capture(frames, Cut(10, 10))
        seconds = frames.timestamp[capture.last_frame] - frames.timestamp[0] - 3.0
        late = seconds > 0.5
        got = read(capture).graphs[late, SILENCE]
        # 0x100 has a period of 10 ms
        np.testing.assert_allclose(got, np.minimum(np.log(seconds[late] / 0.01), SILENT), atol=0.5)

    def test_the_ids_that_fell_silent_are_counted(self):
        frames = silenced(silenced(periodic(1200, 51), 0x100, 3.0), 0x101, 4.0)
        capture = window_capture(frames, Cut(10, 10))
        seconds = frames.timestamp[capture.last_frame] - frames.timestamp[0]
        got = known_reading(capture, KNOWN).graphs[:, SILENCE_IDS]
        for begin, end, count in ((0.0, 3.0, 0), (3.1, 4.0, 1), (4.2, np.inf, 2)):
            np.testing.assert_allclose(got[(seconds > begin) & (seconds < end)], np.log(1 + count), rtol=1e-6)

    def test_an_id_without_a_period_is_not_missed(self):
        frames = periodic(1200, 51)
        now_and_then = (frames.arbitration_id != 0x101) | (rng(3).random(len(frames)) < 0.3)
        usual = frames.take(now_and_then)
        reading = known_reading(window_capture(silenced(usual, 0x101, 3.0), Cut(10, 10)), fitted(usual))
        assert not reading.graphs[:, [SILENCE, SILENCE_IDS]].any()

    def test_an_id_that_the_capture_never_had_is_not_missed(self):
        frames = silenced(periodic(600, 51), 0x100, 0.0)
        assert known_reading(window_capture(frames, Cut(10, 10)), KNOWN).graphs[:, SILENCE].max() < 0.5

    def test_it_ends_when_the_id_is_back(self):
        frames = periodic(1200, 51)
        since = frames.timestamp - frames.timestamp[0]
        gone = frames.take((frames.arbitration_id != 0x100) | (since < 1.0) | (since > 3.0))
        capture = window_capture(gone, Cut(10, 10))
        back = gone.timestamp[capture.first_frame] - gone.timestamp[0] > 3.1
        assert known_reading(capture, KNOWN).graphs[back, SILENCE].max() < 0.5


class TestGrowth:
    """The own profile as it grows at each doubling."""

    def grown(self, change=lambda frames: None) -> list[tuple[VehicleProfile, int, int]]:
        frames = periodic(3200, 7)
        change(frames)
        profiles = own_profiles(window_capture(frames, Cut(40, 40)), 20)
        return [(profile, nodes.first, nodes.last) for profile, nodes in profiles]

    def test_profiles_serve_the_windows_behind_the_warm_up_without_a_gap(self):
        assert [(first, last) for _, first, last in self.grown()] == [(20, 40), (40, 80)]

    def test_the_second_profile_rests_on_more_frames_than_the_first(self):
        (early, *_), (late, *_) = self.grown()
        assert late.frames.sum() > 1.5 * early.frames.sum()

    def test_a_flood_of_an_unseen_id_behind_the_warm_up_is_not_learned(self):
        def flood(frames):
            frames.arbitration_id[1000:1200] = 0x7

        assert 0x7 not in self.grown(flood)[1][0].key

    def test_new_payloads_behind_the_warm_up_are_learned(self):
        def wander(frames):
            frames.payload[800:1600, 5] = 0xFF

        early, late = (profile for profile, *_ in self.grown(wander))
        assert (late.bit_cost[:, 5, 0xFF] < early.bit_cost[:, 5, 0xFF] - 5).all()


def test_equal_ids_of_two_lengths_are_read_apart():
    """A standard and an extended ID of one number: the one that the profile has not seen is flagged."""
    profile = fitted(frames_of(np.arange(100) * 0.01, [7] * 100))
    capture = window_capture(frames_of(np.arange(10) * 0.01, [7] * 10, extended=[False, True] * 5), Cut(10, 10))
    assert known_reading(capture, profile).nodes[:, NODE_FEATURES.index("unseen")].astype(bool).tolist() == [
        False,
        True,
    ]
