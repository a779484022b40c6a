"""Simulated traffic: what a simulated vehicle sends."""

import numpy as np
import pytest
from makers import rng

from canids.simulate.arbitration import frame_seconds
from canids.simulate.payload import Checksum, Counter, checksum
from canids.simulate.traffic import drive
from canids.simulate.vehicle import CUMULATIVE, TIMED, make_vehicle


class TestTraffic:
    @pytest.mark.parametrize("seed", range(4))
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
