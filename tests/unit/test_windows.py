"""Windows as graphs: the compiled path against the plain one, and what it means on small examples."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from makers import frames_of, periodic, some_frames
from reference import edges_of, facts_of, key_of, nodes_of, windows_of

from canids.graphs.windows import EXTENDED, Cut, window_capture

SIZES = {"window": st.integers(4, 12), "stride": st.integers(1, 15)}  # stride < window overlaps, > window skips
fast = settings(max_examples=60, deadline=None)


def keys_in(frames, window: range) -> list[int]:
    return [key_of(frames, i) for i in window]


class TestAgainstTheReference:
    @fast
    @given(frames=some_frames(), **SIZES)
    @example(frames=frames_of([], []), window=4, stride=4)
    def test_windows_begin_and_end_alike(self, frames, window, stride):
        capture = window_capture(frames, Cut(window, stride))
        expected = [(each[0], each[-1]) for each in windows_of(len(frames), window, stride)]
        assert [*zip(capture.first_frame.tolist(), capture.last_frame.tolist(), strict=True)] == expected

    @fast
    @given(frames=some_frames(), **SIZES)
    def test_nodes_are_alike(self, frames, window, stride):
        capture = window_capture(frames, Cut(window, stride))
        for w, inside in enumerate(windows_of(len(frames), window, stride)):
            mine = slice(*capture.node_start[w : w + 2])
            pairs = zip(capture.node_key[mine].tolist(), capture.node_frames[mine].tolist(), strict=True)
            assert list(pairs) == list(nodes_of(keys_in(frames, inside)).items())

    @fast
    @given(frames=some_frames(), **SIZES)
    def test_edges_are_alike(self, frames, window, stride):
        capture = window_capture(frames, Cut(window, stride))
        for w, inside in enumerate(windows_of(len(frames), window, stride)):
            mine = slice(*capture.edge_start[w : w + 2])
            source, target = capture.node_key[capture.node_start[w] + capture.edges[:, mine].astype(int)].tolist()
            counted = zip(zip(source, target, strict=True), capture.edge_frames[mine].tolist(), strict=True)
            assert list(counted) == list(edges_of(keys_in(frames, inside)).items())

    @fast
    @given(frames=some_frames(), **SIZES)
    def test_each_frame_belongs_to_its_ids_node(self, frames, window, stride):
        capture = window_capture(frames, Cut(window, stride))
        for w, inside in enumerate(windows_of(len(frames), window, stride)):
            slots = capture.slot[w * window : (w + 1) * window].astype(int)
            nodes = capture.node_key[capture.node_start[w] + slots]
            assert nodes.tolist() == keys_in(frames, inside)

    @fast
    @given(frames=some_frames())
    def test_intervals_are_alike(self, frames):
        expected = [np.nan if fact.log_interval is None else fact.log_interval for fact in facts_of(frames)]
        np.testing.assert_allclose(window_capture(frames, Cut(4, 4)).log_interval, expected, rtol=1e-5, atol=1e-6)

    @fast
    @given(frames=some_frames())
    def test_repeats_are_alike(self, frames):
        expected = [-1 if fact.repeats is None else int(fact.repeats) for fact in facts_of(frames)]
        assert window_capture(frames, Cut(4, 4)).repeats.tolist() == expected

    @fast
    @given(frames=some_frames())
    def test_flipped_bits_are_alike(self, frames):
        expected = [sum(1 << bit for bit in fact.flips) for fact in facts_of(frames)]
        assert window_capture(frames, Cut(4, 4)).flips.tolist() == expected

    @fast
    @given(frames=some_frames())
    def test_preceding_ids_are_alike(self, frames):
        expected = [-1 if fact.previous is None else fact.previous for fact in facts_of(frames)]
        capture = window_capture(frames, Cut(4, 4))
        key = capture.ids[capture.code].tolist()
        assert [-1, *key[:-1]][: len(key)] == expected

    @fast
    @given(frames=some_frames(least=12), data=st.data(), **SIZES)
    def test_frames_of_windows_are_alike(self, frames, data, window, stride):
        capture = window_capture(frames, Cut(window, stride))
        ranges = windows_of(len(frames), window, stride)
        chosen = data.draw(st.lists(st.booleans(), min_size=len(ranges), max_size=len(ranges)))
        expected = {i for inside, wanted in zip(ranges, chosen, strict=True) if wanted for i in inside}
        assert set(np.flatnonzero(capture.frames_of(np.array(chosen, bool))).tolist()) == expected


class TestMeaning:
    def test_fewer_frames_than_a_window_give_none(self):
        assert len(window_capture(periodic(9, 1), Cut(10, 10))) == 0

    def test_frames_behind_the_last_whole_window_belong_to_none(self):
        assert window_capture(periodic(29, 1), Cut(10, 10)).last_frame.tolist() == [9, 19]

    def test_windows_overlap_when_the_stride_is_shorter(self):
        assert window_capture(periodic(20, 1), Cut(10, 4)).first_frame.tolist() == [0, 4, 8]

    def test_a_window_of_one_id_is_one_node_with_a_loop(self):
        capture = window_capture(frames_of(range(10), [7] * 10), Cut(10, 10))
        assert (capture.node_frames.tolist(), capture.edges.tolist(), capture.edge_frames.tolist()) == (
            [10],
            [[0], [0]],
            [9],
        )

    def test_an_extended_id_is_another_node_than_the_standard_one_of_its_number(self):
        capture = window_capture(frames_of(range(4), [7] * 4, extended=[False, True] * 2), Cut(4, 4))
        assert capture.node_key.tolist() == [7, 7 + int(EXTENDED)]

    def test_an_extended_id_has_a_past_of_its_own(self):
        capture = window_capture(frames_of([0, 1, 5, 5.5], [7] * 4, extended=[False, True] * 2), Cut(4, 4))
        np.testing.assert_allclose(np.exp(capture.log_interval[2:]), [5, 4.5], rtol=1e-6)

    def test_frames_of_equal_time_lie_a_microsecond_apart(self):
        assert np.exp(window_capture(frames_of([3.0] * 4, [7] * 4), Cut(4, 4)).log_interval[1]) == pytest.approx(1e-6)

    def test_a_shorter_payload_with_the_same_bits_is_no_repeat(self):
        assert window_capture(frames_of(range(4), [7] * 4, dlc=[1, 1, 0, 0]), Cut(4, 4)).repeats.tolist() == [
            -1,
            1,
            0,
            1,
        ]

    def test_the_largest_window_keeps_its_255_ids_apart(self):
        capture = window_capture(frames_of(range(255), range(255)), Cut(255, 255))
        assert capture.slot.tolist() == list(range(255))

    def test_the_largest_window_counts_255_frames_of_one_id(self):
        assert window_capture(frames_of(range(255), [7] * 255), Cut(255, 255)).node_frames.tolist() == [255]

    def test_a_windows_duration_runs_from_its_first_to_its_last_frame(self):
        assert window_capture(frames_of([0, 1, 2, 4, 9, 10, 11, 15], [7] * 8), Cut(4, 4)).seconds().tolist() == [4, 6]

    def test_labels_change_nothing(self):
        frames = periodic(60, 1)
        plain, labelled = (
            vars(window_capture(each, Cut(10, 5))) for each in (frames, replace(frames, attack=np.ones(60, bool)))
        )
        assert all(np.array_equal(plain[name], labelled[name], equal_nan=True) for name in plain)


def timed(window: float, stride: float = 0.0, most: int = 100) -> Cut:
    return Cut(window=most, stride=most, seconds=window, stride_seconds=stride)


def frames_in(capture) -> list[list[int]]:
    pairs = zip(capture.first_frame.tolist(), capture.last_frame.tolist(), strict=True)
    return [list(range(first, last + 1)) for first, last in pairs]


class TestCutByTime:
    @fast
    @given(frames=some_frames(least=1), seconds=st.sampled_from([0.005, 0.02, 0.1]), stride=st.integers(1, 3))
    def test_each_window_holds_the_frames_of_its_time(self, frames, seconds, stride):
        capture = window_capture(frames, timed(seconds, seconds * stride / 2))
        since = frames.timestamp - frames.timestamp[0]
        starts = np.arange(0, since[-1] - seconds + 1e-9, seconds * stride / 2)
        inside = [np.flatnonzero((since >= t - 1e-9) & (since < t + seconds - 1e-9)).tolist() for t in starts]
        assert frames_in(capture) == [each for each in inside if each]

    def test_a_flood_is_cut_into_windows_of_the_most_frames(self):
        frames = frames_of(np.concatenate([np.arange(10) * 0.001, [1.0, 2.0]]), range(12))
        assert frames_in(window_capture(frames, timed(1.0, most=4))) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], [10]]

    def test_an_interval_that_the_capture_does_not_fill_is_not_cut(self):
        assert frames_in(window_capture(frames_of([0, 0.5, 1.0, 1.4], [7] * 4), timed(1.0))) == [[0, 1]]

    def test_a_window_of_one_frame_has_a_node_and_no_edge(self):
        capture = window_capture(frames_of([0.0, 1.0, 2.0], [7, 8, 9]), timed(1.0))
        assert (capture.node_key.tolist(), capture.edges.shape) == ([7, 8], (2, 0))

    def test_reach_counts_the_windows_that_begin_within_one(self):
        frames = periodic(200, 1)
        assert [window_capture(frames, timed(0.1, s)).reach() for s in (0.1, 0.05, 0.025)] == [1, 2, 4]
