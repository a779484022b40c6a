"""Attacks injected into simulated and recorded traffic: what they do on the bus, and what is labelled."""

from dataclasses import replace

import numpy as np
import pytest
from makers import frames_of, rng

from canids.errors import DatasetError
from canids.frames.frames import Frames
from canids.simulate.arbitration import frame_seconds
from canids.simulate.attacks import ATTACKS, inject, masquerade, suppression
from canids.simulate.known_ids import known_ids

SPANS = [(2.0, 2.6), (3.2, 3.9)]
LABELLED = [kind for kind in ATTACKS if kind != "suppression"]


def recorded_frames() -> Frames:
    """Frames as a coarse logger gives them: stamped in whole milliseconds, so that several share a time."""
    time = np.sort(np.concatenate([np.arange(k * 1e-3, 5.0, 0.02) for k in range(12)]).round(3))
    numbers = np.tile(np.arange(0x100, 0x10C), len(time) // 12 + 1)[: len(time)]
    payload = np.random.default_rng(5).integers(0, 256, (len(time), 8), dtype=np.uint8)
    return frames_of(50.0 + time, numbers, payload=payload)


def span_time(frames: Frames) -> np.ndarray:
    return frames.timestamp - frames.timestamp[0]


def within(frames: Frames, span) -> np.ndarray:
    return (span_time(frames) >= span.start) & (span_time(frames) <= span.end)


class TestAttacks:
    @pytest.mark.parametrize("kind", LABELLED)
    def test_labelled_frames_carry_the_kind(self, driven, kind):
        attacked, _ = inject(driven, kind, SPANS, rng())
        names = {attacked.attack_types[k] for k in np.unique(attacked.attack_type[attacked.attack])}
        assert names == {kind}

    @pytest.mark.parametrize("kind", LABELLED)
    def test_each_span_runs_from_its_first_to_its_last_labelled_frame(self, driven, kind):
        attacked, spans = inject(driven, kind, SPANS, rng())
        for span in spans:
            labelled = span_time(attacked)[within(attacked, span) & attacked.attack]
            assert (labelled.min(), labelled.max()) == (span.start, span.end)

    @pytest.mark.parametrize("kind", LABELLED)
    def test_every_labelled_frame_is_in_a_span(self, driven, kind):
        attacked, spans = inject(driven, kind, SPANS, rng())
        covered = np.any([within(attacked, span) for span in spans], axis=0)
        assert covered[attacked.attack].all()

    @pytest.mark.parametrize("kind", LABELLED)
    def test_spans_are_near_what_was_asked_for(self, driven, kind):
        _, spans = inject(driven, kind, SPANS, rng())
        got = [(span.start, span.end) for span in spans]
        np.testing.assert_allclose(got, SPANS, atol=0.15)

    @pytest.mark.parametrize("kind", ATTACKS)
    def test_frames_do_not_overlap_under_attack(self, driven, kind):
        attacked, _ = inject(driven, kind, SPANS, rng())
        assert (np.diff(attacked.timestamp) - frame_seconds(attacked)[:-1]).min() > -1e-6

    @pytest.mark.parametrize("kind", ATTACKS)
    def test_frames_before_the_attack_are_untouched(self, driven, kind):
        attacked, _ = inject(driven, kind, SPANS, rng())
        before = span_time(driven) < 1.99
        np.testing.assert_array_equal(attacked.timestamp[: before.sum()], driven.timestamp[before])

    @pytest.mark.parametrize("kind", ["DoS", "fuzzing", "spoofing", "replay"])
    def test_injection_loses_no_genuine_frame(self, driven, kind):
        attacked, _ = inject(driven, kind, SPANS, rng())
        assert (~attacked.attack).sum() == len(driven)

    def test_dos_floods_the_bus(self, driven):
        attacked, spans = inject(driven, "DoS", SPANS, rng())
        span = spans[0]
        assert (attacked.attack & within(attacked, span)).sum() / (span.end - span.start) > 1300

    def test_dos_delays_genuine_frames(self, driven):
        attacked, _ = inject(driven, "DoS", SPANS, rng())
        genuine = attacked.take(~attacked.attack)
        assert np.isin(driven.timestamp, genuine.timestamp).sum() < len(driven)

    def test_dos_uses_an_id_that_no_genuine_frame_outranks(self, driven):
        attacked, _ = inject(driven, "DoS", SPANS, rng())
        assert attacked.arbitration_id[attacked.attack].max() <= driven.arbitration_id.min()

    def test_fuzzing_sends_ids_that_the_vehicle_does_not_know(self, driven):
        attacked, _ = inject(driven, "fuzzing", SPANS, rng())
        assert (~np.isin(attacked.arbitration_id[attacked.attack], driven.arbitration_id)).mean() > 0.9

    def test_spoofing_multiplies_the_rate_of_its_id(self, driven):
        attacked, (span,) = inject(driven, "spoofing", SPANS[:1], rng())
        target = (attacked.arbitration_id == span.arbitration_ids[0]) & within(attacked, span)
        assert (target & attacked.attack).sum() > 1.5 * (target & ~attacked.attack).sum()

    def test_spoofed_payloads_are_not_the_genuine_ones(self, driven):
        attacked, (span,) = inject(driven, "spoofing", SPANS[:1], rng())
        target = attacked.take((attacked.arbitration_id == span.arbitration_ids[0]) & within(attacked, span))
        after_genuine = np.flatnonzero(~target.attack[:-1] & target.attack[1:])
        same = (target.payload[after_genuine] == target.payload[after_genuine + 1]).all(axis=1)
        assert same.mean() < 0.2

    def test_replayed_frames_were_sent_before(self, driven):
        attacked, (span,) = inject(driven, "replay", SPANS[:1], rng())
        earlier = attacked.take(span_time(attacked) < span.start)
        sent = {(number, bytes(p)) for number, p in zip(earlier.arbitration_id, earlier.payload, strict=True)}
        replayed = attacked.take(attacked.attack)
        assert {(n, bytes(p)) for n, p in zip(replayed.arbitration_id, replayed.payload, strict=True)} <= sent

    def test_replay_uses_several_ids(self, driven):
        attacked, _ = inject(driven, "replay", SPANS[:1], rng())
        assert len(np.unique(attacked.arbitration_id[attacked.attack])) >= 3

    def test_a_short_past_is_replayed_over_and_over(self, driven):
        attacked, _ = inject(driven, "replay", [(0.3, 2.0)], rng())
        assert (span_time(attacked)[attacked.attack] > 1.7).any()

    def test_suppression_leaves_no_frame_of_its_id_in_the_span(self, driven):
        attacked, (span,) = inject(driven, "suppression", SPANS[:1], rng())
        # the span ends with the first frame that is sent again
        during = within(attacked, span) & (span_time(attacked) < span.end)
        assert span.arbitration_ids[0] not in attacked.arbitration_id[during]

    def test_suppression_ends_near_what_was_asked_for(self, driven):
        _, spans = inject(driven, "suppression", SPANS, rng())
        np.testing.assert_allclose([span.end for span in spans], [end for _, end in SPANS], atol=0.15)

    @pytest.mark.parametrize("length", [0.15, 0.3, 0.5])
    def test_a_short_suppression_does_not_end_before_it_starts(self, driven, length):
        for seed in range(20):
            _, (span,) = inject(driven, "suppression", [(2.0, 2.0 + length)], rng(seed))
            assert span.start <= span.end

    def test_suppression_starts_four_periods_after_the_last_frame(self, driven):
        attacked, (span,) = inject(driven, "suppression", SPANS[:1], rng())
        heard = span_time(attacked)[attacked.arbitration_id == span.arbitration_ids[0]]
        period = np.median(np.diff(heard))
        assert span.start - heard[heard < span.start].max() == pytest.approx(4 * period, rel=0.05)

    def test_suppression_labels_no_frame(self, driven):
        attacked, _ = inject(driven, "suppression", SPANS, rng())
        assert not attacked.attack.any()

    def test_suppression_removes_frames_of_its_id_only(self, driven):
        attacked, span = suppression(driven, *SPANS[0], rng())
        kept = np.isin(driven.timestamp, attacked.timestamp)
        assert set(driven.arbitration_id[~kept].tolist()) == set(span.arbitration_ids)

    @pytest.mark.parametrize("seed", range(3))
    def test_masquerade_keeps_the_rate_of_its_id(self, driven, seed):
        attacked, (span,) = inject(driven, "masquerade", SPANS[:1], rng(seed))
        target = span.arbitration_ids[0]
        assert (attacked.arbitration_id == target).sum() == (driven.arbitration_id == target).sum()

    @pytest.mark.parametrize("seed", range(3))
    def test_masquerade_silences_the_genuine_sender(self, driven, seed):
        attacked, span = masquerade(driven, *SPANS[0], rng(seed))
        target = attacked.arbitration_id == span.arbitration_ids[0]
        assert attacked.attack[target & within(attacked, span)].all()

    @pytest.mark.parametrize("seed", range(3))
    def test_masquerade_changes_payloads(self, driven, seed):
        attacked, span = masquerade(driven, *SPANS[0], rng(seed))
        genuine = driven.payload[driven.arbitration_id == span.arbitration_ids[0]]
        disguised = attacked.payload[attacked.arbitration_id == span.arbitration_ids[0]]
        assert (genuine != disguised).any()

    def test_the_same_generator_gives_the_same_attack(self, driven):
        first, second = (inject(driven, "spoofing", SPANS, rng(8))[0] for _ in range(2))
        np.testing.assert_array_equal(first.payload, second.payload)

    def test_earlier_labels_are_kept(self, driven):
        once, _ = inject(driven, "fuzzing", SPANS[:1], rng())
        twice, _ = inject(once, "spoofing", SPANS[1:], rng())
        fuzzed = twice.attack & (twice.attack_type == twice.attack_types.index("fuzzing"))
        assert fuzzed.sum() == once.attack.sum()

    def test_an_unknown_kind_names_the_known_ones(self, driven):
        with pytest.raises(DatasetError, match="unknown attack 'ddos'; known: DoS, "):
            inject(driven, "ddos", SPANS, rng())

    def test_a_span_outside_the_capture_is_refused(self, driven):
        with pytest.raises(DatasetError, match="not within the capture"):
            inject(driven, "DoS", [(4.0, 8.0)], rng())

    def test_a_capture_without_a_fit_id_says_so(self):
        with pytest.raises(DatasetError, match="no periodic ID to suppress"):
            inject(frames_of([0.0, 1.0, 2.0], [1, 2, 3]), "suppression", [(0.5, 1.5)], rng())


def both_formats() -> Frames:
    """Two IDs of one number, a standard and an extended one, and two more; the extended one with other payloads."""
    time = np.sort(np.concatenate([np.arange(k * 2e-3, 5.0, 0.02) for k in range(4)]).round(5))
    turn = np.arange(len(time)) % 4
    extended = turn == 1
    payload = np.random.default_rng(5).integers(0, 100, (len(time), 8), dtype=np.uint8)
    payload[extended] += 100
    return frames_of(50.0 + time, np.where(turn < 2, 0x100, 0x200 + turn), extended, payload=payload)


class TestStandardAndExtended:
    """A standard and an extended ID of one number are two IDs."""

    def test_each_is_known_with_its_own_frames(self):
        frames = both_formats()
        known = [each for each in known_ids(frames) if each.arbitration_id == 0x100]
        assert [set(frames.is_extended[each.index].tolist()) for each in known] == [{False}, {True}]

    @pytest.mark.parametrize("kind", ["suppression", "masquerade"])
    @pytest.mark.parametrize("seed", range(4))
    def test_an_attack_on_one_leaves_the_other_alone(self, kind, seed):
        frames = both_formats()
        attacked, _ = inject(frames, kind, [(2.0, 3.5)], rng(seed))
        untouched = [
            np.array_equal(attacked.payload[mine(attacked) & ~attacked.attack], frames.payload[mine(frames)])
            for mine in (lambda f, n=n, e=e: (f.arbitration_id == n) & (f.is_extended == e)
                         for n, e in ((0x100, False), (0x100, True), (0x202, False), (0x203, False)))
        ]  # fmt: skip
        assert untouched.count(False) == 1

    def test_replay_sends_each_in_its_own_format(self):
        frames = both_formats()
        attacked, _ = inject(frames, "replay", [(2.0, 3.5)], rng(1))
        sent = attacked.take(attacked.attack & (attacked.arbitration_id == 0x100))
        assert len(sent)
        np.testing.assert_array_equal(sent.payload[:, 0] >= 100, sent.is_extended)


class TestCanFd:
    """Payloads of more than 8 bytes."""

    @staticmethod
    def long_frames() -> Frames:
        frames = recorded_frames()
        long = np.random.default_rng(6).integers(0, 256, (len(frames), 64), dtype=np.uint8)
        return replace(frames, dlc=np.full(len(frames), 64, np.uint8), payload=long[:, :8], payload_fd=long)

    @pytest.mark.parametrize("kind", ATTACKS)
    def test_genuine_payloads_are_kept_whole(self, kind):
        frames = self.long_frames()
        attacked, _ = inject(frames, kind, SPANS, rng())
        sent = {bytes(each) for each in frames.payload_fd}
        assert {bytes(each) for each in attacked.payload_fd[~attacked.attack]} <= sent

    @pytest.mark.parametrize("kind", ATTACKS)
    def test_both_columns_agree(self, kind):
        attacked, _ = inject(self.long_frames(), kind, SPANS, rng())
        np.testing.assert_array_equal(attacked.payload, attacked.payload_fd[:, :8])

    @pytest.mark.parametrize("kind", ["replay", "spoofing", "masquerade"])
    def test_attackers_send_whole_payloads(self, kind):
        attacked, _ = inject(self.long_frames(), kind, SPANS, rng(2))
        assert attacked.payload_fd[attacked.attack][:, 40:].any(axis=1).mean() > 0.9

    def test_what_the_attacker_does_not_fill_is_zero(self):
        attacked, _ = inject(self.long_frames(), "fuzzing", SPANS, rng())
        beyond = np.arange(64) >= attacked.dlc[:, None]
        assert not attacked.payload_fd[beyond].any()


class TestRecordedTraffic:
    @pytest.mark.parametrize("kind", ATTACKS)
    def test_undisturbed_frames_keep_their_recorded_times(self, kind):
        recorded = recorded_frames()
        attacked, _ = inject(recorded, kind, SPANS, rng())
        far = (span_time(recorded) < 1.9) | (span_time(recorded) > 4.2)
        assert np.isin(recorded.timestamp[far], attacked.timestamp).all()

    @pytest.mark.parametrize("kind", ATTACKS)
    def test_the_outcome_is_in_time_order(self, kind):
        attacked, _ = inject(recorded_frames(), kind, SPANS, rng())
        assert (np.diff(attacked.timestamp) >= 0).all()

    @pytest.mark.parametrize("kind", [kind for kind in ATTACKS if kind != "replay"])
    def test_an_attack_from_the_first_moment_leaves_the_first_frame(self, kind):
        recorded = recorded_frames()
        attacked, _ = inject(recorded, kind, [(0.0, 1.0)], rng())
        assert (attacked.timestamp[0], attacked.attack[0]) == (recorded.timestamp[0], False)
