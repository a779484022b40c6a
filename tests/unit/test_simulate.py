"""Simulated traffic, arbitration, attacks and the demo dataset, by what they are to do on the bus."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canids.errors import DatasetError
from canids.frames.frames import Frames
from canids.simulate import demo
from canids.simulate.arbitration import arbitrate, frame_seconds, priority
from canids.simulate.attacks import ATTACKS, inject, masquerade, suppression
from canids.simulate.capture_file import write_capture
from canids.simulate.payload import Checksum, Counter, checksum
from canids.simulate.traffic import drive
from canids.simulate.vehicle import CUMULATIVE, TIMED, make_vehicle

SPANS = [(2.0, 2.6), (3.2, 3.9)]
LABELLED = [kind for kind in ATTACKS if kind != "suppression"]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def frames_of(timestamp, arbitration_id, extended=False, dlc=8, payload=0) -> Frames:
    count = len(timestamp)
    return Frames(
        timestamp=np.asarray(timestamp, float),
        arbitration_id=np.asarray(arbitration_id, np.uint32),
        is_extended=np.full(count, extended, bool),
        dlc=np.full(count, dlc, np.uint8),
        payload=np.full((count, 8), payload, np.uint8),
        attack=np.zeros(count, bool),
        attack_type=np.zeros(count, np.int8),
    )


def recorded_frames() -> Frames:
    """Frames as a coarse logger gives them: stamped in whole milliseconds, so that several share a time."""
    time = np.sort(np.concatenate([np.arange(k * 1e-3, 5.0, 0.02) for k in range(12)]).round(3))
    numbers = np.tile(np.arange(0x100, 0x10C), len(time) // 12 + 1)[: len(time)]
    payload = np.random.default_rng(5).integers(0, 256, (len(time), 8), dtype=np.uint8)
    return frames_of(50.0 + time, numbers, payload=payload)


@pytest.fixture(scope="module")
def vehicle():
    return make_vehicle("tango", rng(3))


@pytest.fixture(scope="module")
def driven(vehicle) -> Frames:
    return drive(vehicle, 5.0, rng(4))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    demo.simulate_demo(folder, 7, 4.0)
    return folder


def span_time(frames: Frames) -> np.ndarray:
    return frames.timestamp - frames.timestamp[0]


def within(frames: Frames, span) -> np.ndarray:
    return (span_time(frames) >= span.start) & (span_time(frames) <= span.end)


class TestArbitration:
    def test_a_frame_that_finds_the_bus_idle_keeps_its_time(self):
        frames = frames_of([1.0, 1.001, 1.002], [3, 2, 1])
        assert arbitrate(frames).timestamp.tolist() == [1.0, 1.001, 1.002]

    def test_the_lowest_waiting_id_wins(self):
        sent = arbitrate(frames_of([0.0, 1e-5, 2e-5, 3e-5], [0x300, 0x200, 0x050, 0x100]))
        assert sent.arbitration_id.tolist() == [0x300, 0x050, 0x100, 0x200]

    def test_a_standard_frame_wins_over_an_extended_one_with_the_same_base(self):
        frames = replace(frames_of([0.0, 0.0], [0x123 << 18, 0x123]), is_extended=np.array([True, False]))
        assert arbitrate(frames).is_extended.tolist() == [False, True]

    def test_an_extended_frame_wins_over_a_standard_one_with_a_higher_base(self):
        frames = replace(frames_of([0.0, 0.0], [0x124, 0x123 << 18]), is_extended=np.array([False, True]))
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
        frames = replace(frames_of(ready * 1e-6, numbers), dlc=dlc.astype(np.uint8))
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


class TestTraffic:
    @pytest.mark.parametrize("seed", range(8))
    def test_the_bus_carries_a_hundred_frames_in_about_50_ms(self, seed):
        frames = drive(make_vehicle("any", rng(seed)), 3.0, rng(seed))
        assert 1450 < len(frames) / 3.0 < 2300

    def test_frames_do_not_overlap(self, driven):
        # timestamps since 1970 resolve 0.24 µs
        assert (np.diff(driven.timestamp) - frame_seconds(driven)[:-1]).min() > -1e-6

    def test_ids_are_within_the_range_asked_for(self):
        assert 40 <= len(make_vehicle("any", rng(1), ids=(40, 44)).messages) <= 44

    def test_periodic_messages_keep_their_period(self, vehicle, driven):
        for message in vehicle.messages:
            if message.clock in (TIMED, CUMULATIVE) and message.period <= 0.1:
                intervals = np.diff(driven.timestamp[driven.arbitration_id == message.arbitration_id])
                assert intervals.mean() == pytest.approx(message.period, rel=0.05)

    def test_low_ids_are_the_faster_half(self, vehicle):
        periods = [message.period for message in vehicle.messages]
        half = len(periods) // 2
        assert np.median(periods[:half]) < np.median(periods[half:])

    def test_checksums_are_right(self, vehicle, driven):
        for message in vehicle.messages:
            for field in message.fields:
                if isinstance(field, Checksum):
                    payload = driven.payload[driven.arbitration_id == message.arbitration_id]
                    expected = checksum(payload[:, : field.byte], field.method, field.key)
                    np.testing.assert_array_equal(payload[:, field.byte], expected)

    def test_counters_count(self, vehicle, driven):
        for message in vehicle.messages:
            for field in message.fields:
                if isinstance(field, Counter) and message.clock == TIMED:
                    values = driven.payload[driven.arbitration_id == message.arbitration_id, field.byte]
                    counts = values.astype(int) % (16 if field.modulus <= 16 else 256)
                    assert set(np.diff(counts) % field.modulus) <= {1}

    def test_most_periodic_ids_change_their_payload(self, vehicle, driven):
        changing = [
            len(np.unique(driven.payload[driven.arbitration_id == m.arbitration_id], axis=0)) > 1
            for m in vehicle.messages
            if m.period <= 0.1
        ]
        assert np.mean(changing) > 0.6

    def test_payload_beyond_the_dlc_is_zero(self, driven):
        assert not driven.payload[np.arange(8) >= driven.dlc[:, None]].any()

    def test_two_trips_differ(self, vehicle, driven):
        other = drive(vehicle, 5.0, rng(99))
        assert not np.array_equal(driven.payload[:1000], other.payload[:1000])

    def test_crc8_matches_the_published_check_value_of_its_polynomial(self):
        # SAE J1850: start 0xFF, final xor 0xFF, check value of "123456789" is 0x4B
        digits = np.frombuffer(b"123456789", np.uint8)[None]
        assert checksum(digits, "crc8", 0xFF)[0] ^ 0xFF == 0x4B


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

    @pytest.mark.parametrize("kind", ATTACKS)
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

    def test_suppression_starts_a_period_after_the_last_frame(self, driven):
        attacked, (span,) = inject(driven, "suppression", SPANS[:1], rng())
        heard = span_time(attacked)[attacked.arbitration_id == span.arbitration_ids[0]]
        period = np.median(np.diff(heard))
        assert span.start - heard[heard < span.start].max() == pytest.approx(period, rel=0.05)

    def test_suppression_labels_no_frame(self, driven):
        attacked, _ = inject(driven, "suppression", SPANS, rng())
        assert not attacked.attack.any()

    def test_suppression_removes_frames_of_its_id_only(self, driven):
        attacked, span = suppression(driven, *SPANS[0], rng())
        kept = np.isin(driven.timestamp, attacked.timestamp)
        assert set(driven.arbitration_id[~kept].tolist()) == set(span.arbitration_ids)

    @pytest.mark.parametrize("seed", range(6))
    def test_masquerade_keeps_the_rate_of_its_id(self, driven, seed):
        attacked, (span,) = inject(driven, "masquerade", SPANS[:1], rng(seed))
        target = span.arbitration_ids[0]
        assert (attacked.arbitration_id == target).sum() == (driven.arbitration_id == target).sum()

    @pytest.mark.parametrize("seed", range(6))
    def test_masquerade_silences_the_genuine_sender(self, driven, seed):
        attacked, span = masquerade(driven, *SPANS[0], rng(seed))
        target = attacked.arbitration_id == span.arbitration_ids[0]
        assert attacked.attack[target & within(attacked, span)].all()

    @pytest.mark.parametrize("seed", range(6))
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


class TestCaptureFile:
    def test_lines_are_in_the_public_datasets_form(self, tmp_path):
        frames = frames_of([1600000000.25, 1600000000.5], [0x2A, 0x7FF], dlc=2, payload=0xAB)
        frames.attack[1] = True
        write_capture(tmp_path / "capture.csv", frames)
        assert (tmp_path / "capture.csv").read_text() == (
            "timestamp,arbitration_id,data_field,attack\n1600000000.250000,02A,ABAB,0\n1600000000.500000,7FF,ABAB,1\n"
        )

    def test_an_empty_payload_is_an_empty_field(self, tmp_path):
        write_capture(tmp_path / "capture.csv", frames_of([1.0], [0x10], dlc=0))
        assert (tmp_path / "capture.csv").read_text().splitlines()[1] == "1.000000,010,,0"

    def test_an_extended_id_has_eight_digits(self, tmp_path):
        write_capture(tmp_path / "capture.csv", frames_of([1.0], [0x10], extended=True))
        assert (tmp_path / "capture.csv").read_text().splitlines()[1].split(",")[1] == "00000010"


class TestDemo:
    def test_it_writes_the_captures_that_it_announces(self, folder):
        written = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.glob("*/*.csv")}
        assert written == set(demo.demo_captures())

    def test_the_same_seed_gives_the_same_bytes(self, folder, tmp_path):
        demo.simulate_demo(tmp_path, 7, 4.0)
        assert [path.read_bytes() for path in sorted(tmp_path.rglob("*.csv"))] == [
            path.read_bytes() for path in sorted(folder.rglob("*.csv"))
        ]

    def test_another_seed_gives_other_traffic(self):
        other, _ = demo.simulate_capture(demo.PLAN[0], 8, 4.0)
        same, _ = demo.simulate_capture(demo.PLAN[0], 7, 4.0)
        assert set(other.arbitration_id.tolist()) != set(same.arbitration_id.tolist())

    def test_training_repeats_an_attack_free_capture_byte_for_byte(self, folder):
        copies = list(folder.glob("train_*/attack-free-alpha.csv"))
        assert copies[0].read_bytes() == copies[1].read_bytes()

    def test_every_attacked_capture_has_its_spans_on_file(self, folder):
        lines = (folder / "attack_spans.csv").read_text().splitlines()
        assert lines[0] == "capture,start,end,kind,arbitration_ids"
        counted = [line.split(",")[0] for line in lines[1:]]
        assert {name: counted.count(name) for name in counted} == {p.name: len(p.spans) for p in demo.PLAN if p.spans}

    def test_spans_on_file_hold_every_line_labelled_as_attack(self, folder):
        spans = [line.split(",") for line in (folder / "attack_spans.csv").read_text().splitlines()[1:]]
        for name in demo.demo_captures():
            lines = [line.split(",") for line in (folder / f"{name}.csv").read_text().splitlines()[1:]]
            time = np.array([float(line[0]) for line in lines])
            time -= time[0]
            inside = np.zeros(len(time), bool)
            for _, start, end, *_ in (span for span in spans if span[0] == name):
                inside |= (time >= float(start)) & (time <= float(end))
            assert inside[[line[3] == "1" for line in lines]].all()

    @pytest.mark.parametrize("planned", demo.PLAN, ids=lambda planned: planned.name)
    def test_captures_leave_room_for_the_warm_up(self, planned):
        frames, spans = demo.simulate_capture(planned, 7, 16.0)
        begin = min((span.start for span in spans), default=np.inf)
        assert (span_time(frames) < begin).sum() > 10_000

    def test_attacks_called_unknown_are_not_trained_on(self):
        trained = {planned.attack for planned in demo.PLAN if planned.scenario.startswith("train")}
        unknown = {planned.attack for planned in demo.PLAN if "unknown_attack" in planned.scenario}
        assert not trained & unknown

    def test_vehicles_called_unknown_are_not_trained_on(self):
        trained = {planned.vehicle for planned in demo.PLAN if planned.scenario.startswith("train")}
        unknown = {planned.vehicle for planned in demo.PLAN if "unknown_vehicle" in planned.scenario}
        assert not trained & unknown

    def test_the_shortest_captures_allowed_can_be_attacked(self):
        for planned in demo.PLAN:
            _, spans = demo.simulate_capture(planned, 7, 2.0)
            assert len(spans) == len(planned.spans)
