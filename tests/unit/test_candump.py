"""candump: the log form and the console view."""

import pytest
from reading import accounted, plain, read_bytes

LOG = """(1436509052.249713) can0 044#2A366C2BBA00
(1436509052.449847) can0 0F6#7ADFE07BD2
(1436509052.650004) can1 00000044#
"""
CONSOLE = """ (1436509052.249713)  can0  044   [6]  2A 36 6C 2B BA 00
 (1436509052.449847)  can0  0F6   [5]  7A DF E0 7B D2
 (1436509052.650004)  can1  00000044   [0]
"""
FRAMES = [
    (1436509052.249713, 0x44, False, bytes.fromhex("2A366C2BBA00")),
    (1436509052.449847, 0xF6, False, bytes.fromhex("7ADFE07BD2")),
    (1436509052.650004, 0x44, True, b""),
]
NEXT = "(1436509053.000000) can0 "


@pytest.fixture
def read(tmp_path):
    return lambda content, **options: read_bytes(tmp_path, content, **options)


class TestLog:
    def test_it_is_recognised(self, read):
        assert read(LOG).format == "candump log"

    def test_lines_become_their_frames(self, read):
        assert plain(read(LOG)) == FRAMES

    def test_an_extended_id_is_not_the_standard_one_of_its_number(self, read):
        assert read(LOG).frames.is_extended.tolist() == [False, False, True]

    @pytest.mark.parametrize(
        "frame, payload",
        [
            ("123#1122", b"\x11\x22"),
            ("123#11.22", b"\x11\x22"),
            ("123#1122334455667788_9", bytes.fromhex("1122334455667788")),
            ("123##011", b"\x11"),
            ("123##5" + "ab" * 12, b"\xab" * 12),
            ("123##1" + "cd" * 64, b"\xcd" * 64),
            ("123#1122 R", b"\x11\x22"),
            ("123#1122 T 1", b"\x11\x22"),
        ],
    )
    def test_a_data_frame_in_any_notation_keeps_its_payload(self, read, frame, payload):
        assert plain(read(LOG + NEXT + frame + "\n"))[3] == (1436509053.0, 0x123, False, payload)

    def test_frames_of_8_bytes_keep_them_beside_longer_ones(self, read):
        assert plain(read(LOG + NEXT + "123##1" + "cd" * 64 + "\n"))[:3] == FRAMES

    @pytest.mark.parametrize(
        "frame, outcome",
        [
            ("123#R", "remote frame"),
            ("123#R8", "remote frame"),
            ("00000123#r", "remote frame"),
            ("20000004#0000000000000000", "error frame"),
            ("20000080#0000000000000000 1", "error frame"),
        ],
    )
    def test_remote_and_error_frames_are_counted_and_left_out(self, read, frame, outcome):
        reading = read(LOG + NEXT + frame + "\n")
        assert (plain(reading), reading.left_out, reading.rejected) == (FRAMES, {outcome: 1}, {})

    def test_a_trailing_column_labels_injected_frames(self, read):
        # CAN-MIRGU: only injected frames carry it
        assert read(LOG.replace("BA00", "BA00 1")).frames.attack.tolist() == [True, False, False]

    def test_a_log_without_that_column_is_unlabelled(self, read):
        assert read(LOG).labelled is False

    @pytest.mark.parametrize("fraction", ["25", "2", "250000000", "250"])
    def test_a_fraction_may_have_any_number_of_digits(self, read, fraction):
        assert plain(read(f"(1436509052.{fraction}) can0 044#2A\n"))[0][0] == float(f"1436509052.{fraction}")

    def test_times_since_the_start_stay_as_they_are(self, read):
        lines = "".join(f"({k * 0.01:010.6f}) can0 044#2A\n" for k in range(20))
        assert read(lines).frames.timestamp.tolist() == [round(k * 0.01, 6) for k in range(20)]

    def test_times_since_the_line_before_are_summed_up(self, read):
        steps = [0.0, 0.2, 0.1, 0.3, 0.1, 0.2]
        lines = "".join(f"({step:010.6f}) can0 044#2A\n" for step in steps)
        assert read(lines).frames.timestamp.tolist() == pytest.approx([0.0, 0.2, 0.3, 0.6, 0.7, 0.9])

    def test_the_step_of_a_line_that_is_no_frame_counts_too(self, read):
        lines = [f"({step:010.6f}) can0 044#2A\n" for step in [0.0, 0.2, 0.1, 0.3, 0.1, 0.2]]
        lines[2], lines[4] = lines[2].replace("044#2A", "20000004#00"), lines[4].replace("2A", "zz")
        assert read("".join(lines)).frames.timestamp.tolist() == pytest.approx([0.0, 0.2, 0.6, 0.9])

    def test_summed_times_are_noted(self, read):
        lines = "".join(f"({step:010.6f}) can0 044#2A\n" for step in [0.0, 0.2, 0.1, 0.3, 0.1, 0.2])
        assert "intervals" in read(lines).notes[0]

    def test_one_channel_can_be_chosen(self, read):
        reading = read(LOG, channel="can1")
        assert (plain(reading), reading.left_out) == (FRAMES[2:], {"frame of another channel": 2})

    def test_mixed_channels_are_noted(self, read):
        assert read(LOG).notes == ("frames of 2 channels are mixed; choose one with dataset.reading.channel",)

    @pytest.mark.parametrize(
        "line, reason",
        [
            (NEXT + "1234#11", "ID of neither 3 nor 8 digits"),
            (NEXT + "FFF#11", "standard ID over 11 bits"),
            (NEXT + "40000000#11", "ID over 29 bits"),
            (NEXT + "12G#11", "ID not hexadecimal"),
            (NEXT + "123#111", "payload of odd length"),
            (NEXT + "123#11223344556677889A", "payload over 8 bytes"),
            (NEXT + "123##0" + "11" * 9, "payload of a length that no frame has"),
            (NEXT + "123#1G", "payload not hexadecimal"),
            (NEXT + "123#11 2", "text behind the frame"),
            ("(12:30) can0 123#11", "unreadable timestamp"),
            ("(1.5) 123#11", "no interface"),
            ("garbage", "not a line of (time) interface ID#data"),
            ("", "empty line"),
        ],
    )
    def test_a_bad_line_is_counted_under_its_reason(self, read, line, reason):
        reading = read(LOG + line + "\n" + LOG)
        assert (plain(reading), reading.rejected, reading.examples[0][0]) == (FRAMES * 2, {reason: 1}, 4)


