"""The vehicle profile: fitted, and frames read against it, as the plain reference does; kept on disk."""

import json

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from makers import frames_of, periodic, some_frames
from reference import Profile, channels_of, facts_of, statistics_of, windows_of
from safetensors.numpy import save_file

from canids.errors import ArtifactError
from canids.graphs.enroll import fit_profile, fits
from canids.graphs.profile import VehicleProfile, load_profile, save_profile
from canids.graphs.references import Sample
from canids.graphs.statistics import CHANNELS, STATISTICS, frame_channels, read_nodes, z_scores
from canids.graphs.windows import EXTENDED, Cut, WindowedCapture, window_capture

SIZES = {"window": st.integers(4, 12), "stride": st.integers(1, 15)}
fast = settings(max_examples=40, deadline=None)
close = {"rtol": 1e-4, "atol": 1e-3}  # sums of single-precision numbers


def every(capture: WindowedCapture) -> np.ndarray:
    return np.ones(len(capture), bool)


def both_ways(frames, window: int, stride: int) -> tuple[VehicleProfile, Profile]:
    """The profile of all windows of some frames, computed fast and slowly."""
    capture = window_capture(frames, Cut(window, stride))
    assume(len(capture))
    inside = sorted({i for each in windows_of(len(frames), window, stride) for i in each})
    facts = facts_of(frames)
    return fit_profile([Sample.of(capture, every(capture))]), Profile([facts[i] for i in inside])


def profile_of(frames, window: int = 10) -> VehicleProfile:
    capture = window_capture(frames, Cut(window, window))
    return fit_profile([Sample.of(capture, every(capture))])


class TestAgainstTheReference:
    @fast
    @given(frames=some_frames(least=12), **SIZES)
    def test_the_same_ids_are_known(self, frames, window, stride):
        profile, plain = both_ways(frames, window, stride)
        assert profile.key.tolist() == sorted(plain.known)

    @fast
    @given(frames=some_frames(least=12), **SIZES)
    def test_shares_are_alike(self, frames, window, stride):
        profile, plain = both_ways(frames, window, stride)
        np.testing.assert_allclose(profile.share, [plain.share[key] for key in profile.key.tolist()], rtol=1e-6)

    @fast
    @given(frames=some_frames(least=12), **SIZES)
    def test_interval_limits_are_alike(self, frames, window, stride):
        profile, plain = both_ways(frames, window, stride)
        limits = [plain.limits[key] for key in profile.key.tolist()]
        for name in ("median", "shortest", "longest", "narrow"):
            np.testing.assert_allclose(getattr(profile, name), [each[name] for each in limits], **close, err_msg=name)

    @fast
    @given(frames=some_frames(least=12), others=some_frames(least=12), **SIZES)
    def test_channels_of_other_frames_are_alike(self, frames, others, window, stride):
        profile, plain = both_ways(frames, window, stride)
        got = frame_channels(window_capture(others, Cut(window, stride)), profile, slice(None))
        expected = [[channels_of(fact, plain)[name] for name in CHANNELS] for fact in facts_of(others)]
        np.testing.assert_allclose(got, np.array(expected, float), **close)

    @fast
    @given(frames=some_frames(least=12), others=some_frames(least=12), **SIZES)
    def test_node_statistics_of_other_frames_are_alike(self, frames, others, window, stride):
        profile, plain = both_ways(frames, window, stride)
        capture, facts = window_capture(others, Cut(window, stride)), facts_of(others)
        got = read_nodes(capture, profile, 0, len(capture)).statistics
        for w, inside in enumerate(windows_of(len(others), window, stride)):
            found = statistics_of([facts[i] for i in inside], plain)
            expected = [[node[name] for name in STATISTICS] for node in found.values()]
            np.testing.assert_allclose(got[slice(*capture.node_start[w : w + 2])], expected, **close)

    @fast
    @given(frames=some_frames(least=30), data=st.data(), **SIZES)
    def test_statistics_of_a_stretch_are_those_of_the_whole(self, frames, data, window, stride):
        capture = window_capture(frames, Cut(window, stride))
        assume(len(capture))
        first = data.draw(st.integers(0, len(capture) - 1))
        last = data.draw(st.integers(first, len(capture)))
        profile = fit_profile([Sample.of(capture, every(capture))])
        whole = read_nodes(capture, profile, 0, len(capture)).statistics
        np.testing.assert_array_equal(
            read_nodes(capture, profile, first, last).statistics,
            whole[capture.node_start[first] : capture.node_start[last]],
        )

    @fast
    @given(frames=some_frames(least=30), data=st.data(), **SIZES)
    def test_statistics_of_some_windows_are_those_of_the_whole(self, frames, data, window, stride):
        capture = window_capture(frames, Cut(window, stride))
        chosen = np.array(data.draw(st.lists(st.booleans(), min_size=len(capture), max_size=len(capture))), bool)
        profile = fit_profile([Sample.of(capture, every(capture))])
        whole = read_nodes(capture, profile, 0, len(capture)).statistics
        got = read_nodes(capture, profile, 0, len(capture), chosen).statistics
        np.testing.assert_array_equal(got, whole * chosen[capture.node_window()][:, None])


