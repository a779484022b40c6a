"""The can-train-and-test layout of CSV: what is read, what is rejected line by line, what is refused whole."""

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from makers import frames_of

from canids.errors import CaptureError
from canids.frames.lines import PIECE
from canids.frames.readers import read_capture
from canids.frames.reading import Reading, ReadOptions
from canids.simulate.capture_file import write_capture

HEADER = b"timestamp,arbitration_id,data_field,attack\n"
GOOD = b"1672531200.25,2A0,0011AAff,0\n"
REJECTED = {
    b"12:30,123,00,0": "unreadable timestamp",
    b",123,00,0": "unreadable timestamp",
    b"nan,123,00,0": "unreadable timestamp",
    b"inf,123,00,0": "unreadable timestamp",
    b"1e400,123,00,0": "unreadable timestamp",
    b"1_0,123,00,0": "unreadable timestamp",
    b"1\x00,123,00,0": "unreadable timestamp",
    b"1,12G,00,0": "ID not hexadecimal",
    b"1,,00,0": "ID not hexadecimal",
    b"1,0x,00,0": "ID not hexadecimal",
    b"1,0x0x12,00,0": "ID not hexadecimal",
    b"1,+12,00,0": "ID not hexadecimal",
    b"1,-12,00,0": "ID not hexadecimal",
    b"1,1_2,00,0": "ID not hexadecimal",
    b"1,1\x002,00,0": "ID not hexadecimal",
    b"1,20000000,00,0": "ID over 29 bits",
    b"1,12,zz,0": "payload not hexadecimal",
    b"1,12,+1,0": "payload not hexadecimal",
    b"1,12,00 1,0": "payload not hexadecimal",
    b"1,12,0 0,0": "payload not hexadecimal",
    b'1,12,"00,0': "payload not hexadecimal",
    b"1,12,0\xe9,0": "payload not hexadecimal",
    b"1,12,00\xa0,0": "payload not hexadecimal",
    b"1,12,00\x85,0": "payload not hexadecimal",
    b"1,12,00\x00,0": "payload not hexadecimal",
    b"1,12,001,0": "payload of odd length",
    b"1,12,001122334455667788,0": "payload over 8 bytes",
    b"1,12,00,2": "label neither 0 nor 1",
    b"1,12,00,": "label neither 0 nor 1",
    b"1,12,00,nan": "label neither 0 nor 1",
    b"1,12,00,yes": "label neither 0 nor 1",
    b"1,12,00": "wrong number of fields",
    b"1,12,00,0,5": "wrong number of fields",
    b"1;12;00;0": "wrong number of fields",
}


@pytest.fixture
def read(tmp_path):
    """Read bytes as if they were a file's."""

    def read(content: bytes, name: str = "capture.csv") -> Reading:
        (tmp_path / name).write_bytes(content)
        return read_capture(tmp_path / name, ReadOptions(attack_type="DoS"))

    return read


def rows(reading: Reading) -> list[tuple]:
    """Each frame as (time, ID, payload, injected)."""
    f = reading.frames
    return [
        (float(time), int(number), bytes(payload[:dlc]), bool(attack))
        for time, number, payload, dlc, attack in zip(
            f.timestamp, f.arbitration_id, f.payload, f.dlc, f.attack, strict=True
        )
    ]


