"""The simulated fleet: vehicles unlike each other, drives in several states, and the files that they are written to."""

import json
from pathlib import Path

import numpy as np
import pytest
from makers import rng
from omegaconf import OmegaConf

from canids.frames.parquet import read_frames
from canids.schema import Fleet, Synthesis
from canids.simulate.arbitration import frame_seconds
from canids.simulate.fleet import fleet_parts, fleet_tables, fleet_variant, simulate_part
from canids.simulate.fleet_vehicle import IDS, JITTERS, make_fleet_vehicle
from canids.simulate.motion import STATES, make_trip
from canids.simulate.payload import NIBBLE, Checksum, Constant, Counter, Multiplex, Signal, checksum
from canids.simulate.states import DRIVING, IGNITION, STANDING, StatefulTrip, make_stateful_trip
from canids.simulate.traffic import send
from canids.simulate.vehicle import BEATING, CUMULATIVE, EVENT, ON_CHANGE, TIMED, Message, Vehicle

FLEET, SYNTHESIS = OmegaConf.structured(Fleet), OmegaConf.structured(Synthesis)
SMALL = OmegaConf.merge(FLEET, {"vehicles": 2, "captures": 2, "shortest_drive": 5.0, "longest_drive": 8.0})


@pytest.fixture(scope="module")
def vehicles() -> list[Vehicle]:
    return [make_fleet_vehicle(f"v{number}", rng(number)) for number in range(80)]


