"""What is in a log file: how much traffic of which kind, and every irregularity with its count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from canids.frames.frames import Frames
from canids.frames.readers import read_capture
from canids.frames.reading import ERROR_FRAME, REMOTE_FRAME, ReadOptions

GAP_FACTOR = 100.0  # a gap is this many times longer than the 99 % quantile of the pauses between frames
SHORTEST_GAP_S = 0.1

# Bits of a frame besides its data, intermission included (CRC: of classic frames; CAN FD frames need a few more).
STANDARD_OVERHEAD, EXTENDED_OVERHEAD = 47, 67
STUFFED_STANDARD, STUFFED_EXTENDED = 34, 54  # of these, what stuff bits are inserted into


def inspect_capture(path: Path, bitrate: float, options: ReadOptions | None = None) -> dict[str, Any]:
    """Facts about a log file.

    Args:
        bitrate: bit/s of the bus, for its load.

    Raises:
        CaptureError: the file cannot be read as CAN frames.
    """
    reading = read_capture(path, options)
    frames, steps_back = reading.frames.sorted_by_time()
    duration = float(frames.timestamp[-1] - frames.timestamp[0]) if len(frames) else 0.0
    long_pauses = gaps(frames.timestamp)
    identifiers = np.unique(frames.arbitration_id.astype(np.int64) << 1 | frames.is_extended)
    return {
        "file": str(path),
        "format": reading.format,
        "frames": len(frames),
        "duration_s": duration,
        "frames_per_s": len(frames) / duration if duration else None,
        "bus_load_percent": 100 * bus_load(frames, bitrate) if duration else None,
        "bitrate": bitrate,
        "arbitration_ids": len(identifiers),
        "extended_ids": int((identifiers & 1).sum()),
        "can_fd": frames.payload_fd is not None,
        "channels": reading.channels,
        "labelled": reading.labelled,
        "attack_frames": int(frames.attack.sum()),
        "attack_share_percent": 100 * float(frames.attack.mean()) if reading.labelled and len(frames) else None,
        "irregularities": {
            "lines": reading.lines,
            "rejected": reading.rejected,
            "rejected_examples": [{"line": line, "reason": why, "text": text} for line, why, text in reading.examples],
            "error_frames": reading.left_out.get(ERROR_FRAME, 0),
            "remote_frames": reading.left_out.get(REMOTE_FRAME, 0),
            "left_out": reading.left_out,
            "steps_back_in_time": steps_back,
            "repeated_times": int(np.count_nonzero(np.diff(frames.timestamp) == 0)),
            "gaps": len(long_pauses),
            "longest_gap_s": float(long_pauses.max()) if len(long_pauses) else 0.0,
            "notes": list(reading.notes),
        },
    }


def gaps(timestamp: np.ndarray) -> np.ndarray:
    """Lengths (s) of the pauses in which the whole bus was silent for unusually long; ``timestamp`` is sorted."""
    pauses = np.diff(timestamp)
    if not len(pauses):
        return pauses
    return pauses[pauses > max(GAP_FACTOR * float(np.quantile(pauses, 0.99)), SHORTEST_GAP_S)]


def bus_load(frames: Frames, bitrate: float) -> float:
    """Share of the time in which frames were on the bus, at one bit rate for all of a frame.

    Stuff bits are taken to be a fifth of what data could need at worst, as on ordinary traffic: one in 20 bits.
    """
    extended = frames.is_extended
    data = 8.0 * frames.dlc
    stuffed = np.where(extended, STUFFED_EXTENDED, STUFFED_STANDARD) + data
    bits = np.where(extended, EXTENDED_OVERHEAD, STANDARD_OVERHEAD) + data + stuffed / 20
    return float(bits.sum() / bitrate / (frames.timestamp[-1] - frames.timestamp[0]))


def describe(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """The facts as lines of (what, how much) for a person; irregularities only where there are any."""
    wrong = facts["irregularities"]
    rows = [
        ("format", facts["format"]),
        ("frames", f"{facts['frames']:,}"),
        ("duration", f"{facts['duration_s']:.3f} s"),
        ("rate", "-" if facts["frames_per_s"] is None else f"{facts['frames_per_s']:.1f} frames/s"),
        (
            "bus load",
            "-"
            if facts["bus_load_percent"] is None
            else f"{facts['bus_load_percent']:.1f} % at {facts['bitrate'] / 1000:g} kbit/s",
        ),
        ("IDs", f"{facts['arbitration_ids']}, of them {facts['extended_ids']} extended"),
        (
            "labels",
            f"{facts['attack_frames']:,} frames of attacks ({facts['attack_share_percent']:.3f} %)"
            if facts["attack_share_percent"] is not None
            else "none",
        ),
    ]
    if facts["channels"]:
        rows.append(("channels", ", ".join(f"{name}: {count:,}" for name, count in facts["channels"].items())))
    rows += [(f"left out: {what}", f"{count:,}") for what, count in wrong["left_out"].items()]
    rows += [(f"rejected: {why}", f"{count:,}") for why, count in wrong["rejected"].items()]
    rows += [
        (f"  line {each['line']}", f"{each['reason']}: {each['text'][:80]}") for each in wrong["rejected_examples"][:3]
    ]
    if wrong["steps_back_in_time"]:
        rows.append(("frames earlier than the one before", f"{wrong['steps_back_in_time']:,}"))
    if wrong["repeated_times"]:
        rows.append(("frames at the same time as the one before", f"{wrong['repeated_times']:,}"))
    if wrong["gaps"]:
        rows.append(("gaps", f"{wrong['gaps']:,}, the longest {wrong['longest_gap_s']:.3f} s"))
    return rows + [("note", note) for note in wrong["notes"]]
