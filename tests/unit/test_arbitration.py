"""Bus arbitration: who sends when."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import frames_of

from canids.simulate.arbitration import arbitrate, frame_seconds, priority


class TestArbitration:
    def test_a_frame_that_finds_the_bus_idle_keeps_its_time(self):
        frames = frames_of([1.0, 1.001, 1.002], [3, 2, 1])
        assert arbitrate(frames).timestamp.tolist() == [1.0, 1.001, 1.002]

    def test_the_lowest_waiting_id_wins(self):
        sent = arbitrate(frames_of([0.0, 1e-5, 2e-5, 3e-5], [0x300, 0x200, 0x050, 0x100]))
        assert sent.arbitration_id.tolist() == [0x300, 0x050, 0x100, 0x200]

    def test_a_standard_frame_wins_over_an_extended_one_with_the_same_base(self):
        frames = frames_of([0.0, 0.0], [0x123 << 18, 0x123], extended=[True, False])
        assert arbitrate(frames).is_extended.tolist() == [False, True]

    def test_an_extended_frame_wins_over_a_standard_one_with_a_higher_base(self):
        frames = frames_of([0.0, 0.0], [0x124, 0x123 << 18], extended=[False, True])
        assert arbitrate(frames).is_extended.tolist() == [True, False]

    def test_an_eight_byte_frame_lasts_as_long_as_on_recorded_buses(self):
        assert frame_seconds(frames_of([0.0], [1]))[0] == pytest.approx(0.238e-3)

    def test_arbitrated_traffic_passes_again_unchanged(self, driven):
        np.testing.assert_array_equal(arbitrate(driven).timestamp, driven.timestamp)

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 0x7FF), st.integers(0, 8)), min_size=1, max_size=60))
    def test_frames_never_overlap_and_the_best_waiting_frame_is_always_next(self, drawn):
        drawn.sort(key=lambda each: each[0])
        ready, numbers, dlc = (np.array(column) for column in zip(*drawn, strict=True))
        frames = frames_of(ready * 1e-6, numbers, dlc=dlc)
        # the payload carries each frame's place, to find it again
        frames.payload[:, 0] = np.arange(len(frames))
        sent = arbitrate(frames)
        place = sent.payload[:, 0]
        was_ready = frames.timestamp[place]
        end = sent.timestamp + frame_seconds(sent)
        assert sorted(place) == list(range(len(frames)))
        for k, start in enumerate(sent.timestamp):
            free = end[k - 1] if k else -np.inf
            assert start == max(free, was_ready[k:].min())
            waiting = was_ready[k:] <= start
            assert priority(sent)[k] == priority(sent)[k:][waiting].min()
