"""The explain stage: for each attack found, and for false alarms, which IDs and channels carried the alarm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from canids.artifacts import read_json, write_json
from canids.errors import ArtifactError
from canids.evaluation.causes import Attribution, Cause, attack_free
from canids.evaluation.silences import SilenceAttribution, joined, serving_profiles
from canids.evaluation.wording import name_of, sentence
from canids.frames.parquet import read_frames
from canids.graphs.store import GraphStore, load_store
from canids.graphs.windows import Cut, WindowedCapture, window_capture

HEADLINE = "fusion"
FALSE_ALARMS = 3  # explained for each capture


def explain(
    train: Path,
    tests: Sequence[Path],
    frames: Sequence[Path],
    evaluation: Path,
    graphs: Path,
    profiles: Path,
    out: Path,
) -> None:
    """Write ``explanations.json``.

    ``alarms``: for each attack found its first alarm, and the first false alarms of each capture, with the IDs that
    carried it, the most surprising first. ``attacked_ids``: for each capture whose attacks name their IDs, how often
    one of these is first, and among the first three, in true alarms. Labels choose what is shown and measure it; no
    attribution depends on them.

    Args:
        train: the training store, for the tails of attack-free traffic. tests: the test stores.
        frames: the frame tables of the test captures. evaluation: folder of the evaluation whose alarms these are.
        graphs: ``graphs.json``, for the attack spans. profiles: folder of the vehicles' known profiles.

    Raises:
        ArtifactError: an input is missing, damaged, or of another run.
    """
    scores, summary = _alarms(evaluation / "scores.parquet"), read_json(graphs)
    quiet = attack_free(load_store(train))
    attribution, silence = Attribution([quiet]), SilenceAttribution(quiet)
    tables = _tables(frames)
    settings = summary["settings"]
    cut = Cut(*(settings[name] for name in ("window", "stride", "seconds", "stride_seconds")))
    alarms, measured = [], []
    for store in (load_store(path) for path in tests):
        for number in store.capture.unique().tolist():
            key = store.captures[number]
            rows = scores.filter(pl.concat_str("scenario", "capture", separator="/") == key)
            mine = (store.capture == number).nonzero().ravel()
            if len(rows) != len(mine):
                raise ArtifactError(f"{evaluation}/scores.parquet: not the windows of {key}; evaluate again")
            alarming = store.select(mine[torch.from_numpy(rows[f"{HEADLINE}_alarm"].to_numpy().copy())])
            facts = summary["captures"][key]
            spans, known = facts["attack_spans"], profiles / facts["vehicle"] if facts["known_profile"] else None
            capture = window_capture(read_frames(tables[key])[0], cut)
            serving = list(serving_profiles(capture, known, settings["warmup"], settings["quarantine"]))
            causes = joined(attribution.causes(alarming), silence.causes(alarming, capture, serving))
            alarms += [
                {"capture": key, **_described(alarming, causes, capture, place, kind)}
                for place, kind in _chosen(alarming, spans)
            ]
            measured += _measured(key, alarming, causes, spans)
    config = read_json(evaluation / "metrics.json")
    described = {"scale": config["scale"], "seed": config["seed"], "detector": HEADLINE}
    write_json(out / "explanations.json", {**described, "attacked_ids": measured, "alarms": alarms})


def _alarms(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise ArtifactError(f"{path}: there is no such file; run the evaluate stage")
    return pl.read_parquet(path).filter(pl.col("role") == "test").sort("scenario", "capture", "position")


def _tables(frames: Sequence[Path]) -> dict[str, Path]:
    return {f"{path.parent.name}/{path.stem}": path for path in frames}


def _chosen(alarming: GraphStore, spans: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """(place, attack type) of the first alarm in each attack, and (place, "") of the first alarms outside of any."""
    start, end = alarming.start.numpy(), alarming.end.numpy()
    chosen, inside = [], np.zeros(len(alarming), bool)
    for span in spans:
        during = (start <= span["end"]) & (end >= span["start"])
        inside |= during
        chosen += [(int(place), span["kind"]) for place in np.flatnonzero(during)[:1]]
    return chosen + [(int(place), "") for place in np.flatnonzero(~inside)[:FALSE_ALARMS]]


def _described(
    alarming: GraphStore, causes: list[list[Cause]], capture: WindowedCapture, place: int, kind: str
) -> dict[str, Any]:
    position = int(alarming.position[place])
    return {
        "start": float(alarming.start[place]),
        "end": float(alarming.end[place]),
        "attack_type": kind or None,
        "causes": [
            {
                "arbitration_id": name_of(cause.key),
                "reading": cause.reading,
                "statistic": cause.statistic,
                "surprise": cause.surprise,
                "sentence": sentence(cause, _repeats(capture, position, cause.key)),
            }
            for cause in causes[place]
        ],
    }


def _repeats(capture: WindowedCapture, position: int, key: int) -> bool:
    """Whether the rarer of what an ID did in a window was to repeat its payload, judged by its frames so far."""
    last = capture.last_frame[position]
    code = int(np.searchsorted(capture.ids, key))
    so_far = capture.repeats[: last + 1][capture.code[: last + 1] == code]
    here = slice(capture.first_frame[position], last + 1)
    done = capture.repeats[here][capture.code[here] == code]
    if (done == 1).any() and (done == 0).any():
        return (so_far == 1).sum() < (so_far == 0).sum()
    return bool((done == 1).any())


def _measured(
    key: str, alarming: GraphStore, causes: list[list[Cause]], spans: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """How often an attacked ID is named in true alarms; nothing where no attack names its IDs."""
    attacked = {each for span in spans for each in span["arbitration_ids"]}
    true = [causes[place] for place in (alarming.label == 1).nonzero().ravel().tolist()]
    if not attacked or not true:
        return []
    first, among = (
        np.mean([any(cause.key in attacked for cause in each[:count]) for each in true]) for count in (1, None)
    )
    return [
        {
            "capture": key,
            "arbitration_ids": [name_of(each) for each in sorted(attacked)],
            "true_alarms": len(true),
            "named_first": float(first),
            "named_among_three": float(among),
        }
    ]