@pytest.fixture(scope="module")
def part(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fleet")
    simulate_part(folder, 0, SMALL, SYNTHESIS)
    return folder


def trip_through(*states: int, seconds: float = 3.0) -> StatefulTrip:
    """A trip that spends as long in each state."""
    trip = make_trip(seconds * len(states), rng(1))
    return StatefulTrip(trip.knots, trip.toggles, seconds * np.arange(len(states)), np.array(states))


def message(**given) -> Message:
    usual = {"arbitration_id": 0x100, "period": 0.02, "jitter": 0.001, "dlc": 8, "clock": TIMED, "ecu": 0,
             "offset": 0.0, "fields": (Constant(0, 7),)}  # fmt: skip
    return Message(**(usual | given))


def sent(trip, *messages: Message):
    return send(Vehicle("any", messages), trip, 6.0, rng(2))


class TestVehicles:
    def test_they_have_from_few_to_many_ids(self, vehicles):
        counts = [len(vehicle.messages) for vehicle in vehicles]
        assert IDS[0] <= min(counts) < 20 and 88 < max(counts) <= IDS[1]

    def test_no_id_is_used_twice(self, vehicles):
        for vehicle in vehicles:
            assert len({(m.arbitration_id, m.is_extended) for m in vehicle.messages}) == len(vehicle.messages)

    @pytest.mark.parametrize("clock", [TIMED, CUMULATIVE, BEATING, ON_CHANGE, EVENT])
    def test_every_clock_occurs(self, vehicles, clock):
        assert any(m.clock == clock for vehicle in vehicles for m in vehicle.messages)

    def test_jitter_of_steady_clocks_is_within_its_range(self, vehicles):
        jitters = [m.jitter for vehicle in vehicles for m in vehicle.messages if m.clock in (TIMED, CUMULATIVE)]
        assert max(jitters) <= JITTERS[1] and np.median(jitters) < 0.02

    def test_some_send_frames_twice_some_have_long_ids_and_some_slow_buses(self, vehicles):
        assert any(m.echo for vehicle in vehicles for m in vehicle.messages)
        assert {m.is_extended for vehicle in vehicles for m in vehicle.messages} == {False, True}
        assert len({vehicle.bit_rate for vehicle in vehicles}) == 3

    def test_some_ids_are_silent_or_slower_in_each_state_but_never_all(self, vehicles):
        for vehicle in vehicles:
            assert min(sum(m.every[state] == 1 for m in vehicle.messages) for state in range(len(STATES))) >= 4
        every = np.array([m.every for vehicle in vehicles for m in vehicle.messages])
        assert (every == 0).mean(axis=0)[IGNITION] > 0.2 and (every == 0).any(axis=0).all()
        assert (every[:, :DRIVING] > 1).any(axis=0).all()

    def test_no_frequent_message_falls_silent_alone(self, vehicles):
        for vehicle in vehicles:
            frequent = [m for m in vehicle.messages if m.period <= 0.1]
            for state in range(len(STATES)):
                asleep = [m.ecu for m in frequent if m.every[state] == 0]
                assert all(asleep.count(ecu) > 1 for ecu in asleep)

    def test_no_bus_is_overloaded(self, vehicles):
        for vehicle in vehicles[:12]:
            frames = send(vehicle, make_stateful_trip(3.0, rng(1)), 3.0, rng(2))
            assert frame_seconds(frames, vehicle.bit_rate).sum() < 0.8 * 3.0

    def test_payloads_repeat_as_often_as_on_real_buses(self, vehicles):
        """Recorded attack-free: a quarter of the IDs never change their payload, half do with every frame."""
        repeats = []
        for vehicle in vehicles[:15]:
            frames = send(vehicle, make_stateful_trip(5.0, rng(1)), 5.0, rng(2))
            for m in vehicle.messages:
                payload = frames.payload[frames.arbitration_id == m.arbitration_id]
                if len(payload) > 20:
                    repeats.append((payload[1:] == payload[:-1]).all(axis=1).mean())
        repeats = np.array(repeats)
        assert 0.15 < (repeats == 1).mean() < 0.4 and 0.3 < (repeats < 0.02).mean() < 0.6


class TestStates:
    def test_a_silent_id_is_silent_in_its_state_alone(self):
        frames = sent(trip_through(DRIVING, STANDING), message(every=(1, 0, 1)), message(arbitration_id=1))
        time = frames.timestamp - frames.timestamp[0]
        assert (frames.arbitration_id[time < 2.9] == 0x100).sum() > 100
        assert not (frames.arbitration_id[time > 3.1] == 0x100).any()

    def test_an_id_changes_its_rate(self):
        frames = sent(trip_through(DRIVING, IGNITION), message(every=(4, 1, 1)))
        time = frames.timestamp - frames.timestamp[0]
        assert (time > 3).sum() == pytest.approx((time < 3).sum() / 4, abs=2)

    def test_a_vehicle_that_does_not_drive_does_not_move(self):
        trip, time = trip_through(STANDING, DRIVING), np.linspace(0, 6, 600)
        speed = trip.signal("speed", time)
        assert not speed[time < 2.9].any() and speed[time > 3.1].all()

    def test_the_engine_idles_when_standing_and_is_off_before(self):
        trip, time = trip_through(IGNITION, STANDING), np.linspace(0, 6, 600)
        rpm = trip.signal("rpm", time)
        assert not rpm[time < 2.9].any() and (rpm[time > 3.1] > 600).all() and (rpm[time > 3.1] < 900).all()

    def test_trips_begin_in_every_state_and_some_change_it(self):
        trips = [make_stateful_trip(10.0, rng(seed)) for seed in range(60)]
        assert {int(trip.states[0]) for trip in trips} == set(range(len(STATES)))
        assert 0.15 < np.mean([len(trip.states) > 1 for trip in trips]) < 0.6


class TestMessages:
    def test_an_echo_repeats_the_frame(self):
        frames = sent(trip_through(DRIVING, DRIVING), message(echo=0.003, fields=(Counter(0, 256),)))
        counts = np.unique(frames.payload[:, 0], return_counts=True)[1]
        assert set((counts % 2).tolist()) == {0}

    def test_a_beating_message_is_early_and_late_in_turn(self):
        frames = sent(trip_through(DRIVING, DRIVING), message(clock=BEATING, jitter=0.1))
        interval = np.diff(frames.timestamp) / 0.02
        assert (np.abs(interval - 1.1) < 0.02).any() and (np.abs(interval - 0.9) < 0.02).any()
        assert interval.mean() == pytest.approx(1, abs=0.01)

    def test_pages_come_in_turn(self):
        frames = sent(trip_through(DRIVING, DRIVING), message(fields=(Multiplex(0, (b"\0a", b"\1b", b"\2c")),)))
        assert set(np.diff(frames.payload[:, 0].astype(int)) % 3) == {1}
        assert set(zip(*frames.payload[:, :2].T.tolist(), strict=True)) == {(0, 97), (1, 98), (2, 99)}

    def test_a_held_signal_is_measured_now_and_then(self):
        held = Signal(0, 2, "speed", 0.0, 200.0, noise=4.0, hold=0.2)
        frames = sent(trip_through(DRIVING, DRIVING), message(fields=(held,)))
        changes = (frames.payload[1:] != frames.payload[:-1]).any(axis=1).mean()
        assert 0.05 < changes < 0.12

    def test_a_nibble_is_the_sums_low_half(self):
        payload = np.array([[0x1F, 0x02]], np.uint8)
        assert checksum(payload, NIBBLE, 0)[0] == 0x01

    def test_a_checksum_follows_what_it_covers(self):
        fields = (Counter(0, 256), Checksum(1, NIBBLE, 3))
        frames = sent(trip_through(DRIVING, DRIVING), message(fields=fields))
        np.testing.assert_array_equal(frames.payload[:, 1], (frames.payload[:, 0].astype(int) + 3) % 16)


class TestFiles:
    def test_it_writes_the_tables_that_it_announces(self, part):
        assert sorted(path.name for path in part.glob("*.parquet")) == sorted(fleet_tables(SMALL, 0))

    def test_each_vehicle_has_two_drives_or_more(self, part):
        drives = [read_frames(path)[1] for path in part.glob("*.parquet") if "attacked" not in path.name]
        assert sorted(facts["vehicle"] for facts in drives) == ["fleet-0000"] * 2 + ["fleet-0001"] * 2

    def test_drives_last_as_long_as_asked_for_and_differ(self, part):
        lengths = {read_frames(path)[1]["duration_s"] for path in part.glob("fleet-????-?.parquet")}
        assert len(lengths) == 4 and min(lengths) > 4.5 and max(lengths) < 8.1

    def test_a_drive_is_free_of_attacks_and_its_copy_is_not(self, part):
        for path in part.glob("*.parquet"):
            facts = read_frames(path)[1]
            assert bool(facts["attack_spans"]) == ("attacked" in path.name)

    def test_a_copy_names_its_drive(self, part):
        drive, copy = (read_frames(part / f"fleet-0001-0{name}.parquet")[1] for name in ("", "-attacked-0"))
        assert (copy["origin_sha256"], copy["vehicle"]) == (drive["content_sha256"], drive["vehicle"])

    def test_what_was_driven_and_injected_lies_beside_it(self, part):
        for path in part.glob("*.parquet"):
            assert json.loads(path.with_suffix(".json").read_text()) == read_frames(path)[1]

    def test_a_larger_fleet_holds_the_smaller(self, part, tmp_path):
        simulate_part(tmp_path, 0, OmegaConf.merge(SMALL, {"vehicles": 1}), SYNTHESIS)
        for path in tmp_path.glob("*.parquet"):
            assert path.read_bytes() == (part / path.name).read_bytes()

    def test_parts_hold_every_vehicle_once(self):
        fleet = OmegaConf.merge(FLEET, {"vehicles": 47, "captures": 2, "copies": 3})
        names = [name for part in fleet_parts(fleet) for name in fleet_tables(fleet, part)]
        assert len(set(names)) == len(names) == 47 * 2 * (1 + 3)

    @pytest.mark.parametrize(
        ("fleet", "synthesis"), [({"seed": 1}, {}), ({"vehicles": 10}, {}), ({}, {"seed": 1}), ({}, {"rare": 0.1})]
    )
    def test_another_fleet_has_another_folder(self, fleet, synthesis):
        changed = OmegaConf.merge(FLEET, fleet), OmegaConf.merge(SYNTHESIS, synthesis)
        assert fleet_variant(*changed) != fleet_variant(FLEET, SYNTHESIS)

    def test_copies_of_a_datasets_captures_do_not_name_the_fleet(self):
        assert fleet_variant(FLEET, OmegaConf.merge(SYNTHESIS, {"copies": 9})) == fleet_variant(FLEET, SYNTHESIS)
