"""What ``canids inspect`` says of a log file."""

import json

import numpy as np
import pytest
from makers import frames_of
from typer.testing import CliRunner

from canids.cli import app
from canids.frames.inspection import bus_load, gaps, inspect_capture

LINES = [f"({1000 + k * 0.01:.6f}) can0 {0x100 + k % 4:03X}#1122334455667788 {int(k == 5)}\n" for k in range(200)]


@pytest.fixture
def facts(tmp_path):
    def facts(lines: list[str]) -> dict:
        (tmp_path / "a.log").write_text("".join(lines))
        return inspect_capture(tmp_path / "a.log", 500_000)

    return facts


class TestFacts:
    @pytest.mark.parametrize(
        "fact, value",
        [
            ("format", "candump log"),
            ("frames", 200),
            ("duration_s", pytest.approx(1.99)),
            ("frames_per_s", pytest.approx(100.5, abs=0.1)),
            ("arbitration_ids", 4),
            ("extended_ids", 0),
            ("channels", {"can0": 200}),
            ("attack_frames", 1),
            ("attack_share_percent", 0.5),
        ],
    )
    def test_it_tells(self, facts, fact, value):
        assert facts(LINES)[fact] == value

    def test_an_unlabelled_log_has_no_label_share(self, facts):
        assert facts([line[:-3] + "\n" for line in LINES])["attack_share_percent"] is None

    @pytest.mark.parametrize(
        "line, irregularity, count",
        [
            ("(1000.500000) can0 100#11\n", "steps_back_in_time", 1),
            ("(1001.990000) can0 100#11\n", "repeated_times", 1),
            ("(1009.000000) can0 100#11\n", "gaps", 1),
            ("(1002.000000) can0 20000004#00\n", "error_frames", 1),
            ("(1002.000000) can0 100#R\n", "remote_frames", 1),
            ("garbage\n", "rejected", {"not a line of (time) interface ID#data": 1}),
        ],
    )
    def test_an_irregularity_is_counted(self, facts, line, irregularity, count):
        assert facts([*LINES, line])["irregularities"][irregularity] == count

    def test_a_regular_log_has_none(self, facts):
        wrong = facts(LINES)["irregularities"]
        kinds = ("rejected", "left_out", "steps_back_in_time", "repeated_times", "gaps", "notes")
        assert not any(wrong[kind] for kind in kinds)


def test_a_frame_of_8_bytes_takes_about_a_quarter_of_a_millisecond_at_500_kbit_per_s():
    # 111 bits and some 5 stuff bits
    frames = frames_of(np.arange(1001) / 1000, np.zeros(1001))
    assert bus_load(frames, 500_000) == pytest.approx(0.233, abs=0.01)


def test_a_pause_beyond_what_is_usual_is_a_gap():
    assert gaps(np.array([*np.arange(0, 1, 0.001), 1.9])).tolist() == pytest.approx([0.901])


class TestCommand:
    @pytest.fixture
    def run(self, tmp_path):
        (tmp_path / "a.log").write_text("".join(LINES))
        return lambda *words: CliRunner().invoke(app, ["inspect", *map(str, words)])

    def test_json_is_one_object_a_file(self, run, tmp_path):
        done = run("--json", tmp_path / "a.log", tmp_path / "a.log")
        assert [json.loads(line)["frames"] for line in done.stdout.splitlines()] == [200, 200]

    def test_the_bit_rate_halves_the_load(self, run, tmp_path):
        loads = [
            json.loads(run("--json", "--bitrate", rate, tmp_path / "a.log").stdout)["bus_load_percent"]
            for rate in (500, 1000)
        ]
        assert loads[0] == pytest.approx(2 * loads[1])

    def test_the_table_names_the_format(self, run, tmp_path):
        assert "candump log" in run(tmp_path / "a.log").stdout

    def test_a_bad_file_ends_with_2_and_costs_no_other(self, run, tmp_path):
        done = run(tmp_path / "none.log", tmp_path / "a.log")
        assert (done.exit_code, "candump log" in done.stdout) == (2, True)