class TestConsole:
    def test_it_is_recognised(self, read):
        assert read(CONSOLE).format == "candump console"

    def test_lines_become_their_frames(self, read):
        assert plain(read(CONSOLE)) == FRAMES

    def test_an_error_frame_is_counted_and_its_marker_is_no_byte(self, read):
        line = " (1436509053.000000)  vcan0  20000004   [8]  00 00 00 00 00 00 00 00   ERRORFRAME\n"
        reading = read(CONSOLE + line)
        assert (plain(reading), reading.left_out) == (FRAMES, {"error frame": 1})

    def test_a_remote_frame_is_counted(self, read):
        assert read(CONSOLE + " (1.5)  can0  123   [0]  remote request\n").left_out == {"remote frame": 1}

    def test_two_digits_of_length_mark_can_fd(self, read):
        line = " (1436509053.000000)  can0  123  [12]  " + " ".join(["AB"] * 12) + "\n"
        assert plain(read(CONSOLE + line))[3][3] == b"\xab" * 12

    def test_the_payload_in_quotes_does_not_matter(self, read):
        assert plain(read(CONSOLE.replace("BA 00", "BA 00   '*6l+..'"))) == FRAMES

    def test_direction_and_flags_do_not_matter(self, read):
        assert plain(read(CONSOLE.replace("can0  ", "can0  RX - -  "))) == FRAMES

    def test_dates_are_times(self, read):
        lines = (
            " (2015-07-10 06:17:32.249713)  can0  044   [1]  2A\n (2015-07-10 06:17:33.249713)  can0  044   [1]  2A\n"
        )
        assert [time - 1436509052.249713 for time in read(lines).frames.timestamp] == pytest.approx([0, 1])

    def test_without_times_every_line_is_rejected(self, read):
        assert read("  can0  123   [1]  2A\n").rejected == {"no timestamp": 1}

    def test_without_times_an_interval_can_be_assumed(self, read):
        reading = read("  can0  123   [1]  2A\n" * 3, frame_interval=0.5)
        assert (reading.frames.timestamp.tolist(), len(reading.notes)) == ([0.0, 0.5, 1.0], 1)

    @pytest.mark.parametrize(
        "old, new, reason",
        [
            ("[5]", "[6]", "payload not as long as its DLC"),
            ("[5]", "[x]", "unreadable DLC"),
            ("D2", "D", "payload not hexadecimal"),
            ("D2", "DX", "payload not hexadecimal"),
            ("0F6 ", "0G6 ", "ID not hexadecimal"),
            ("0F6 ", "F6 ", "ID of neither 3 nor 8 digits"),
            ("(1436509052.449847)", "(14:30)", "unreadable timestamp"),
        ],
    )
    def test_a_bad_line_is_counted_under_its_reason(self, read, old, new, reason):
        reading = read(CONSOLE.replace(old, new))
        assert (reading.rejected, accounted(reading)) == ({reason: 1}, reading.lines)
