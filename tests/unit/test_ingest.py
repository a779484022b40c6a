"""Ingest: a log file in, a frame table and a record out, or nothing at all."""

import gzip
import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from makers import frames_of, periodic

from canids import artifacts
from canids.errors import ArtifactError, CanidsError, CaptureError, DatasetError
from canids.frames.attack_spans import spans_of_labels
from canids.frames.content import content_sha256
from canids.frames.dataset import Capture
from canids.frames.frames import ATTACK_FREE
from canids.frames.ingest import ingest
from canids.frames.parquet import read_frames, write_frames

HEADER = "timestamp,arbitration_id,data_field,attack\n"
CLEAN = HEADER + "10.0,1A,00,0\n10.5,1B,,0\n11.0,1A,01,0\n"
SPANS_HEADER = "capture,start,end,kind,arbitration_ids\n"


@pytest.fixture
def run(tmp_path):
    """Ingest text (or bytes) as capture test/a, and give the frames and the record."""

    def run(content: str | bytes, name: str = "a.csv", spans: str | None = None, strict: bool = False):
        source = tmp_path / "in" / name
        source.parent.mkdir(exist_ok=True)
        source.write_bytes(content if isinstance(content, bytes) else content.encode())
        listed = None
        if spans is not None:
            listed = tmp_path / "in" / "spans.csv"
            listed.write_text(spans)
        capture = Capture("test", "a", source, "kia", "DoS")
        ingest(capture, tmp_path / "out/a.parquet", tmp_path / "out/a.json", listed, strict)
        return read_frames(tmp_path / "out/a.parquet")[0], json.loads((tmp_path / "out/a.json").read_text())

    return run


class TestRecord:
    def test_it_counts_lines_frames_and_rejects(self, run):
        _, record = run(CLEAN + "12.0,zz,00,0\n13.0,1A,0,0\n14.0,1A,0,0\n")
        assert (record["lines"], record["frames"], record["rejected"]) == (
            6,
            3,
            {"ID not hexadecimal": 1, "payload of odd length": 2},
        )

    def test_it_shows_rejected_lines(self, run):
        assert run(CLEAN + "12.0,zz,00,0\n")[1]["rejected_examples"] == [
            {"line": 5, "reason": "ID not hexadecimal", "text": "12.0,zz,00,0"}
        ]

    def test_it_says_how_long_the_capture_lasts(self, run):
        assert run(CLEAN)[1]["duration_s"] == 1.0

    def test_the_frame_table_carries_the_same_facts(self, run, tmp_path):
        _, record = run(CLEAN)
        assert read_frames(tmp_path / "out/a.parquet")[1] == record

    def test_frames_out_of_time_order_are_counted(self, run):
        assert run(HEADER + "2,1,,0\n1,2,,0\n3,3,,0\n2.5,4,,0\n")[1]["steps_back_in_time"] == 2

    def test_frames_out_of_time_order_are_sorted(self, run):
        assert run(HEADER + "2,1,,0\n1,2,,0\n3,3,,0\n2.5,4,,0\n")[0].arbitration_id.tolist() == [2, 1, 4, 3]

    def test_frames_of_one_time_keep_their_order(self, run):
        # many, for short arrays are sorted stably anyway
        lines = [f"{k % 3},{(37 * k) % 1000:X},,0\n" for k in range(1000)]
        numbers = [(37 * k) % 1000 for time in range(3) for k in range(1000) if k % 3 == time]
        assert run(HEADER + "".join(lines))[0].arbitration_id.tolist() == numbers


class TestSameContent:
    def test_a_gzipped_copy_has_the_same_content(self, run):
        assert run(CLEAN)[1]["content_sha256"] == run(gzip.compress(CLEAN.encode()), "a.csv.gz")[1]["content_sha256"]

    def test_another_notation_is_the_same_content(self, run):
        other = "attack,data_field,arbitration_id,timestamp\r\n0,00,01a,10\r\n0.0,,1b,10.50\r\n0,01,1A,1.1e1\r\n"
        assert run(CLEAN)[1]["content_sha256"] == run(other)[1]["content_sha256"]

    @pytest.mark.parametrize(
        "change",
        [
            ("10.5", "10.6"),
            ("1B", "1C"),
            ("01,0\n", "02,0\n"),
            ("1B,,", "1B,00,"),
        ],
        ids=["time", "ID", "payload", "length"],
    )
    def test_a_changed_frame_is_other_content(self, run, change):
        assert run(CLEAN)[1]["content_sha256"] != run(CLEAN.replace(*change))[1]["content_sha256"]

    def test_labels_are_no_part_of_the_content(self, run):
        assert run(CLEAN)[1]["content_sha256"] == run(CLEAN.replace("1B,,0", "1B,,1"))[1]["content_sha256"]

    def test_an_extended_id_is_not_the_standard_one_of_the_same_number(self):
        standard, extended = (frames_of([1.0, 2.0], [5, 5], extended=each) for each in (False, True))
        assert content_sha256(standard) != content_sha256(extended)


