"""Tables with columns by name: the publishers' CSV headers, columns named in the config, Parquet."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from makers import frames_of
from reading import accounted, plain, read_bytes

from canids.errors import CaptureError
from canids.frames.parquet import read_frames, write_frames
from canids.frames.readers import read_capture
from canids.frames.reading import ReadOptions


@pytest.fixture
def read(tmp_path):
    return lambda content, **options: read_bytes(tmp_path, content, **options)


class TestHeaders:
    def test_quoted_payloads_of_spaced_bytes_and_decimal_labels(self, read):
        # M-CAN, B-CAN
        reading = read('Timestamp, ID, DLC, Data, Label\n1.5, 153, 2, "7F 00", 1.0\n1.6, 154, 0, "", 0.0\n')
        assert (plain(reading), reading.frames.attack.tolist()) == (
            [(1.5, 0x153, False, b"\x7f\x00"), (1.6, 0x154, False, b"")],
            [True, False],
        )

    def test_classes_by_word_and_kinds_in_a_subclass(self, read):
        # Attack & Defense Challenge 2020
        reading = read(
            "Timestamp,Arbitration_ID,DLC,Data,Class,SubClass\n"
            "1.5,153,2,20 A1,Normal,Normal\n1.6,000,2,00 00,Attack,Flooding\n1.7,153,2,20 A2,Attack,Spoofing\n"
        )
        frames = reading.frames
        kinds = [frames.attack_types[k] for k in frames.attack_type[frames.attack]]
        assert (frames.attack.tolist(), kinds) == ([False, True, True], ["Flooding", "Spoofing"])

    def test_decimal_bytes_in_columns_of_their_own(self, read):
        # CICIoV2024, which tells no times
        header = "ID,DATA_0,DATA_1,DATA_2,DATA_3,DATA_4,DATA_5,DATA_6,DATA_7,label,category,specific_class\n"
        lines = "65,96,0,0,0,0,0,0,255,BENIGN,BENIGN,BENIGN\n1068,132,13,160,0,0,0,0,0,ATTACK,DoS,DoS\n"
        reading = read(header + lines, frame_interval=0.001)
        assert plain(reading) == [
            (0.0, 65, False, bytes([96, 0, 0, 0, 0, 0, 0, 255])),
            (0.001, 1068, False, bytes([132, 13, 160, 0, 0, 0, 0, 0])),
        ]

    def test_hex_bytes_in_columns_up_to_the_dlc(self, read):
        assert plain(read("time,id,dlc,d0,d1,d2\n1.5,1A,2,0F,A0,\n"))[0] == (1.5, 0x1A, False, b"\x0f\xa0")

    def test_columns_without_a_dlc_end_at_the_first_empty_byte(self, read):
        assert plain(read("time,id,d0,d1,d2\n1.5,1A,0F,,\n"))[0][3] == b"\x0f"

    def test_a_byte_missing_in_the_midst_is_a_bad_line(self, read):
        assert read("time,id,d0,d1,d2\n1.5,1A,0F,,A0\n").rejected == {"payload not hexadecimal": 1}

    def test_a_decimal_byte_over_255_is_a_bad_line(self, read):
        reading = read("time,id,d0,d1\n1.5,7,200,1\n1.5,7,256,1\n")
        assert reading.rejected == {"payload not in decimal bytes": 1}

    def test_a_log_without_times_is_refused_unless_an_interval_is_given(self, read):
        with pytest.raises(CaptureError, match="missing column timestamp"):
            read("id,data\n1A,00\n")

    @pytest.mark.parametrize("separator", [";", "\t"])
    def test_times_may_have_a_comma_where_columns_are_parted_otherwise(self, read, separator):
        content = separator.join(["time", "id", "data"]) + "\n" + separator.join(["1,5", "1A", "00"]) + "\n"
        assert plain(read(content)) == [(1.5, 0x1A, False, b"\0")]

    def test_columns_can_be_named_in_the_config(self, read):
        columns = {"timestamp": "Zeit", "arbitration_id": "Kennung", "data_field": "Nutzdaten"}
        assert plain(read("Zeit,Kennung,Nutzdaten\n1.5,1A,00\n", columns=columns)) == [(1.5, 0x1A, False, b"\0")]

    def test_a_named_column_that_is_missing_is_told(self, read):
        with pytest.raises(CaptureError, match="no column 'Zeit', which is to hold timestamp"):
            read("time,id,data\n1.5,1A,00\n", columns={"timestamp": "Zeit"})

    def test_the_base_of_ids_can_be_told(self, read):
        assert plain(read("time,id,data\n1.5,10,00\n", number_base="decimal"))[0][1] == 10

    def test_a_prefix_of_0x_does_not_matter(self, read):
        assert plain(read("time,id,data\n1.5,0x1A,0x00\n")) == [(1.5, 0x1A, False, b"\0")]

    def test_a_payload_of_another_length_than_the_dlc_is_a_bad_line(self, read):
        assert read("time,id,dlc,data\n1.5,1A,2,00\n").rejected == {"payload not as long as its DLC": 1}

    def test_a_dlc_confirms_a_can_fd_payload(self, read):
        assert plain(read("time,id,dlc,data\n1.5,1A,12," + "AB" * 12 + "\n"))[0][3] == b"\xab" * 12


class TestTimeUnits:
    MILLISECONDS = "time,id,data\n" + "".join(f"{1000 + k},1A,00\n" for k in range(200))

    def test_milliseconds_are_noticed(self, read):
        assert "times look like ms" in read(self.MILLISECONDS).notes[0]

    def test_microseconds_are_noticed(self, read):
        content = "time,id,data\n" + "".join(f"{1000 * k},1A,00\n" for k in range(200))
        assert "times look like us" in read(content).notes[0]

    def test_seconds_are_not(self, read):
        content = "time,id,data\n" + "".join(f"{k / 1000},1A,00\n" for k in range(200))
        assert read(content).notes == ()

    def test_they_are_left_alone_unless_the_config_says_so(self, read):
        assert read(self.MILLISECONDS).frames.timestamp[-1] == 1199

    def test_the_config_converts_them(self, read):
        reading = read(self.MILLISECONDS, time_unit="ms")
        assert (reading.frames.timestamp[-1], reading.notes) == (1.199, ())


class TestParquet:
    def test_the_projects_own_table_comes_back(self, tmp_path):
        frames = frames_of([1.0, 2.0], [5, 5], extended=[False, True], dlc=[0, 3])
        write_frames(tmp_path / "a.parquet", frames, {})
        assert [frame[1:] for frame in plain(read_capture(tmp_path / "a.parquet"))] == [
            (5, False, b""),
            (5, True, b"\0\0\0"),
        ]

    def test_long_payloads_survive_the_way_to_disk_and_back(self, tmp_path):
        long = np.arange(128, dtype=np.uint8).reshape(2, 64)
        frames = replace(frames_of([1.0, 2.0], [5, 5], dlc=64), payload_fd=long, payload=long[:, :8])
        write_frames(tmp_path / "a.parquet", frames, {})
        np.testing.assert_array_equal(read_frames(tmp_path / "a.parquet")[0].payload_fd, long)

    @pytest.mark.parametrize(
        "payload",
        [
            pl.Series(["0aff", ""]),
            pl.Series([b"\x0a\xff", b""]),
            pl.Series([[10, 255], []], dtype=pl.List(pl.UInt8)),
        ],
        ids=["hex", "binary", "list"],
    )
    def test_any_table_is_read_by_its_columns(self, tmp_path, payload):
        table = pl.DataFrame({"t": [1.5, 1.6], "can_id": [26, 27], "payload": payload})
        table.write_parquet(tmp_path / "a.parquet")
        reading = read_capture(tmp_path / "a.parquet", ReadOptions(columns={"timestamp": "t"}))
        assert plain(reading) == [(1.5, 26, False, b"\x0a\xff"), (1.6, 27, False, b"")]

    def test_padding_beyond_the_dlc_is_no_payload(self, tmp_path):
        pl.DataFrame({"time": [1.5], "id": [26], "dlc": [1], "data": [b"\x0a\0\0"]}).write_parquet(
            tmp_path / "a.parquet"
        )
        assert plain(read_capture(tmp_path / "a.parquet"))[0][3] == b"\x0a"

    def test_rows_that_are_no_frames_are_counted(self, tmp_path):
        pl.DataFrame({"time": [1.5, None, 1.6], "id": [26, 1, 1 << 30], "data": ["00"] * 3}).write_parquet(
            tmp_path / "a.parquet"
        )
        reading = read_capture(tmp_path / "a.parquet")
        assert (reading.rejected, accounted(reading)) == ({"ID over 29 bits": 1, "unreadable timestamp": 1}, 3)

    def test_a_truncated_file_is_refused(self, tmp_path):
        pl.DataFrame({"time": [1.5], "id": [26], "data": ["00"]}).write_parquet(tmp_path / "a.parquet")
        with pytest.raises(CaptureError, match="cannot be read as Parquet"):
            read_bytes(tmp_path, (tmp_path / "a.parquet").read_bytes()[:-20])

    def test_text_that_is_none_is_refused(self, tmp_path):
        table = pl.DataFrame({"time": [1.5], "id": ["1A"], "data": ["00AABBCC"]})
        table.write_parquet(tmp_path / "a.parquet", compression="uncompressed", statistics=False)
        with pytest.raises(CaptureError, match="cannot be read as Parquet"):
            read_bytes(tmp_path, (tmp_path / "a.parquet").read_bytes().replace(b"AABB", b"\xd6A\xd6B"))
