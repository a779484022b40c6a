"""The embedded demo dataset and the form of its files."""

import numpy as np
import pytest
from makers import frames_of

from canids.simulate import demo
from canids.simulate.capture_file import write_capture


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    demo.simulate_demo(folder, 7, 4.0)
    return folder


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
        assert (frames.timestamp - frames.timestamp[0] < begin).sum() > 10_000

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
