"""An independent check of the splits: of what was written, not of what was meant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from canids.artifacts import read_json
from canids.errors import ArtifactError
from canids.graphs.splits import ROLES
from canids.graphs.store import GraphStore


def check_splits(stores: Sequence[GraphStore], summary: Path) -> None:
    """Refuse stores in which windows of two roles share a stretch of one recording.

    Args:
        stores: every store of a dataset, as it was read back. summary: its ``graphs.json``, which names each capture's
            recording and its clock's offset to the recording's.

    Raises:
        ArtifactError: they do; names the captures, the roles and the time.
    """
    captures = read_json(summary)["captures"]
    windows = defaultdict(list)
    for store in stores:
        recordings = [captures[name]["recording"] for name in store.captures]
        offsets = [captures[name]["recording_offset"] for name in store.captures]
        for capture in store.capture.unique().tolist():
            mine = store.capture == capture
            start, end = (times[mine] + offsets[capture] for times in (store.start, store.end))
            windows[recordings[capture]].append(np.stack([start, end, store.role[mine], store.capture[mine]], axis=1))
    for found in windows.values():
        _check_recording(np.concatenate(found), list(captures))


def _check_recording(windows: np.ndarray, names: list[str]) -> None:
    """Windows (w, 4): start, end, role, capture. Each is held against how far the other roles reached before it."""
    windows = windows[np.argsort(windows[:, 0], kind="stable")]
    start, end, role, capture = windows.T
    for other in range(len(ROLES)):
        until = np.concatenate([[-np.inf], np.maximum.accumulate(np.where(role == other, end, -np.inf))])[:-1]
        overlapping = np.flatnonzero((role != other) & (until > start))
        if len(overlapping):
            window = overlapping[0]
            of = np.flatnonzero((role[:window] == other) & (end[:window] == until[window]))[0]
            raise ArtifactError(
                f"splits overlap: {ROLES[other]} ({names[int(capture[of])]}) reaches to {until[window]:.3f} s, "
                f"{ROLES[int(role[window])]} ({names[int(capture[window])]}) begins at {start[window]:.3f} s"
            )