class TestGoodLines:
    def test_a_line_becomes_its_frame(self, read):
        assert rows(read(HEADER + GOOD)) == [(1672531200.25, 0x2A0, b"\x00\x11\xaa\xff", False)]

    def test_bytes_beyond_the_payload_are_zero(self, read):
        assert read(HEADER + GOOD).frames.payload[0, 4:].tolist() == [0, 0, 0, 0]

    @pytest.mark.parametrize("count", range(9))
    def test_a_payload_of_any_length_keeps_its_bytes(self, read, count):
        payload = bytes(range(0xF0, 0xF0 + count))
        line = b"1.0,123,%s,0\n" % payload.hex().encode()
        assert rows(read(HEADER + line)) == [(1.0, 0x123, payload, False)]

    def test_an_empty_payload_and_a_zero_byte_differ(self, read):
        assert read(HEADER + b"1,1,,0\n1,1,00,0\n").frames.dlc.tolist() == [0, 1]

    def test_frames_stay_in_the_files_order(self, read):
        assert read(HEADER + b"2,1,,0\n1,1,,0\n").frames.timestamp.tolist() == [2.0, 1.0]

    def test_a_line_labelled_1_is_of_the_captures_attack(self, read):
        frames = read(HEADER + b"1,1,,0\n1,1,,1\n").frames
        assert [frames.attack_types[k] for k in frames.attack_type[frames.attack]] == ["DoS"]

    @pytest.mark.parametrize("label, attack", [(b"1", True), (b"1.0", True), (b"0", False), (b"0.0", False)])
    def test_labels_may_be_written_as_decimals(self, read, label, attack):
        assert read(HEADER + b"1,1,,%s\n" % label).frames.attack.tolist() == [attack]

    def test_an_id_of_more_than_11_bits_is_extended(self, read):
        assert read(HEADER + b"1,7FF,,0\n1,800,,0\n1,1FFFFFFF,,0\n").frames.is_extended.tolist() == [False, True, True]

    def test_a_file_written_for_the_demo_reads_back_as_it_was(self, tmp_path):
        frames = frames_of([1.0, 1.5, 2.25], [0x10, 0x10, 0x7FF], extended=[False, True, True], dlc=[0, 3, 8])
        write_capture(tmp_path / "capture.csv", frames)
        read = read_capture(tmp_path / "capture.csv").frames
        assert [*zip(read.arbitration_id, read.is_extended, read.dlc, strict=True)] == [
            *zip(frames.arbitration_id, frames.is_extended, frames.dlc, strict=True)
        ]

    def test_columns_may_stand_in_another_order(self, read):
        assert rows(read(b"attack,data_field,timestamp,arbitration_id\n1,AB,2.5,10\n")) == [(2.5, 0x10, b"\xab", True)]

    def test_further_columns_are_left_out(self, read):
        header = b"timestamp,arbitration_id,bus,data_field,attack\n"
        assert rows(read(header + b"1,1,can0,AB,0\n1,1,7,AB,0\n")) == [(1.0, 1, b"\xab", False)] * 2

    @pytest.mark.parametrize("line", [b"1, 12 ,AB,0", b"1,12,AB\t\t,0", b"1\t,12,AB,0", b"1,12,AB,0\t"])
    def test_blanks_around_a_field_do_not_matter(self, read, line):
        assert rows(read(HEADER + line + b"\n")) == [(1.0, 0x12, b"\xab", False)]

    def test_windows_line_ends_do_not_matter(self, read):
        assert rows(read((HEADER + GOOD * 2).replace(b"\n", b"\r\n"))) == rows(read(HEADER + GOOD * 2))

    def test_the_last_line_needs_no_end(self, read):
        assert len(read(HEADER + GOOD + GOOD.rstrip()).frames) == 2

    @pytest.mark.parametrize("mark", [b" ", b"\t"])
    def test_a_blank_at_an_end_of_the_header_does_not_matter(self, read, mark):
        assert len(read(mark + HEADER[:-1] + mark + b"\n" + GOOD).frames) == 1

    def test_a_gzipped_file_reads_as_the_plain_one(self, read):
        assert rows(read(gzip.compress(HEADER + GOOD), "capture.csv.gz")) == rows(read(HEADER + GOOD))

    def test_content_tells_what_a_file_is_packed_in(self, read):
        assert rows(read(HEADER + GOOD, "capture.csv.gz")) == rows(read(HEADER + GOOD))

    @pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16"])
    def test_a_byte_order_mark_tells_the_encoding(self, read, codec):
        assert rows(read((HEADER + GOOD).decode().encode(codec))) == rows(read(HEADER + GOOD))

    def test_gzip_members_are_read_on_end(self, read):
        content = gzip.compress(HEADER + GOOD) + gzip.compress(GOOD)
        assert len(read(content, "capture.csv.gz").frames) == 2


