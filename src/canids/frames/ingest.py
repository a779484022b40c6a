"""The ingest stage: one log file → its canonical frame table, its fingerprint, and a record of what was read."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from canids.artifacts import write_json
from canids.errors import CaptureError
from canids.frames.attack_intervals import intervals_of_file, label_by_intervals
from canids.frames.attack_spans import spans_of_file, spans_of_labels
from canids.frames.content import content_sha256
from canids.frames.dataset import Capture
from canids.frames.fingerprint import fingerprint, fingerprint_path, write_fingerprint
from canids.frames.frames import distinct_ids
from canids.frames.parquet import write_frames
from canids.frames.readers import read_capture
from canids.frames.reading import ERROR_FRAME, REMOTE_FRAME, Reading, ReadOptions

logger = logging.getLogger(__name__)


def ingest(
    capture: Capture,
    parquet: Path,
    record: Path,
    attack_spans: Path | None,
    strict: bool,
    reading_settings: Mapping[str, Any] | None = None,
) -> None:
    """Read a capture's log file and write its frame table, with its fingerprint beside it, and its ingest record.

    Args:
        capture: the capture; its source is read.
        parquet, record: the files to write.
        attack_spans: CSV with spans of attacks that label no frame, or None.
        strict: refuse a file with a line that cannot be read.
        reading_settings: the dataset's section ``reading``; None for its defaults.

    Raises:
        CaptureError: the file cannot be read, holds no frame, or has a bad line under ``strict``.
    """
    settings = dict(reading_settings or {})
    intervals = settings.pop("attack_intervals", None)
    options = ReadOptions(attack_type=capture.attack_type, **settings)
    # Digests, fingerprint and table are made at the same time where a core is free; two of them wait for the disk.
    with ThreadPoolExecutor(2) as pool:
        source_sha256 = pool.submit(_file_sha256, capture.source)
        reading = read_capture(capture.source, options)
        _check(reading, capture.source, strict)
        frames, steps_back = reading.frames.sorted_by_time()
        if intervals:
            frames = label_by_intervals(frames, intervals_of_file(Path(intervals), capture.name), capture.attack_type)
        listed = spans_of_file(attack_spans, capture.key) if attack_spans else []
        # From here on nothing is refused, and files may be written.
        content = pool.submit(content_sha256, frames)
        written = pool.submit(lambda: write_fingerprint(fingerprint_path(parquet), fingerprint(frames)))
        spans = spans_of_labels(frames) or listed
        facts = {
            "capture": capture.name,
            "scenario": capture.scenario,
            "vehicle": capture.vehicle,
            "attack_type": capture.attack_type,
            "source": capture.source.name,
            "source_sha256": source_sha256.result(),
            "content_sha256": content.result(),
            "format": reading.format,
            "lines": reading.lines,
            "frames": len(frames),
            "error_frames": reading.left_out.get(ERROR_FRAME, 0),
            "remote_frames": reading.left_out.get(REMOTE_FRAME, 0),
            "left_out": reading.left_out,
            "rejected": reading.rejected,
            "rejected_examples": [{"line": line, "reason": why, "text": text} for line, why, text in reading.examples],
            "steps_back_in_time": steps_back,
            "channels": reading.channels,
            "notes": list(reading.notes),
            "duration_s": float(frames.timestamp[-1] - frames.timestamp[0]),
            "arbitration_ids": len(distinct_ids(frames.arbitration_id)),
            "labelled": reading.labelled or bool(intervals),
            "attack_frames": int(frames.attack.sum()),
            "attack_spans": [dataclasses.asdict(span) for span in spans],
        }
        logger.info("%s: %d frames, %d lines rejected", capture.key, len(frames), sum(reading.rejected.values()))
        for reason, count in reading.rejected.items():
            logger.warning("%s: %d lines rejected: %s", capture.source, count, reason)
        for note in reading.notes:
            logger.warning("%s: %s", capture.source, note)
        write_frames(parquet, frames, facts)
        written.result()
    write_json(record, facts)  # last: where there is a record, the frames are there


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(reading: Reading, source: Path, strict: bool) -> None:
    if strict and reading.examples:
        line, why, text = reading.examples[0]
        raise CaptureError(
            f"{source}, line {line}: {why}: {text[:80]!r}; mend it, or set strict=false to skip such lines"
        )
    if len(reading.frames) == 0:
        reasons = ", ".join(f"{count} × {why}" for why, count in [*reading.rejected.items(), *reading.left_out.items()])
        raise CaptureError(f"{source}: no usable frame among {reading.lines} lines ({reasons})")
