"""Fingerprints: one recording is recognised whatever was done to a part of it, two drives are told apart."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from makers import frames_of, periodic, random_frames, rng

from canids.errors import ArtifactError
from canids.frames import fingerprint as module
from canids.frames.fingerprint import SEQUENCE, fingerprint, overlap, read_fingerprint, write_fingerprint
from canids.frames.frames import Frames
from canids.frames.recordings import Pair, Place, find_pairs, place
from canids.simulate.traffic import drive

fast = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="session")
def another(vehicle) -> Frames:
    """Another drive of the same vehicle."""
    return drive(vehicle, 5.0, rng(5))


def concatenated(*parts: Frames) -> Frames:
    columns = ("timestamp", "arbitration_id", "is_extended", "dlc", "payload", "attack", "attack_type")
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in columns}
    return replace(parts[0], **joined)


def with_injected(frames: Frames, every: int, first: int, last: int) -> Frames:
    """A frame of a foreign ID after each so many of a stretch."""
    at = np.arange(first, last, every)
    foreign = frames_of(frames.timestamp[at] + 1e-5, np.full(len(at), 0x7F0))
    return concatenated(frames, foreign).sorted_by_time()[0]


def exact_share(a: Frames, b: Frames) -> float:
    """The share by brute force, of sequences that a capture holds once."""

    def sequences(frames: Frames) -> set:
        rows = list(
            zip(
                frames.arbitration_id.tolist(),
                frames.is_extended.tolist(),
                frames.dlc.tolist(),
                map(bytes, frames.payload),
                strict=True,
            )
        )
        runs = [tuple(rows[i : i + SEQUENCE]) for i in range(len(rows) - SEQUENCE + 1)]
        counts = dict.fromkeys(runs, 0)
        for run in runs:
            counts[run] += 1
        return {run for run, count in counts.items() if count == 1}

    ours, theirs = sequences(a), sequences(b)
    smaller = min(len(ours), len(theirs))
    return len(ours & theirs) / smaller if smaller else 0.0


class TestShare:
    @fast
    @given(a=random_frames(0, 60), b=random_frames(0, 60))
    def test_of_short_captures_it_is_exact(self, a, b):
        half = len(b) // 2
        mixed = concatenated(a, b.take(slice(half, None)))
        assert overlap(fingerprint(mixed), fingerprint(b)).share == pytest.approx(exact_share(mixed, b))

    def test_of_long_ones_it_is_near(self, driven, another, monkeypatch):
        monkeypatch.setattr(module, "FEWEST", 500)
        half = len(driven) // 2
        mixed = concatenated(driven.take(slice(0, half)), another.take(slice(half, None)))
        estimate = overlap(fingerprint(mixed), fingerprint(driven)).share
        assert estimate == pytest.approx(exact_share(mixed, driven), abs=0.1)

    def test_a_capture_is_one_recording_with_itself(self, driven):
        assert overlap(fingerprint(driven), fingerprint(driven)).share == 1.0

    def test_two_drives_of_a_vehicle_are_two_recordings(self, driven, another):
        assert not overlap(fingerprint(driven), fingerprint(another)).one_recording

    def test_frames_injected_into_half_of_it_leave_it_the_same_recording(self, driven):
        attacked = with_injected(driven, 5, 0, len(driven) // 2)
        assert overlap(fingerprint(driven), fingerprint(attacked)).share == pytest.approx(0.5, abs=0.05)

    def test_a_rare_injection_breaks_twelve_sequences_each_at_most(self, driven):
        attacked = with_injected(driven, 100, 0, len(driven))
        assert overlap(fingerprint(driven), fingerprint(attacked)).share > 0.85

    def test_a_removed_id_leaves_it_the_same_recording(self, driven):
        rare = min(np.unique(driven.arbitration_id), key=lambda each: (driven.arbitration_id == each).sum())
        edited = driven.take(driven.arbitration_id != rare)
        assert overlap(fingerprint(driven), fingerprint(edited)).one_recording

    def test_a_cut_piece_is_the_same_recording(self, driven):
        assert overlap(fingerprint(driven), fingerprint(driven.take(slice(700, 1500)))).share == 1.0

    def test_its_time_within_the_recording_is_found(self, driven):
        piece = driven.take(slice(700, 1500))
        found = overlap(fingerprint(driven), fingerprint(piece)).offset
        assert found == pytest.approx(driven.timestamp[700] - driven.timestamp[0], abs=1e-6)

    def test_a_shorter_sample_is_compared_with_a_longer_one(self, driven, monkeypatch):
        whole = fingerprint(driven)
        monkeypatch.setattr(module, "FEWEST", 500)
        sample = fingerprint(driven)
        assert len(sample.hashes) < len(whole.hashes) / 2
        assert overlap(whole, sample).share == overlap(sample, whole).share == 1.0


class TestFingerprint:
    def test_neither_times_nor_labels_count(self, driven):
        other = replace(driven, timestamp=driven.timestamp + 100.0, attack=~driven.attack)
        np.testing.assert_array_equal(fingerprint(driven).hashes, fingerprint(other).hashes)

    @pytest.mark.parametrize("change", ["arbitration_id", "is_extended", "dlc", "payload"])
    def test_every_column_of_what_was_sent_counts(self, driven, change):
        column = getattr(driven, change)
        other = replace(driven, **{change: ~column if column.dtype == bool else column ^ column.dtype.type(1)})
        assert overlap(fingerprint(driven), fingerprint(other)).share == 0.0

    def test_bytes_beyond_the_eighth_count(self, driven):
        long = np.zeros((len(driven), 64), np.uint8)
        long[:, 63] = 1
        one, other = (fingerprint(replace(driven, payload_fd=each)) for each in (np.zeros_like(long), long))
        assert overlap(one, other).share == 0.0

    def test_the_order_of_frames_counts(self, driven):
        backwards = replace(driven.take(slice(None, None, -1)), timestamp=driven.timestamp)
        assert overlap(fingerprint(driven), fingerprint(backwards)).share == 0.0

    def test_what_is_hashed_at_once_makes_no_difference(self, driven, monkeypatch):
        whole = fingerprint(driven)
        monkeypatch.setattr(module, "CHUNK", 97)
        pieces = fingerprint(driven)
        np.testing.assert_array_equal(whole.hashes, pieces.hashes)
        np.testing.assert_array_equal(whole.times, pieces.times)

    def test_a_bus_that_repeats_itself_tells_nothing(self):
        quiet = frames_of(np.arange(600) * 0.01, np.tile([1, 2, 3], 200))
        assert len(fingerprint(quiet).hashes) == 0

    @pytest.mark.parametrize("count", [0, 1, SEQUENCE - 1])
    def test_a_capture_shorter_than_a_sequence_has_none(self, count):
        assert len(fingerprint(frames_of(np.arange(count) * 1.0, np.arange(count))).hashes) == 0

    def test_a_long_capture_keeps_a_sample(self):
        frames = periodic(60_000, 1)
        payload = np.zeros((60_000, 8), np.uint8)
        payload[:, :4] = np.arange(60_000, dtype=np.uint32)[:, None].view(np.uint8)
        sampled = fingerprint(replace(frames, payload=payload))
        assert 3700 < len(sampled.hashes) < 4500

    def test_it_survives_the_way_to_disk_and_back(self, driven, tmp_path):
        before = fingerprint(driven)
        write_fingerprint(tmp_path / "a", before)
        after = read_fingerprint(tmp_path / "a")
        np.testing.assert_array_equal(after.hashes, before.hashes)
        np.testing.assert_array_equal(after.times, before.times)
        assert after.bound == before.bound

    def test_a_missing_one_says_how_to_make_it(self, tmp_path):
        with pytest.raises(ArtifactError, match="there is no such file; run the ingest stage"):
            read_fingerprint(tmp_path / "a")

    @pytest.mark.parametrize("content", [b"", b"nonsense", b"\x08\0\0\0\0\0\0\0{}      "])
    def test_a_damaged_one_is_refused(self, tmp_path, content):
        (tmp_path / "a").write_bytes(content)
        with pytest.raises(ArtifactError, match="no fingerprint"):
            read_fingerprint(tmp_path / "a")


class TestRecordings:
    def test_pairs_are_found_in_order(self, driven, another):
        prints = {"a": fingerprint(driven), "b": fingerprint(another), "c": fingerprint(driven.take(slice(700, 1500)))}
        assert [(pair.first, pair.second, pair.share) for pair in find_pairs(prints)] == [("a", "c", 1.0)]

    def test_a_capture_of_its_own_is_its_own_recording(self):
        assert place(["a", "b"], []) == {"a": Place("a", 0.0), "b": Place("b", 0.0)}

    def test_a_chain_is_one_recording_and_its_offsets_add_up(self):
        pairs = [Pair("b", "c", 1.0, 2.0), Pair("a", "c", 1.0, 5.0)]
        assert place("abc", pairs) == {"a": Place("a", 0.0), "c": Place("a", 5.0), "b": Place("a", 3.0)}