class TestRejectedLines:
    @pytest.mark.parametrize("line", REJECTED)
    def test_a_bad_line_is_counted_under_its_reason(self, read, line):
        assert read(HEADER + GOOD + line + b"\n" + GOOD).rejected == {REJECTED[line]: 1}

    @pytest.mark.parametrize("line", REJECTED)
    def test_a_bad_line_costs_no_other_line(self, read, line):
        assert rows(read(HEADER + GOOD + line + b"\n" + GOOD)) == rows(read(HEADER + GOOD + GOOD))

    @pytest.mark.parametrize("line", [b"", b"\t", b","])
    def test_a_line_without_content_is_counted(self, read, line):
        reading = read(HEADER + GOOD + line + b"\n" + GOOD)
        assert (len(reading.frames), sum(reading.rejected.values())) == (2, 1)

    def test_a_header_in_the_midst_is_no_frame(self, read):
        assert len(read(HEADER + GOOD + HEADER + GOOD).frames) == 2

    def test_examples_name_line_reason_and_text(self, read):
        assert read(HEADER + GOOD + b"1,12,zz,0\n").examples == [(3, "payload not hexadecimal", "1,12,zz,0")]

    def test_line_numbers_hold_behind_lines_of_too_few_or_many_fields(self, read):
        content = HEADER + b"1,12\n" + GOOD + b"1,1,00,0,5\n" + GOOD + b"\n" + GOOD + b"x,1,,0\n"
        assert [line for line, _, _ in read(content).examples] == [2, 4, 6, 8]

    def test_the_first_bad_lines_are_the_examples(self, read):
        content = HEADER + (GOOD + b"1,zz,,0\n" + b"1,12\n") * 20
        assert [line for line, _, _ in read(content).examples] == [3, 4, 6, 7, 9, 10, 12, 13, 15, 16]

    def test_every_bad_line_is_counted_though_not_shown(self, read):
        assert read(HEADER + (GOOD + b"1,zz,,0\n" + b"1,12\n") * 20).rejected == {
            "ID not hexadecimal": 20,
            "wrong number of fields": 20,
        }

    def test_lines_are_the_frames_and_the_rejected_ones(self, read):
        assert read(HEADER + b"".join(GOOD + line + b"\n" for line in REJECTED)).lines == 2 * len(REJECTED)

    def test_numbers_hold_beyond_the_parsers_blocks(self, read):
        # pyarrow reads in blocks of 1 MiB
        assert read(HEADER + GOOD * 80_000 + b"1,12,zz,0\n" + GOOD).examples[0][0] == 80_002


