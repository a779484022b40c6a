"""The formats of tools: ASC, TRC, BLF, MDF4, python-can's CSV and SQLite; python-can's writers are the other side."""

import sqlite3

import can
import numpy as np
import pytest
from reading import accounted, plain, read_bytes

from canids.errors import CaptureError
from canids.frames.readers import read_capture
from canids.frames.reading import ReadOptions

WRITERS = {
    "a.asc": (can.ASCWriter, "Vector ASC"),
    "a.trc": (can.TRCWriter, "PEAK TRC"),
    "a.blf": (can.BLFWriter, "Vector BLF"),
    "a.mf4": (can.MF4Writer, "ASAM MDF4"),
    "a.csv": (can.CSVWriter, "python-can CSV"),
    "a.db": (can.SqliteWriter, "python-can SQLite"),
    "a.log": (can.CanutilsLogWriter, "candump log"),
}
CLASSIC_ONLY = "a.trc"  # python-can writes nothing else into it
NUMBERED = {"a.asc": ["1", "2"], "a.blf": ["1", "2"], "a.trc": ["1", "2"], "a.mf4": ["0", "1"]}


def messages(fd: bool = True) -> list[can.Message]:
    """Frames of every kind on two channels: classic, CAN FD, extended, remote, error."""
    random = np.random.default_rng(3)
    made = []
    for k in range(60):
        at = {"timestamp": 1600000000.0 + round(0.0015 * k, 6), "channel": k % 2}
        extended = k % 3 == 0
        number = int(random.integers(1 << (29 if extended else 11)))
        at |= {"arbitration_id": number, "is_extended_id": extended}
        if fd and k % 10 == 9:
            made.append(can.Message(is_error_frame=True, **at))
        elif fd and k % 10 == 8:
            made.append(can.Message(is_remote_frame=True, dlc=8, **at))
        else:
            long = fd and k % 4 == 1
            size = int(random.choice([0, 3, 8, 12, 64] if long else [0, 1, 5, 8]))
            made.append(can.Message(is_fd=long, data=random.bytes(size), **at))
    return made


@pytest.fixture
def written(tmp_path):
    """A file that python-can wrote, and the messages in it."""

    def write(name: str):
        sent = messages(fd=name != CLASSIC_ONLY)
        writer = WRITERS[name][0](str(tmp_path / name))
        for message in sent:
            writer.on_message_received(message)
        writer.stop()
        return tmp_path / name, sent

    return write


def data_frames(sent: list[can.Message]) -> list[tuple[int, bool, bytes]]:
    frames = [m for m in sent if not m.is_error_frame and not m.is_remote_frame]
    return [(m.arbitration_id, m.is_extended_id, bytes(m.data)) for m in frames]


@pytest.mark.parametrize("name", WRITERS)
class TestRoundTrips:
    def test_content_tells_the_format(self, written, name):
        assert read_capture(written(name)[0].rename(written(name)[0].with_suffix(".any"))).format == WRITERS[name][1]

    def test_frames_come_back_as_they_were(self, written, name):
        path, sent = written(name)
        assert [frame[1:] for frame in plain(read_capture(path))] == data_frames(sent)

    def test_times_come_back_to_the_first_frame(self, written, name):
        path, sent = written(name)
        times = [m.timestamp for m in sent if not m.is_error_frame and not m.is_remote_frame]
        read = read_capture(path).frames.timestamp
        assert (read - read[0]).tolist() == pytest.approx(np.subtract(times, times[0]).tolist(), abs=2e-6)

    def test_error_and_remote_frames_are_counted(self, written, name):
        path, sent = written(name)
        left_out = read_capture(path).left_out
        told = (left_out.get("error frame", 0), left_out.get("remote frame", 0))
        assert told == (sum(m.is_error_frame for m in sent), sum(m.is_remote_frame for m in sent))

    def test_everything_is_accounted_for(self, written, name):
        reading = read_capture(written(name)[0])
        assert (accounted(reading), reading.rejected) == (reading.lines, {})


