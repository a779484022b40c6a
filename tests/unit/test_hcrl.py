"""HCRL's CSV without a header (Car-Hacking, Survival) and text (attack-free, OTIDS)."""

import pytest
from reading import accounted, plain, read_bytes

CSV = """1478198376.389427,0316,8,05,21,68,09,21,21,00,6f,R
1478198376.389636,018f,8,fe,5b,00,00,00,3c,00,00,R
1478198376.389864,0260,2,19,21,T
1478198376.390100,02a0,0,R
"""
TEXT = """Timestamp: 1479121434.850202        ID: 0350    000    DLC: 8    05 28 84 66 6d 00 00 a2
Timestamp: 1479121434.850423        ID: 02c0    000    DLC: 2    14 00
Timestamp: 1479121434.850500        ID: 05f0    100    DLC: 8    00 00 00 00 00 00 00 00
Timestamp: 1479121434.850700        ID: 0130    000    DLC: 0
"""


@pytest.fixture
def read(tmp_path):
    return lambda content, **options: read_bytes(tmp_path, content, **options)


class TestCsv:
    def test_it_is_recognised(self, read):
        assert read(CSV).format == "HCRL CSV"

    def test_lines_of_any_number_of_bytes_become_their_frames(self, read):
        assert plain(read(CSV)) == [
            (1478198376.389427, 0x316, False, bytes.fromhex("052168092121006f")),
            (1478198376.389636, 0x18F, False, bytes.fromhex("fe5b0000003c0000")),
            (1478198376.389864, 0x260, False, bytes.fromhex("1921")),
            (1478198376.390100, 0x2A0, False, b""),
        ]

    def test_t_marks_injected_frames_wherever_it_stands(self, read):
        assert read(CSV).frames.attack.tolist() == [False, False, True, False]

    def test_injected_frames_are_of_the_captures_attack(self, read):
        frames = read(CSV, attack_type="gear").frames
        assert frames.attack_types[frames.attack_type[2]] == "gear"

    def test_lines_without_a_flag_are_unlabelled(self, read):
        assert read("1.5,0316,1,05\n").labelled is False

    def test_eight_digits_are_an_extended_id(self, read):
        assert plain(read("1.5,00000316,1,05,R\n"))[0][:3] == (1.5, 0x316, True)

    @pytest.mark.parametrize(
        "line, reason",
        [
            ("x,0316,1,05,R", "unreadable timestamp"),
            ("1.5.0,0316,1,05,R", "unreadable timestamp"),
            ("1.5,03g6,1,05,R", "ID not hexadecimal"),
            ("1.5,20000000,1,05,R", "ID over 29 bits"),
            ("1.5,0316,2,05,R", "payload not as long as its DLC"),
            ("1.5,0316,1,05,06,R", "payload not as long as its DLC"),
            ("1.5,0316,9,01,02,03,04,05,06,07,08,09,R", "payload over 8 bytes"),
            ("1.5,0316,1,5,R", "payload not hexadecimal"),
            ("1.5,0316,1,zz,R", "payload not hexadecimal"),
            ("1.5,0316,1,05,X", "flag neither R nor T"),
            ("1.5,0316,x,05,R", "unreadable DLC"),
            ("1.5,0316", "wrong number of fields"),
            ("", "empty line"),
        ],
    )
    def test_a_bad_line_is_counted_under_its_reason_with_its_number(self, read, line, reason):
        reading = read(CSV + line + "\n" + CSV)
        assert (reading.rejected, reading.examples) == ({reason: 1}, [(5, reason, line)])

    def test_a_bad_line_costs_no_other(self, read):
        assert plain(read(CSV + "1.5,0316,2,05,R\n" + CSV)) == plain(read(CSV + CSV))

    def test_a_line_of_3_megabytes_costs_itself_alone(self, read):
        assert plain(read(CSV + "1.5,0316," + "00," * 1_000_000 + "R\n" + CSV)) == plain(read(CSV + CSV))

    def test_a_line_of_3_megabytes_at_the_beginning_costs_itself_alone(self, read):
        assert plain(read("1.5,0316," + "00," * 1_000_000 + "R\n" + CSV)) == plain(read(CSV))


class TestText:
    def test_it_is_recognised(self, read):
        assert read(TEXT).format == "HCRL text"

    def test_lines_become_their_frames(self, read):
        assert plain(read(TEXT)) == [
            (1479121434.850202, 0x350, False, bytes.fromhex("052884666d0000a2")),
            (1479121434.850423, 0x2C0, False, bytes.fromhex("1400")),
            (1479121434.850700, 0x130, False, b""),
        ]

    def test_remote_frames_are_counted_and_left_out(self, read):
        assert read(TEXT).left_out == {"remote frame": 1}

    def test_other_blanks_do_not_matter(self, read):
        assert plain(read(TEXT.replace("    ", "\t"))) == plain(read(TEXT))

    @pytest.mark.parametrize("end", ["\r\n", "\r", " \n", "\t\n"])
    def test_line_ends_do_not_matter(self, read, end):
        assert plain(read(TEXT.replace("\n", end))) == plain(read(TEXT))

    def test_it_carries_no_labels(self, read):
        assert read(TEXT).labelled is False

    @pytest.mark.parametrize(
        "old, new, reason",
        [
            ("1479121434.850423", "14x", "unreadable timestamp"),
            ("ID: 02c0", "ID: 02z0", "ID not hexadecimal"),
            ("DLC: 2", "DLC: 3", "payload not as long as its DLC"),
            ("DLC: 2", "DLC: x", "unreadable DLC"),
            ("14 00", "14 0", "payload not hexadecimal"),
            ("02c0    000", "02c0    010", "remote flag neither 000 nor 100"),
            ("Timestamp: 1479121434.850423", "Time: 1", "not a line of Timestamp, ID and DLC"),
        ],
    )
    def test_a_bad_line_is_counted_under_its_reason(self, read, old, new, reason):
        reading = read(TEXT.replace(old, new))
        assert (reading.rejected, accounted(reading)) == ({reason: 1}, reading.lines)