class TestRefusedFiles:
    def refusal(self, read, content: bytes, name: str = "capture.csv") -> str:
        with pytest.raises(CaptureError) as caught:
            read(content, name)
        return str(caught.value)

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(CaptureError, match=re.escape(f"{tmp_path / 'none.csv'}: there is no such file")):
            read_capture(tmp_path / "none.csv")

    @pytest.mark.parametrize(
        "name, content",
        [("a.csv", b""), ("a.csv.gz", b""), ("a.csv.gz", gzip.compress(b"", mtime=0))],
        ids=["plain", "empty", "packed"],
    )
    def test_an_empty_file_is_called_empty(self, read, name, content):
        assert self.refusal(read, content, name).endswith(f"{name}: the file is empty")

    @pytest.mark.parametrize("content", [HEADER, HEADER.strip()])
    def test_a_header_alone_is_called_that(self, read, content):
        assert self.refusal(read, content).endswith("no line of data below the header")

    def test_a_missing_column_is_named_beside_those_found(self, read):
        said = self.refusal(read, b"timestamp,arbitration_id,signal,attack\n1,1,,0\n")
        assert "missing column data_field (found: timestamp, arbitration_id, signal, attack)" in said

    def test_several_missing_columns_are_named(self, read):
        assert "missing columns arbitration_id, data_field (" in self.refusal(read, b"timestamp,attack\n1,1\n")

    def test_a_doubled_column_is_named(self, read):
        said = self.refusal(read, b"timestamp,arbitration_id,data_field,attack,attack\n1,1,,0,0\n")
        assert "column attack stands in the header twice" in said

    @pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
    def test_utf_16_without_a_byte_order_mark_is_called_that(self, read, codec):
        assert "looks like UTF-16 without" in self.refusal(read, (HEADER + GOOD).decode().encode(codec))

    def test_binary_garbage_is_called_that(self, read):
        assert "a binary file of no known log format" in self.refusal(read, np.random.default_rng(1).bytes(5000))

    def test_a_file_whose_every_line_has_other_fields_says_so(self, read):
        assert "wrong number of fields" in _refusal_or_reasons(read, HEADER + b"1;12;00;0\n" * 3)

    @pytest.mark.parametrize("cut", [1, 4, 8, 20, 200])
    def test_a_truncated_gzip_file_is_refused(self, read, cut):
        content = gzip.compress(HEADER + np.random.default_rng(1).bytes(500).hex().encode())
        assert "cannot be read" in self.refusal(read, content[:-cut], "capture.csv.gz")

    def test_a_damaged_gzip_file_is_refused(self, read):
        content = gzip.compress(HEADER + GOOD * 100)
        assert "cannot be read" in self.refusal(read, content[:-8] + bytes(4) + content[-4:], "capture.csv.gz")


def _refusal_or_reasons(read, content: bytes) -> str:
    try:
        return str(read(content).rejected)
    except CaptureError as error:
        return str(error)


# What a line has to look like, in the plainest terms. Blanks are ASCII ones: other bytes are damage.
BLANKS = b" \t\x0b\x0c"
NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
LABEL = re.compile(rb"[01](\.0)?")
IDENTIFIER = re.compile(rb"[0-9a-fA-F]+")
PAYLOAD = re.compile(rb"([0-9a-fA-F]{2}){0,8}")
LETTERS = b'0123456789abcdefABCDEF.,,,\n\n\r\t "+-_xe;\x00\x85\xa0\xe9\xff'


def slow_rows(content: bytes) -> tuple[list[tuple], int]:
    """The frames that are certainly in some content below a header, and the number of its lines."""
    lines = re.split(rb"\r\n|\r|\n", content)
    lines = lines[:-1] if lines[-1] == b"" else lines
    found = []
    for line in lines[1:]:
        fields = [field.strip(BLANKS) for field in line.split(b",")]
        if len(fields) != 4:
            continue
        time, number, payload, label = fields
        readable = NUMBER.fullmatch(time) and LABEL.fullmatch(label)
        if readable and IDENTIFIER.fullmatch(number) and PAYLOAD.fullmatch(payload):
            frame = (float(time), int(number, 16), bytes.fromhex(payload.decode()), float(label) == 1.0)
            if np.isfinite(frame[0]) and frame[1] < 1 << 29:
                found.append(frame)
    return found, len(lines) - 1


def mutated(random: np.random.Generator, content: bytes) -> bytes:
    """A few random bytes replaced, inserted, deleted, or a stretch repeated or dropped; the header mostly spared."""
    first = 0 if random.random() < 0.1 else len(HEADER)
    data = bytearray(content)
    for _ in range(random.integers(1, 6)):
        at = int(random.integers(first, len(data) + 1))
        letter = LETTERS[random.integers(len(LETTERS))] if random.random() < 0.8 else int(random.integers(256))
        stretch = int(random.integers(1, 40))
        match random.integers(5):
            case 0:
                data[at : at + 1] = bytes([letter])
            case 1:
                data[at:at] = bytes([letter])
            case 2:
                del data[at : at + 1]
            case 3:
                data[at:at] = data[at : at + stretch]
            case 4:
                del data[at : at + stretch]
    return bytes(data)