@pytest.mark.parametrize("name", NUMBERED)
class TestChannels:
    def test_they_are_named_as_the_tool_does(self, written, name):
        assert list(read_capture(written(name)[0]).channels) == NUMBERED[name]

    def test_one_can_be_chosen(self, written, name):
        path, sent = written(name)
        reading = read_capture(path, ReadOptions(channel=NUMBERED[name][1]))
        assert [frame[1:] for frame in plain(reading)] == data_frames([m for m in sent if m.channel == 1])


ASC = """date Fri Sep 30 01:59:01.000 pm 2016
base hex  timestamps absolute
internal events logged
// version 9.0.0
Begin Triggerblock Fri Sep 30 01:59:01.000 pm 2016
   0.000000 Start of measurement
   0.015991 CAN 1 Status:chip status error passive - TxErr: 132 RxErr: 0
   0.015991 1  Statistic: D 0 R 0 XD 0 XR 0 E 0 O 0 B 0.00%
   1.015991 1  6F9             Rx   d 8 05 0C 00 00 00 00 00 00  Length = 240015 BitCount = 124 ID = 1785
   1.115991 2  18EBFF00x       Rx   d 2 01 A0  Length = 130000 BitCount = 67 ID = 418119424x
   1.215991 1  6F9             Rx   r
   1.315991 2  ErrorFrame	ECC: 10100010
   1.415991 CANFD   1 Rx        50005x              0 0 5  5 01 02 03 04 05   140000   73   200050 7a60
   1.515991 CANFD   3 Tx        345   Engine_1    1 0 9 12 01 02 03 04 05 06 07 08 09 0A 0B 0C 102203  144
   1.615991 CANFD   2 Tx ErrorFrame
   1.715991 J1939TP FEE3p 6 0 0 - Rx d 23 A0 0F A6 60 3B D1 40 1F DE 80
End TriggerBlock
"""
ASC_FRAMES = [
    (1.015991, 0x6F9, False, bytes.fromhex("050C000000000000")),
    (1.115991, 0x18EBFF00, True, bytes.fromhex("01A0")),
    (1.415991, 0x50005, True, bytes.fromhex("0102030405")),
    (1.515991, 0x345, False, bytes.fromhex("0102030405060708090A0B0C")),
]


class TestAsc:
    @pytest.fixture
    def read(self, tmp_path):
        return lambda content, **options: read_bytes(tmp_path, content, **options)

    def test_classic_and_can_fd_lines_may_be_mixed_under_a_12_hour_date(self, read):
        assert plain(read(ASC)) == ASC_FRAMES

    def test_events_error_and_remote_frames_are_counted(self, read):
        assert read(ASC).left_out == {"comment or event": 10, "error frame": 2, "remote frame": 1}

    def test_no_event_is_taken_for_a_bad_line(self, read):
        assert read(ASC).rejected == {}

    def test_times_may_have_a_comma(self, read):
        lines = ASC.splitlines()
        swapped = [line.replace(".", ",", 1) if line.startswith("   ") else line for line in lines]
        assert plain(read("\n".join(swapped))) == ASC_FRAMES

    def test_numbers_may_be_decimal(self, read):
        content = "base dec  timestamps absolute\n 1.5 1  291             Rx   d 3 1 255 16\n"
        assert plain(read(content)) == [(1.5, 291, False, b"\x01\xff\x10")]

    def test_times_since_the_line_before_are_summed_up(self, read):
        content = "base hex  timestamps relative\n 1.5 1  12 Rx   d 0\n 0.5 1 Statistic: D 0\n 1.0 1  12 Rx   d 0\n"
        assert read(content).frames.timestamp.tolist() == [1.5, 3.0]

    @pytest.mark.parametrize(
        "line, reason",
        [
            ("x 1  6F9 Rx   d 1 05", "unreadable timestamp"),
            ("1.5 1  6G9 Rx   d 1 05", "ID not hexadecimal"),
            ("1.5 1  FF9 Rx   d 1 05", "standard ID over 11 bits"),
            ("1.5 1  6F9 Rx   d 2 05", "payload not as long as its DLC"),
            ("1.5 1  6F9 Rx   d 1 5", "payload not hexadecimal"),
            ("1.5 1  6F9 Rx   q 1 05", "neither a data nor a remote frame"),
            ("1.5 CANFD 1 Rx 6F9 0 0 9 12 01 02", "payload not as long as its DLC"),
            ("1.5 CANFD 1 Rx 6F9 0 0 9 11 01 02 03 04 05 06 07 08 09 0A 0B", "unreadable DLC"),
            ("1.5 CANFD 1 Rx zz", "not a CAN FD frame"),
        ],
    )
    def test_a_bad_line_is_counted_under_its_reason(self, read, line, reason):
        reading = read(ASC + line + "\n")
        assert (plain(reading), reading.rejected) == (ASC_FRAMES, {reason: 1})