class TestRefusals:
    BAD = CLEAN + "12.0,1A,zz,0\n"

    def test_strict_names_file_line_and_reason(self, run, tmp_path):
        with pytest.raises(CaptureError) as caught:
            run(self.BAD, strict=True)
        assert str(caught.value).startswith(f"{tmp_path / 'in/a.csv'}, line 5: payload not hexadecimal")

    def test_strict_names_the_first_of_several_bad_lines(self, run):
        with pytest.raises(CaptureError, match="line 2: wrong number of fields"):
            run(HEADER + "12.0,1A\n" + self.BAD.removeprefix(HEADER), strict=True)

    def test_strict_passes_a_clean_file(self, run):
        assert len(run(CLEAN, strict=True)[0]) == 3

    def test_a_file_without_a_usable_frame_names_the_reasons(self, run):
        with pytest.raises(CaptureError, match=r"no usable frame among 2 lines \(2 × ID not hexadecimal\)"):
            run(HEADER + "1,zz,,0\n2,zz,,0\n")

    @pytest.mark.parametrize(
        "failing",
        [
            {"content": b""},
            {"content": HEADER},
            {"content": HEADER + "1,zz,,0\n"},
            {"content": BAD, "strict": True},
            {"content": gzip.compress(CLEAN.encode())[:-9], "name": "a.csv.gz"},
            {"content": CLEAN, "spans": "nonsense\n1\n"},
        ],
        ids=["empty", "header alone", "no frame", "strict", "truncated", "spans"],
    )
    def test_a_failed_ingest_leaves_no_file(self, run, tmp_path, failing):
        with pytest.raises(CanidsError):
            run(**failing)
        assert not list(tmp_path.glob("out/*"))

    def test_a_failed_ingest_leaves_the_earlier_outcome_alone(self, run, tmp_path):
        run(CLEAN)
        before = [path.read_bytes() for path in sorted(tmp_path.glob("out/*"))]
        with pytest.raises(CaptureError):
            run(HEADER)
        assert [path.read_bytes() for path in sorted(tmp_path.glob("out/*"))] == before


class TestAttackSpans:
    def test_a_burst_of_labelled_frames_is_a_span(self, run):
        _, record = run(CLEAN + "12.0,1C,,1\n12.5,1D,,1\n13.0,1A,,0\n")
        assert record["attack_spans"] == [{"start": 2.0, "end": 2.5, "kind": "DoS", "arbitration_ids": [0x1C, 0x1D]}]

    def test_a_pause_of_more_than_a_second_parts_two_spans(self):
        frames = replace(frames_of([0, 1, 2, 3.1, 4], [1] * 5), attack=np.array([0, 1, 1, 1, 0], bool))
        assert [(span.start, span.end) for span in spans_of_labels(frames)] == [(1, 2), (3.1, 3.1)]

    def test_an_attack_with_many_ids_names_none(self):
        frames = replace(frames_of(np.arange(9) * 0.1, range(9)), attack=np.ones(9, bool))
        assert spans_of_labels(frames)[0].arbitration_ids == ()

    @pytest.mark.parametrize("ids", [[7, 0x7FF, 7, 0], [0x7FF, 0x800, 0x1FFFFFFF, 0x800]])
    def test_it_names_its_ids_once_and_in_order(self, ids):
        frames = replace(frames_of(np.arange(4) * 0.1, ids), attack=np.ones(4, bool))
        assert spans_of_labels(frames)[0].arbitration_ids == tuple(sorted(set(ids)))

    def test_a_capture_without_labels_has_no_span(self, run):
        assert run(CLEAN)[1]["attack_spans"] == []

    def test_listed_spans_serve_where_no_frame_is_labelled(self, run):
        _, record = run(CLEAN, spans=SPANS_HEADER + "test/a,0.25,0.5,suppression,1A 1B\ntest/b,0,1,suppression,1A\n")
        assert record["attack_spans"] == [
            {"start": 0.25, "end": 0.5, "kind": "suppression", "arbitration_ids": [0x1A, 0x1B]}
        ]

    def test_labels_win_over_listed_spans(self, run):
        _, record = run(CLEAN + "12.0,1C,,1\n", spans=SPANS_HEADER + "test/a,0.25,0.5,suppression,1A\n")
        assert [span["kind"] for span in record["attack_spans"]] == ["DoS"]

    @pytest.mark.parametrize("spans", ["nonsense\n1\n", "", SPANS_HEADER + "test/a,0,1,x,zz\n"])
    def test_a_file_that_lists_no_spans_names_its_columns(self, run, spans):
        with pytest.raises(DatasetError, match=r"spans.csv: not a CSV of attack spans \(capture, start, end"):
            run(CLEAN, spans=spans)

    def test_a_missing_file_of_spans_is_named(self, tmp_path, run):
        source = tmp_path / "b.csv"
        source.write_text(CLEAN)
        with pytest.raises(DatasetError, match=r"none\.csv"):
            capture = Capture("test", "b", source, "kia", "DoS")
            ingest(capture, tmp_path / "b.parquet", tmp_path / "b.json", tmp_path / "none.csv", False)


