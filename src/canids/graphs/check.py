"""An independent check of the splits: of what was written, not of what was meant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from canids.artifacts import read_json
from canids.errors import ArtifactError
from canids.graphs.splits import ROLES
from canids.graphs.store import load_store


def check_splits(stores: Sequence[Path], summary: Path) -> None:
    """Refuse stores in which windows of two roles share a stretch of one recording.

    Args:
        stores: every store of a dataset. summary: its ``graphs.json``, which names each capture's recording.

    Raises:
        ArtifactError: they do; names the captures, the roles and the time.
    """
    captures = read_json(summary)["captures"]
    windows = defaultdict(list)
    for path in stores:
        store = load_store(path)
        recordings = [captures[name]["recording"] for name in store.captures]
        for capture in store.capture.unique().tolist():
            mine = store.capture == capture
            windows[recordings[capture]].append(
                np.stack([store.start[mine], store.end[mine], store.role[mine], store.capture[mine]], axis=1)
            )
    for found in windows.values():
        _check_recording(np.concatenate(found), list(captures))


def _check_recording(windows: np.ndarray, names: list[str]) -> None:
    """Windows (w, 4): start, end, role, capture. Sweeps over their starts."""
    reached = dict.fromkeys(range(len(ROLES)), (-np.inf, 0))
    for start, end, role, capture in windows[np.argsort(windows[:, 0], kind="stable")].tolist():
        for other, (until, of_capture) in reached.items():
            if other != role and until > start:
                raise ArtifactError(
                    f"splits overlap: {ROLES[other]} ({names[int(of_capture)]}) reaches to {until:.3f} s, "
                    f"{ROLES[int(role)]} ({names[int(capture)]}) begins at {start:.3f} s"
                )
        if end > reached[role][0]:
            reached[role] = (end, capture)