class TestReferences:
    def test_an_id_heard_once_stays_unknown(self):
        frames = frames_of(range(20), [7] * 19 + [8])
        assert profile_of(frames).key.tolist() == [7]

    def test_captures_are_fitted_together(self):
        captures = [window_capture(frames_of(range(10), [number] * 10), Cut(10, 10)) for number in (7, 9)]
        assert fit_profile([Sample.of(each, every(each)) for each in captures]).key.tolist() == [7, 9]

    def test_only_the_windows_asked_for_are_fitted(self):
        capture = window_capture(frames_of(range(20), [7] * 10 + [9] * 10), Cut(10, 10))
        assert fit_profile([Sample.of(capture, np.array([False, True]))]).key.tolist() == [9]

    def test_no_window_to_fit_on_is_an_error(self):
        capture = window_capture(periodic(20, 1), Cut(10, 10))
        with pytest.raises(ValueError, match="no window"):
            fit_profile([Sample.of(capture, ~every(capture))])

    def test_a_regular_id_is_narrow(self):
        assert profile_of(frames_of(np.arange(40) * 0.01, [7] * 40)).narrow.tolist() == [True]

    def test_an_id_seen_too_seldom_is_not_narrow(self):
        assert profile_of(frames_of(np.arange(20) * 0.01, [7] * 20)).narrow.tolist() == [False]

    def test_an_id_of_erratic_intervals_is_not_narrow(self):
        times = np.cumsum(np.tile([0.01, 0.1, 0.03, 0.3], 10))
        assert profile_of(frames_of(times, [7] * 40)).narrow.tolist() == [False]

    def test_one_fast_frame_does_not_shift_the_limit_of_a_narrow_id(self):
        gaps = np.full(200, 0.01)
        gaps[100] = 0.001
        assert np.exp(profile_of(frames_of(np.cumsum(gaps), [7] * 200)).shortest[0]) > 0.008

    def test_a_constant_payload_makes_a_change_surprising(self):
        changed, repeated = profile_of(frames_of(range(40), [7] * 40)).repeat_cost[0]
        assert (changed > 4, repeated < 0.02) == (True, True)

    def test_an_extended_id_has_a_reference_of_its_own(self):
        profile = profile_of(frames_of(range(20), [7] * 20, extended=[False, True] * 10))
        assert profile.key.tolist() == [7, 7 + int(EXTENDED)]

    def test_rows_of_unknown_keys_point_behind_the_last(self):
        profile = profile_of(frames_of(range(20), [7, 9] * 10))
        assert profile.rows(np.array([6, 7, 8, 9, 10, 0xFFFFFFFF], np.uint32)).tolist() == [2, 0, 2, 1, 2, 2]


@pytest.fixture(scope="module")
def capture() -> WindowedCapture:
    return window_capture(periodic(2000, 3), Cut(50, 50))


class TestCentreAndSpread:
    def measured(self, capture: WindowedCapture) -> tuple[np.ndarray, np.ndarray]:
        """Keys and statistics of all nodes, those of each half under the references of the other."""
        half = np.arange(len(capture)) < len(capture) // 2
        nodes = half[capture.node_window()]
        parts = []
        for fit_on, measure_on in ((half, ~nodes), (~half, nodes)):
            profile = fit_profile([Sample.of(capture, fit_on)])
            parts.append(
                (capture.node_key[measure_on], read_nodes(capture, profile, 0, len(capture)).statistics[measure_on])
            )
        keys, statistics = (np.concatenate(each) for each in zip(*parts, strict=True))
        return keys, statistics

    def test_the_centre_is_measured_on_the_half_that_did_not_fit(self, capture):
        profile = fit_profile([Sample.of(capture, every(capture))])
        keys, statistics = self.measured(capture)
        fast_max = statistics[:, STATISTICS.index("fast_max")]
        for row, key in enumerate(profile.key):
            mine = statistics[(keys == key) & ~(profile.narrow[row] & (fast_max > 0.1))]
            np.testing.assert_allclose(profile.centre[row], np.median(mine, axis=0), atol=1e-5)

    def test_quiet_traffic_lies_within_a_few_spreads(self, capture):
        profile = fit_profile([Sample.of(capture, every(capture))])
        other = window_capture(periodic(2000, 4), Cut(50, 50))
        z = z_scores(read_nodes(other, profile, 0, len(other)).statistics, profile, profile.rows(other.node_key))
        assert np.mean(np.abs(z) < 3) > 0.97

    def test_overlapping_windows_where_the_halves_meet_are_not_measured(self):
        frames = periodic(400, 3)
        # windows 0 to 17 reach frame 219, windows 18 to 35 begin at frame 180: all of these frames are in both halves
        frames.arbitration_id[195:206] = 0x300
        capture = window_capture(frames, Cut(50, 10))
        profile = fit_profile([Sample.of(capture, every(capture))])
        met = profile.key == 0x300
        # an ID without measured windows gets what the others have in common
        np.testing.assert_array_equal(profile.centre[met][0], np.median(profile.centre[~met], axis=0))

    def test_too_fast_frames_of_a_narrow_id_do_not_widen_its_spread(self):
        frames = periodic(2000, 3)
        (own,) = np.nonzero(frames.arbitration_id == 0x100)
        frames.arbitration_id[own[::60] + 1] = 0x100  # in a good part of the windows, a frame right behind another
        attacked = window_capture(frames, Cut(50, 50))
        profile = fit_profile([Sample.of(attacked, every(attacked))])
        assert profile.spread[profile.key == 0x100, STATISTICS.index("fast_max")] < 0.1

    def test_no_spread_is_nothing(self, capture):
        assert fit_profile([Sample.of(capture, every(capture))]).spread.min() >= 0.05

    def test_z_of_an_unseen_id_is_nothing(self, capture):
        profile = fit_profile([Sample.of(capture, every(capture))])
        statistics = np.ones((1, len(STATISTICS)), np.float32)
        assert not z_scores(statistics, profile, np.array([len(profile.key)])).any()


