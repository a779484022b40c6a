"""What the tests of the readers share: bytes → a reading, and a reading's frames in plain terms."""

from pathlib import Path

from canids.frames.readers import read_capture
from canids.frames.reading import Reading, ReadOptions


def read_bytes(folder: Path, content: bytes | str, name: str = "capture", **options) -> Reading:
    """Read content as if it were a file's, with the options of ``ReadOptions``."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_capture(path, ReadOptions(**options))


def plain(reading: Reading) -> list[tuple[float, int, bool, bytes]]:
    """Each frame as (time, ID, extended, payload)."""
    f = reading.frames
    payloads = f.payload if f.payload_fd is None else f.payload_fd
    return [
        (float(time), int(number), bool(extended), bytes(payload[:dlc]))
        for time, number, extended, payload, dlc in zip(
            f.timestamp, f.arbitration_id, f.is_extended, payloads, f.dlc, strict=True
        )
    ]


def accounted(reading: Reading) -> int:
    """Lines that became a frame or were counted for another reason."""
    return len(reading.frames) + sum(reading.rejected.values()) + sum(reading.left_out.values())
