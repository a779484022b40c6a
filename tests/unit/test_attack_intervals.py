"""Labels from a file of intervals."""

import json
from dataclasses import replace

import numpy as np
import pytest
from makers import frames_of

from canids.errors import DatasetError
from canids.frames.attack_intervals import AttackInterval, intervals_of_file, label_by_intervals
from canids.frames.dataset import Capture
from canids.frames.ingest import ingest
from canids.frames.parquet import read_frames

ROAD = {
    "correlated_signal_attack_1": {
        "description": "…",
        "injection_data_str": "595945450000FFXX",
        "injection_id": "0x6e0",
        "injection_interval": [1.0, 2.0],
    },
    "fuzzing_attack_1": {"injection_data_str": None, "injection_id": "XXX", "injection_interval": [1.0, 2.0]},
    "ambient": {"injection_data_str": None, "injection_id": None, "injection_interval": None},
}


@pytest.fixture
def listed(tmp_path):
    def listed(content: str, capture: str) -> list[AttackInterval]:
        (tmp_path / "intervals").write_text(content)
        return intervals_of_file(tmp_path / "intervals", capture)

    return listed


def labels(interval: AttackInterval, **changes) -> list[bool]:
    """Labels of five frames at 100 to 104 s."""
    frames = replace(frames_of([100.0, 101.0, 102.0, 103.0, 104.0], [1, 2, 1, 2, 1]), **changes)
    return label_by_intervals(frames, [interval], "x").attack.tolist()


class TestFiles:
    def test_csv_lists_intervals_by_capture(self, listed):
        content = "capture,start,end,arbitration_ids,kind\na,0.5,1.5,0C 1A,DoS\nb,0,1,,\n"
        assert listed(content, "a") == [AttackInterval(0.5, 1.5, (0x0C, 0x1A), "", "DoS")]

    def test_ids_and_kinds_need_not_be_told(self, listed):
        assert listed("capture,start,end\na,0.5,1.5\n", "a") == [AttackInterval(0.5, 1.5)]

    def test_roads_metadata_tell_id_and_pattern(self, listed):
        assert listed(json.dumps(ROAD), "correlated_signal_attack_1") == [
            AttackInterval(1.0, 2.0, (0x6E0,), "595945450000FFXX")
        ]

    def test_roads_wildcard_is_any_id(self, listed):
        assert listed(json.dumps(ROAD), "fuzzing_attack_1") == [AttackInterval(1.0, 2.0)]

    @pytest.mark.parametrize("capture", ["ambient", "unknown"])
    def test_a_capture_may_have_none(self, listed, capture):
        assert listed(json.dumps(ROAD), capture) == []

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "capture,start\na,1\n",
            "capture,start,end\na,x,2\n",
            "capture,start,end\na,3,2\n",
            "capture,start,end,arbitration_ids\na,1,2,zz\n",
            "{",
            '{"a": 1}',
            '{"a": {"injection_interval": [1]}}',
            '{"a": {"injection_interval": [1, 2], "injection_data_str": "Q"}}',
        ],
    )
    def test_a_file_that_is_neither_is_refused(self, listed, content):
        with pytest.raises(DatasetError, match="neither a CSV of attack intervals"):
            listed(content, "a")


class TestLabels:
    def test_frames_within_are_attacks_ends_included(self):
        assert labels(AttackInterval(1.0, 3.0)) == [False, True, True, True, False]

    def test_an_interval_may_be_given_in_dates(self):
        times = 1.6e9 + np.arange(5.0)
        assert labels(AttackInterval(1.6e9 + 1, 1.6e9 + 3), timestamp=times) == [False, True, True, True, False]

    def test_only_frames_of_its_ids(self):
        assert labels(AttackInterval(1.0, 3.0, (2,))) == [False, True, False, True, False]

    def test_only_frames_that_fit_its_pattern(self):
        payload = np.zeros((5, 8), np.uint8)
        payload[[1, 3], 1] = [0x1A, 0x2A]
        assert labels(AttackInterval(1.0, 3.0, (), "XX1A" + "XX" * 6), payload=payload) == [False, True] + [False] * 3

    def test_a_digit_may_be_a_wildcard(self):
        payload = np.zeros((5, 8), np.uint8)
        payload[[1, 3], 1] = [0x1A, 0x2A]
        pattern = "XXXA" + "XX" * 6
        assert labels(AttackInterval(1.0, 3.0, (), pattern), payload=payload) == [False, True, False, True, False]

    def test_kinds_are_kept_apart(self):
        frames = frames_of([100.0, 101.0, 102.0], [1, 1, 1])
        intervals = [AttackInterval(0, 0, kind="DoS"), AttackInterval(2, 2)]
        labelled = label_by_intervals(frames, intervals, "fuzzing")
        kinds = [labelled.attack_types[k] for k in labelled.attack_type[labelled.attack]]
        assert kinds == ["DoS", "fuzzing"]

    def test_ingest_labels_a_log_by_the_datasets_file(self, tmp_path):
        (tmp_path / "fuzzing_attack_1.log").write_text("".join(f"({k}.000000) can0 044#2A\n" for k in range(4)))
        (tmp_path / "capture_metadata.json").write_text(json.dumps(ROAD))
        capture = Capture("test", "fuzzing_attack_1", tmp_path / "fuzzing_attack_1.log", "road", "fuzzing")
        out = tmp_path / "a.parquet", tmp_path / "a.json"
        ingest(capture, *out, None, False, {"attack_intervals": str(tmp_path / "capture_metadata.json")})
        assert read_frames(out[0])[0].attack.tolist() == [False, True, True, False]
