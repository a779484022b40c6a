"""Damaged log files of every format: a reading that accounts for every line, or a CaptureError; nothing else.

CANIDS_MUTATIONS=100000 makes about so many damaged files (over all formats) instead of the 2000 of a usual run.
"""

import os
import signal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from reading import accounted, plain
from test_can_train_csv import mutated
from test_candump import CONSOLE, LOG
from test_hcrl import CSV, TEXT
from test_tool_formats import ASC, TRC, WRITERS, messages

from canids.errors import CaptureError
from canids.frames.readers import read_capture
from canids.frames.reading import Reading

MUTATIONS = int(os.environ.get("CANIDS_MUTATIONS", "2000"))
SLOW = 30  # MDF4 is read in a process of its own, which takes a second
SECONDS = 20  # that one file may take: any damage that takes longer is a hang
TEXTS = {
    "candump log": LOG * 3,
    "candump console": CONSOLE * 3,
    "HCRL CSV": CSV * 3,
    "HCRL text": TEXT * 3,
    "Vector ASC": ASC,
    **{f"PEAK TRC {version}": TRC[version] for version in ("1.1", "2.1")},
    "M-CAN": 'Timestamp, ID, DLC, Data, Label\n1.5, 153, 2, "7F 00", 1.0\n1.6, 154, 1, "20", 0.0\n',
    "CICIoV2024": "time,id,b0,b1,b2,label,category\n1.5,65,96,0,255,BENIGN,BENIGN\n1.6,66,6,1,0,ATTACK,DoS\n",
    "python-can CSV": "timestamp,arbitration_id,extended,remote,error,dlc,data\n1.0,0x12,0,0,0,1,AA==\n" * 2,
}
BINARIES = ("a.blf", "a.db", "a.mf4", "a.parquet")
EACH = max(1, MUTATIONS // (len(TEXTS) + len(BINARIES)))


def binary(folder: Path, name: str) -> bytes:
    path = folder / name
    if name == "a.parquet":
        pl.DataFrame({"time": [1.5, 1.6], "id": [26, 27], "data": [b"\x0a\xff", b""]}).write_parquet(path)
        return path.read_bytes()
    options = {"compression_level": 0} if name == "a.blf" else {}  # damage inside a deflated container is found by zlib
    writer = WRITERS[name][0](str(path), **options)
    for message in messages()[:12]:
        writer.on_message_received(message)
    writer.stop()
    return path.read_bytes()


def flipped(random: np.random.Generator, content: bytes) -> bytes:
    """A few bytes changed, or the end cut off."""
    data = bytearray(content)
    for _ in range(random.integers(1, 8)):
        data[random.integers(len(data))] = random.choice([0, 1, 255, random.integers(256)])
    return bytes(data[: random.integers(1, len(data))]) if random.random() < 0.1 else bytes(data)


def outcome(path: Path, content: bytes) -> Reading | None:
    """The reading of content; None if it is refused. Any other error, or a hang, fails the test."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    signal.alarm(SECONDS)
    try:
        return read_capture(path)
    except CaptureError:
        return None
    finally:
        signal.alarm(0)


def on_alarm(*_) -> None:
    raise TimeoutError(f"a damaged file took over {SECONDS} s")


@pytest.fixture(autouse=True)
def no_hang():
    before = signal.signal(signal.SIGALRM, on_alarm)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", TEXTS)
def test_of_damaged_text_every_line_is_accounted_for(tmp_path, name):
    random = np.random.default_rng(len(name))
    for _ in range(EACH):
        damaged = mutated(random, TEXTS[name].encode())
        reading = outcome(tmp_path / "capture", damaged)
        assert reading is None or accounted(reading) == reading.lines, damaged


@pytest.mark.parametrize("name", TEXTS)
def test_a_damaged_last_line_costs_no_other(tmp_path, name):
    random = np.random.default_rng(len(name))
    whole = TEXTS[name].encode()
    kept = plain(outcome(tmp_path / "capture", whole))
    for _ in range(max(1, EACH // 10)):
        damage = random.bytes(random.integers(1, 40)).replace(b"\n", b"").replace(b"\r", b"")
        assert plain(outcome(tmp_path / "capture", whole + damage + b"\n"))[: len(kept)] == kept, damage


@pytest.mark.parametrize("name", BINARIES)
def test_of_a_damaged_binary_everything_is_accounted_for(tmp_path, name):
    random = np.random.default_rng(len(name))
    content = binary(tmp_path, name)
    for _ in range(max(1, EACH // SLOW) if name == "a.mf4" else EACH):
        damaged = flipped(random, content)
        reading = outcome(tmp_path / "capture", damaged)
        assert reading is None or accounted(reading) == reading.lines, damaged