TRC = {
    "1.0": """;##########
;   Message Number
     1)      1841 0001 8 00 00 00 00 00 00 00 00
     2)      1842 00000123 2 08 09
     3)      1843 0001 0 RTR
     4)      1844 FFFFFFFF 4 00 00 00 08 BUSHEAVY
""",
    "1.1": """;$FILEVERSION=1.1
;$STARTTIME=0
     1)      1841.0  Rx         0001  8  00 00 00 00 00 00 00 00
     2)      1842.0  Tx     00000123  2  08 09
     3)      1843.0  Rx         0001  0  RTR
     4)      1844.0  Warng  FFFFFFFF  4  00 00 00 08  BUSHEAVY
""",
    "1.3": """;$FILEVERSION=1.3
     1)      1841.000 1  Rx        0001 -  8    00 00 00 00 00 00 00 00
     2)      1842.000 1  Rx    00000123 -  2    08 09
     3)      1843.000 1  Rx        0001 -  0    RTR
     4)      1844.000 1  Warng      FFFFFFFF -  4    00 00 00 08
""",
    "2.0": """;$FILEVERSION=2.0
;$COLUMNS=N,O,T,I,d,l,D
      1      1841.000 DT     0001 Rx 8  00 00 00 00 00 00 00 00
      2      1842.000 FD 00000123 Rx 2  08 09
      3      1843.000 RR     0001 Rx 0
      4      1844.000 ST          Rx    00 00 00 08
""",
    "2.1": """;$FILEVERSION=2.1
;$COLUMNS=N,O,T,B,I,d,R,L,D
      1      1841.000 DT 1      0001 Rx -  8    00 00 00 00 00 00 00 00
      2      1842.000 FB 1  00000123 Rx -  2    08 09
      3      1843.000 RR 1      0001 Rx -  0
      4      1844.000 EC 1         - Rx -  2    00 08
""",
}


@pytest.mark.parametrize("version", TRC)
class TestTrc:
    def test_a_line_is_its_frame(self, tmp_path, version):
        frames = [frame[1:] for frame in plain(read_bytes(tmp_path, TRC[version]))]
        assert frames == [(1, False, bytes(8)), (0x123, True, b"\x08\x09")]

    def test_times_are_in_milliseconds(self, tmp_path, version):
        times = read_bytes(tmp_path, TRC[version]).frames.timestamp
        assert times[1] - times[0] == pytest.approx(0.001, abs=1e-6)

    def test_remote_frames_and_status_are_left_out(self, tmp_path, version):
        comments = sum(line.startswith(";") for line in TRC[version].splitlines())
        assert read_bytes(tmp_path, TRC[version]).left_out == {"comment or event": comments + 1, "remote frame": 1}

    def test_a_missing_byte_is_a_bad_line(self, tmp_path, version):
        reading = read_bytes(tmp_path, TRC[version].replace("08 09", "08"))
        assert reading.rejected == {"payload not as long as its DLC": 1}