@pytest.fixture(scope="module")
def readings_of_mutations(tmp_path_factory) -> list[tuple[bytes, Reading]]:
    """600 damaged captures with what became of them, less those refused as a whole; any other error ends it."""
    path = Path(tmp_path_factory.mktemp("mutations")) / "capture.csv"
    random = np.random.default_rng(20)
    content = HEADER + b"".join(
        b"%d.%06d,%X,%s,%d\n"
        % (1600000000 + k, random.integers(10**6), random.integers(1 << 11), random.bytes(k % 9).hex().encode(), k % 2)
        for k in range(9)
    )
    readings = []
    for _ in range(600):
        damaged = mutated(random, content)
        path.write_bytes(damaged)
        try:
            readings.append((damaged, read_capture(path)))
        except CaptureError:
            continue
    return readings


class TestMutations:
    def test_damage_below_the_header_never_refuses_the_whole_file(self, readings_of_mutations):
        assert len(readings_of_mutations) > 520

    def test_the_lines_read_and_rejected_are_the_files_lines(self, readings_of_mutations):
        for damaged, reading in readings_of_mutations:
            lines = slow_rows(damaged)[1]
            assert (len(reading.frames) + sum(reading.rejected.values()), reading.lines) == (lines, lines), damaged

    def test_the_frames_are_those_that_the_lines_hold(self, readings_of_mutations):
        for damaged, reading in readings_of_mutations:
            if damaged.startswith(HEADER):
                assert rows(reading) == slow_rows(damaged)[0], damaged


@pytest.mark.parametrize("names", ["timestamp,arbitration_id,data_field,attack", "attack,data_field,id,time"])
def test_plain_lines_are_read_as_any_others_are(tmp_path, names):
    # Lines with semicolons between are all read as strings.
    rng = np.random.default_rng(3)
    odd = [
        b"1,,00,0",
        b"1.5,12,0,0",
        b"1.5,7ff,00,0 ",
        b"1e2,12,00,0",
        b"2,12,00,1",
        b"1.5,12,00,2",
        b"",
        b"1.5,0123,00",
    ]
    odd += [
        b"1.5,20000000,00,0",
        b"12345678901234567.5,1,00,0",
        b"1.,1,00,0",
        b".5,1,00,0",
        b"1.5,1,000102030405060708,0",
    ]
    lines = []
    for number in range(3 * PIECE):
        digits = bytes(rng.choice(list(b"0123456789abcdefABCDEF"), 2 * rng.integers(0, 9)))
        arbitration_id = f"{rng.integers(0x1FFFFFFF):0{rng.choice([3, 8])}x}"[: rng.choice([3, 8])].encode()
        lines.append(b"%d.%06d,%s,%s,%d" % (number // 9, rng.integers(10**6), arbitration_id, digits, rng.integers(2)))
    lines[PIECE + 7 : PIECE + 7] = odd
    if names.startswith("attack"):
        lines = [b",".join(line.split(b",")[::-1]) for line in lines]
    content = b"\n".join([names.encode(), *lines, b""])
    (tmp_path / "plain.csv").write_bytes(content)
    (tmp_path / "strings.csv").write_bytes(content.replace(b",", b";"))
    plain, strings = (read_capture(tmp_path / name) for name in ("plain.csv", "strings.csv"))
    np.testing.assert_equal(vars(plain.frames), vars(strings.frames))
    assert (plain.lines, plain.rejected) == (strings.lines, strings.rejected)
    assert [line for line, *_ in plain.examples] == [line for line, *_ in strings.examples]