class TestFrameTable:
    def test_frames_survive_the_way_to_disk_and_back(self, tmp_path):
        frames = replace(periodic(50, 1), is_extended=np.arange(50) % 3 == 0, attack=np.arange(50) % 7 == 0)
        write_frames(tmp_path / "a.parquet", frames, {})
        read, _ = read_frames(tmp_path / "a.parquet")
        for name in ("timestamp", "arbitration_id", "is_extended", "dlc", "payload", "attack", "attack_type"):
            np.testing.assert_array_equal(getattr(read, name), getattr(frames, name), name)

    def test_attack_types_survive_too(self, tmp_path):
        frames = replace(frames_of([0.0, 1.0], [1, 2]), attack_types=(ATTACK_FREE, "DoS"))
        write_frames(tmp_path / "a.parquet", frames, {})
        assert read_frames(tmp_path / "a.parquet")[0].attack_types == (ATTACK_FREE, "DoS")

    def test_columns_have_the_documented_types(self, tmp_path):
        write_frames(tmp_path / "a.parquet", periodic(5, 1), {})
        schema = pq.read_schema(tmp_path / "a.parquet")
        assert [str(schema.field(name).type) for name in ("timestamp", "arbitration_id", "dlc", "payload")] == [
            "double",
            "uint32",
            "uint8",
            "fixed_size_binary[8]",
        ]

    def test_a_missing_table_says_how_to_make_it(self, tmp_path):
        with pytest.raises(ArtifactError, match=r"a\.parquet: there is no such file; run the ingest stage"):
            read_frames(tmp_path / "a.parquet")

    def test_a_damaged_table_is_refused(self, tmp_path):
        write_frames(tmp_path / "a.parquet", periodic(500, 1), {})
        (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-100])
        with pytest.raises(ArtifactError, match=r"b\.parquet: not a canonical frame table"):
            read_frames(tmp_path / "b.parquet")

    @pytest.mark.parametrize("metadata", [None, {b"canids": b"{}"}])
    def test_another_table_is_refused(self, tmp_path, metadata):
        table = pa.table({"timestamp": [1.0]}).replace_schema_metadata(metadata)
        pq.write_table(table, tmp_path / "a.parquet")
        with pytest.raises(ArtifactError, match="not a canonical frame table"):
            read_frames(tmp_path / "a.parquet")


class TestAtomicFiles:
    def test_a_write_that_fails_midway_leaves_nothing(self, tmp_path):
        with pytest.raises(RuntimeError), artifacts.atomic_path(tmp_path / "a.json") as beside:
            beside.write_text("half")
            raise RuntimeError
        assert not list(tmp_path.iterdir())

    def test_a_write_that_fails_midway_keeps_what_was_there(self, tmp_path):
        (tmp_path / "a.json").write_text("whole")
        with pytest.raises(RuntimeError), artifacts.atomic_path(tmp_path / "a.json") as beside:
            beside.write_text("half")
            raise RuntimeError
        assert (tmp_path / "a.json").read_text() == "whole"

    def test_json_holds_null_for_what_is_not_finite(self, tmp_path):
        artifacts.write_json(tmp_path / "a.json", {"a": float("nan"), "b": [np.float32(np.inf)], "c": np.arange(2)})
        assert artifacts.read_json(tmp_path / "a.json") == {"a": None, "b": [None], "c": [0, 1]}

    def test_damaged_json_is_refused(self, tmp_path):
        (tmp_path / "a.json").write_text('{"a": ')
        with pytest.raises(ArtifactError, match=r"a\.json: damaged"):
            artifacts.read_json(tmp_path / "a.json")
