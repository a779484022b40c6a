"""Trained models on data that they were not trained on: nothing is fitted there but the vehicles' profiles."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from canids.artifacts import read_json
from canids.errors import ArtifactError, DatasetError
from canids.evaluation.cascade import Cascade, load_cascade
from canids.evaluation.evaluate import write_evaluation
from canids.evaluation.evidence import Cusum, with_cusum
from canids.frames.fingerprint import Fingerprint, overlap, read_fingerprint
from canids.fusion.states import FusionStates, fusion_states
from canids.graphs.captures import MADE
from canids.graphs.store import READINGS, load_store

logger = logging.getLogger(__name__)

WINDOW_SETTINGS = ("window", "stride", "seconds", "stride_seconds", "warmup", "quarantine", "leave_out")


@dataclass(frozen=True)
class Side:
    """A dataset that was trained on, or is tested on: its ``graphs.json``, and the fingerprint of each capture."""

    dataset: str
    graphs: Path
    fingerprints: Mapping[str, Path]

    def read_fingerprints(self, keys: Sequence[str]) -> dict[str, Fingerprint]:
        """Of some captures. Raises: ArtifactError."""
        for key in keys:
            if key not in self.fingerprints:
                raise ArtifactError(
                    f"{self.graphs}: made with the capture {key}, which is not chosen now; make it again"
                )
        return {key: read_fingerprint(self.fingerprints[key]) for key in keys}


def evaluate_transfer(
    models: Path, scale: str, trained: Side, tested: Side, stores: Sequence[Path], out: Path
) -> dict[str, Any]:
    """Evaluate the models of one dataset on another, without its recordings that the models were trained on.

    Args:
        models: a seed's folder. stores: test stores of the other dataset. out: folder to write.

    Raises:
        ArtifactError, CheckpointError: an input is missing or does not fit.
        DatasetError: windows are cut otherwise than those that were trained on, or none is left.
    """
    ours, theirs = read_json(trained.graphs), read_json(tested.graphs)
    check_windows(ours["settings"], theirs["settings"], tested.graphs)
    repeats = repeated(trained.read_fingerprints(trained_on(ours)), tested.read_fingerprints(tested_on(theirs)))
    described = {"trained_on": trained.dataset, "tested_on": tested.dataset}
    return evaluate_on(load_cascade(models, scale), described, stores, tested.graphs, out, repeats)


def check_windows(trained: Mapping[str, Any], tested: Mapping[str, Any], source: Path) -> None:
    """Refuse graphs that were made with other settings (``graph``) of windows and readings than were trained on.

    Raises:
        DatasetError: one differs; the message names it and ``source``.
    """
    for name in WINDOW_SETTINGS:
        if trained[name] != tested[name]:
            raise DatasetError(
                f"{source}: made with graph.{name}={tested[name]}, and the models were trained with {trained[name]}; "
                f"make the graphs with graph.{name}={trained[name]}"
            )


def evaluate_on(
    cascade: Cascade,
    described: dict[str, Any],
    stores: Sequence[Path],
    graphs: Path,
    out: Path,
    repeats: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Score the test windows of a dataset with a trained cascade; write ``metrics.json`` and ``scores.parquet``.

    Args:
        described: what else is to stand at the top of ``metrics.json``: what was trained and tested on.
        stores: test stores of the dataset. graphs: its ``graphs.json``. out: folder to write.
        repeats: test captures that are left out → those of the training data that are one recording with each.

    Raises:
        ArtifactError: an input is missing or damaged. DatasetError: no window is left to test on.
    """
    states = fusion_states(cascade.vgae, cascade.gat, [load_store(path) for path in stores], cascade.calibration)
    return evaluate_states(cascade, described, states, graphs, out, repeats)


def evaluate_states(
    cascade: Cascade,
    described: dict[str, Any],
    states: FusionStates,
    graphs: Path,
    out: Path,
    repeats: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """What ``evaluate_on`` does, from fusion states on.

    ``shorter_than_warmup`` in ``metrics.json`` names the captures that never had a profile of their own: there what was
    learnt elsewhere speaks alone.
    """
    repeats = dict(repeats or {})
    for key, others in repeats.items():
        logger.warning("%s is left out: one recording with %s, which was learnt from", key, ", ".join(others))
    key = pl.concat_str("scenario", "capture", separator="/")
    scores = cascade.fusion.score(states).filter((pl.col("role") == "test") & ~key.is_in(list(repeats)))
    if not len(scores):
        raise DatasetError(f"{graphs}: no capture is left to test on; all are recordings that were learnt from")
    scores = with_cusum(scores, Cusum(**cascade.points.cusum))
    facts = {
        "scale": cascade.scale,
        "seed": cascade.seed,
        "tolerance": cascade.points.tolerance,
        **described,
        "excluded_captures": repeats,
        "shorter_than_warmup": _shorter_than_warmup(scores),
    }
    return write_evaluation(out, facts, scores, cascade.points, read_json(graphs))


def _shorter_than_warmup(scores: pl.DataFrame) -> list[str]:
    """The captures none of whose windows is read against a profile of their own."""
    key = pl.concat_str("scenario", "capture", separator="/").alias("key")
    own = (pl.col("read_by").cast(pl.Int64) & 1 << READINGS.index("own")) > 0
    rows = scores.group_by(key, maintain_order=True).agg(own.any().alias("own"))
    return rows.filter(~pl.col("own"))["key"].to_list()


def repeated(trained: Mapping[str, Fingerprint], tested: Mapping[str, Fingerprint]) -> dict[str, list[str]]:
    """Captures to test on that are one recording with captures that were trained on, and with which."""
    found = {
        key: [name for name, theirs in trained.items() if overlap(theirs, ours).one_recording]
        for key, ours in tested.items()
    }
    return {key: names for key, names in found.items() if names}


def trained_on(graphs: dict[str, Any]) -> list[str]:
    """Recorded captures (``<scenario>/<name>``) that models of a dataset were fitted on, by its ``graphs.json``."""
    captures = graphs["captures"]
    fitting = {key: each for key, each in captures.items() if "test" not in each["windows_by_role"]}
    # An attacked copy is of a recording, whether or not the recording itself was trained on.
    keys = [*fitting, *(each["recording"] for each in fitting.values())]
    return [key for key in dict.fromkeys(keys) if key.split("/")[0] not in MADE]


def tested_on(graphs: dict[str, Any]) -> list[str]:
    """Captures that a dataset tests on, by its ``graphs.json``."""
    return [key for key, each in graphs["captures"].items() if "test" in each["windows_by_role"]]