class TestWindowsThatFit:
    """Which windows may enter the capture's own profile."""

    def usable(self, change) -> np.ndarray:
        frames = periodic(2000, 3)
        change(frames, slice(1500, 1550))
        capture = window_capture(frames, Cut(50, 50))
        profile = fit_profile([Sample.of(capture, np.arange(40) < 20)])
        return fits(capture, profile, read_nodes(capture, profile, 20, 40))

    def test_most_quiet_windows_fit(self):
        assert self.usable(lambda frames, window: None).mean() > 0.8

    def test_a_window_full_of_unseen_ids_does_not(self):
        def flood(frames, window):
            frames.arbitration_id[window] = 0x700

        assert not self.usable(flood)[10]

    def test_a_window_of_far_too_fast_frames_does_not(self):
        def hurry(frames, window):
            start = frames.timestamp[window.start]
            frames.timestamp[window] = start + (frames.timestamp[window] - start) / 50

        assert not self.usable(hurry)[10]

    def test_a_window_of_new_payloads_does(self):
        quiet = self.usable(lambda frames, window: None)

        def wander(frames, window):
            frames.payload[window, 5] = 0xFF

        np.testing.assert_array_equal(self.usable(wander), quiet)

    def test_no_window_is_judged_where_none_is_asked_for(self):
        capture = window_capture(periodic(200, 3), Cut(50, 50))
        profile = fit_profile([Sample.of(capture, every(capture))])
        assert fits(capture, profile, read_nodes(capture, profile, 2, 2)).shape == (0,)


class TestOnDisk:
    def test_every_part_survives_the_round_trip(self, tmp_path):
        profile = profile_of(periodic(500, 3))
        save_profile(tmp_path / "kia", profile, "kia", ["train/a"])
        loaded = load_profile(tmp_path / "kia")
        for name, value in vars(profile).items():
            np.testing.assert_array_equal(getattr(loaded, name), value, name)

    def test_a_loaded_profile_reads_frames_alike(self, tmp_path):
        profile, capture = profile_of(periodic(500, 3)), window_capture(periodic(300, 4), Cut(10, 10))
        save_profile(tmp_path / "kia", profile, "kia", [])
        got = read_nodes(capture, load_profile(tmp_path / "kia"), 0, 30).statistics
        np.testing.assert_array_equal(got, read_nodes(capture, profile, 0, 30).statistics)

    def test_the_page_for_readers_tells_the_usual_interval(self, tmp_path):
        save_profile(tmp_path / "kia", profile_of(frames_of(np.arange(50) * 0.25, [0x2A] * 50)), "kia", ["train/a"])
        page = json.loads((tmp_path / "kia.json").read_text())
        assert page["arbitration_ids"]["2A"]["interval_s"] == pytest.approx(0.25)

    def test_vehicles_whose_names_differ_behind_a_dot_have_files_of_their_own(self, tmp_path):
        for name, number in (("golf.7", 7), ("golf.8", 8)):
            save_profile(tmp_path / name, profile_of(frames_of(range(20), [number] * 20)), name, [])
        assert load_profile(tmp_path / "golf.7").key.tolist() == [7]

    def test_a_missing_profile_says_how_to_make_it(self, tmp_path):
        with pytest.raises(ArtifactError, match=r"kia\.safetensors: .*run the graphs stage"):
            load_profile(tmp_path / "kia")

    def test_a_truncated_profile_is_refused(self, tmp_path):
        save_profile(tmp_path / "kia", profile_of(periodic(500, 3)), "kia", [])
        path = tmp_path / "kia.safetensors"
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(ArtifactError, match="not a vehicle profile"):
            load_profile(tmp_path / "kia")

    def test_another_safetensors_file_is_refused(self, tmp_path):
        save_file({"weight": np.ones(3)}, tmp_path / "kia.safetensors")
        with pytest.raises(ArtifactError, match="not a vehicle profile"):
            load_profile(tmp_path / "kia")