def test_a_trc_length_code_above_8_stands_for_a_can_fd_length(tmp_path):
    line = "      5      1845.000 FD 1      0002 Rx -  9    " + "AB " * 12 + "\n"
    assert plain(read_bytes(tmp_path, TRC["2.1"] + line))[2][3] == b"\xab" * 12


class TestBlf:
    def test_objects_of_other_types_are_counted_and_no_frames(self, written):
        path, sent = written("a.blf")
        writer = can.BLFWriter(str(path))
        for message in sent:
            writer.on_message_received(message)
        writer.log_event("a comment", 1600000001.0)
        writer.stop()
        reading = read_capture(path)
        assert (reading.left_out["comment or event"], len(reading.frames)) == (1, len(data_frames(sent)))

    def test_an_object_of_unknown_type_is_counted(self, written):
        path, _ = written("a.blf")
        writer = can.BLFWriter(str(path), compression_level=0)
        for message in messages():
            writer.on_message_received(message)
        writer.stop()
        content = path.read_bytes()
        at = content.index(b"LOBJ", content.index(b"LOBJ") + 4) + 12
        path.write_bytes(content[:at] + (250).to_bytes(4, "little") + content[at + 4 :])
        assert "1 of type 250" in read_capture(path).notes[0]

    @pytest.mark.parametrize("cut", [1, 10, 100, 300])
    def test_a_truncated_file_says_so(self, written, cut):
        path, _ = written("a.blf")
        path.write_bytes(path.read_bytes()[:-cut])
        reading = read_capture(path)
        assert reading.rejected and accounted(reading) == reading.lines

    def test_a_damaged_header_is_refused(self, tmp_path):
        with pytest.raises(CaptureError, match="cannot be read as BLF"):
            read_bytes(tmp_path, b"LOGG" + b"\x07" * 40)


class TestSqlite:
    def test_a_value_of_another_type_fails_in_its_own_row(self, written):
        path, sent = written("a.db")
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE messages SET ts = 'noon' WHERE rowid = 1")
        reading = read_capture(path)
        assert (reading.rejected, len(reading.frames)) == ({"unreadable timestamp": 1}, len(data_frames(sent)) - 1)

    def test_a_database_of_something_else_is_refused(self, tmp_path):
        with sqlite3.connect(tmp_path / "a.db") as connection:
            connection.execute("CREATE TABLE people (name TEXT)")
        with pytest.raises(CaptureError, match="no such table: messages"):
            read_capture(tmp_path / "a.db")


class TestMdf4:
    def test_a_damaged_file_is_refused(self, written):
        path, _ = written("a.mf4")
        path.write_bytes(path.read_bytes()[:300])
        with pytest.raises(CaptureError, match="cannot be read as MDF4"):
            read_capture(path)


class TestPythonCanCsv:
    HEADER = "timestamp,arbitration_id,extended,remote,error,dlc,data\n"

    @pytest.mark.parametrize(
        "line, reason",
        [
            ("x,0x12,0,0,0,1,AA==", "unreadable timestamp"),
            ("1.5,12,0,0,0,1,AA==", "ID not hexadecimal"),
            ("1.5,0x812,0,0,0,1,AA==", "standard ID over 11 bits"),
            ("1.5,0x12,2,0,0,1,AA==", "flag neither 0 nor 1"),
            ("1.5,0x12,0,0,0,2,AA==", "payload not as long as its DLC"),
            ("1.5,0x12,0,0,0,1,A", "data not base64"),
            ("1.5,0x12,0,0,0,x,AA==", "unreadable DLC"),
            ("1.5,0x12,0,0,0,1", "wrong number of fields"),
        ],
    )
    def test_a_bad_line_is_counted_under_its_reason(self, tmp_path, line, reason):
        reading = read_bytes(tmp_path, self.HEADER + "1.0,0x12,0,0,0,1,AA==\n" + line + "\n")
        assert (len(reading.frames), reading.rejected) == (1, {reason: 1})
