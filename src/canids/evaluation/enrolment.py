"""A vehicle that trained models are told of: its profile, limits and drift, from captures without an attack."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf

from canids.artifacts import read_json, write_json
from canids.errors import ArtifactError, DatasetError
from canids.evaluation.cascade import Cascade, load_cascade
from canids.evaluation.events import HOUR_S
from canids.evaluation.evidence import Cusum, quiet_cusum, quiet_limit
from canids.evaluation.thresholds import CUSUM, POINTS_FILE
from canids.evaluation.transfer import check_windows, evaluate_states, repeated
from canids.frames.fingerprint import SUFFIX, Fingerprint, fingerprint_path, read_fingerprint, write_fingerprint
from canids.frames.reading import ReadOptions
from canids.fusion.calibration import FEWEST
from canids.fusion.cascade_calibration import MODELS, CascadeCalibration
from canids.fusion.names import CALIBRATION_FILE
from canids.fusion.states import fusion_states
from canids.graphs.captures import LabelledCapture, load_capture
from canids.graphs.one_vehicle import crossed_store, known_store, profile_of, read_log
from canids.graphs.profile import VehicleProfile, load_profile, save_profile
from canids.graphs.store import GraphStore
from canids.shipped import RECORD, SHIPPED

PROFILE = "profile"
ENROLMENT_FILE = "enrolment.json"


@dataclass(frozen=True)
class Enrolment:
    """What a vehicle's captures told of it.

    Attributes:
        graph: settings of the windows. models: digest of the models that ``limits`` are for.
        limits: ``vgae`` and ``gat`` → (READ_BY,), see ``Calibration``.
        cusum, cusum_limit: the sum over time and its threshold, see ``quiet_cusum`` and ``quiet_limit``.
        fingerprints: of each capture.
    """

    vehicle: str
    profile: VehicleProfile
    graph: dict[str, Any]
    models: str
    limits: dict[str, np.ndarray]
    cusum: Cusum
    cusum_limit: float
    fingerprints: dict[str, Fingerprint]


def window_settings(models: Path) -> dict[str, Any]:
    """How the windows are cut and read that a cascade was trained on (``graph``).

    Args:
        models: the shipped cascade's folder, or a seed's.

    Raises:
        ArtifactError: nothing beside them tells.
    """
    if models == SHIPPED:
        return read_json(models / RECORD)["graph"]
    return read_json(models.parent / "graphs" / "graphs.json")["settings"]


def enroll(
    files: Sequence[Path],
    models: Path,
    scale: str,
    vehicle: str,
    false_alarms: float,
    per_hour: float,
    out: Path,
    options: ReadOptions | None = None,
) -> None:
    """Write a vehicle's profile, its limits, and how its sum over time is to be taken so that it seldom alarms.

    Args:
        files: log files of its drives, without an attack or nearly so. models: as for ``window_settings``.
        false_alarms: share of its windows that are to alarm. per_hour: false alarms that are to be the sum's.
        out: folder to write.

    Raises:
        CaptureError, DatasetError: a file cannot be read, or all are too short.
        ArtifactError, CheckpointError: a part of the cascade is missing or does not fit.
    """
    cascade, settings = load_cascade(models, scale), window_settings(models)
    graph = OmegaConf.create(settings)
    read = [read_log(path, n, vehicle, graph, options or ReadOptions()) for n, path in enumerate(files)]
    # A capture read against itself would look quieter than any drive is.
    captures, fingerprints = zip(*{c.facts["content_sha256"]: (c, found) for c, found in read}.values(), strict=True)
    store = _long_enough(captures, graph, files)
    own = enrolled_by(cascade, store, false_alarms, per_hour)
    profile = profile_of(captures)
    save_profile(out / PROFILE, profile, vehicle, [capture.key for capture in captures])
    names = [capture.facts["capture"] for capture in captures]
    for name, found in zip(names, fingerprints, strict=True):
        write_fingerprint(out / f"{name}{SUFFIX}", found)
    content = {
        "vehicle": vehicle,
        "captures": names,
        "windows": len(store),
        "hours": sum(float(end[-1] - start[0]) for start, end in map(LabelledCapture.window_times, captures)) / HOUR_S,
        "graph": settings,
        "models": models_digest(models, scale),
        "limits": {name: getattr(own.calibration, name).limit.tolist() for name in MODELS},
        "limits_before": {name: getattr(cascade.calibration, name).limit.tolist() for name in MODELS},
        "cusum": own.points.cusum,
        "cusum_before": cascade.points.cusum,
        "cusum_limit": own.points.limits[CUSUM],
        "cusum_limit_before": cascade.points.limits[CUSUM],
    }
    write_json(out / ENROLMENT_FILE, content)


def enrolled_by(cascade: Cascade, store: GraphStore, false_alarms: float, per_hour: float) -> Cascade:
    """The cascade with the limits, and the sum over time, of the vehicle that some attack-free windows are of.

    Args:
        store: each window read against a profile that it had no part in (``crossed_store``).
        false_alarms: share of them that is to alarm. per_hour: see ``quiet_limit``.
    """
    calibration = cascade.calibration.enrolled(cascade.vgae, cascade.gat, [store], false_alarms)
    scores = cascade.fusion.score(fusion_states(cascade.vgae, cascade.gat, [store], calibration))
    limit = cascade.points.limits[CUSUM]
    cusum = quiet_cusum(scores, Cusum(**cascade.points.cusum), limit)
    return _with(cascade, calibration, cusum, quiet_limit(scores, cusum, limit, per_hour))


def _with(cascade: Cascade, calibration: CascadeCalibration, cusum: Cusum, limit: float) -> Cascade:
    points = replace(cascade.points, cusum=asdict(cusum), limits={**cascade.points.limits, CUSUM: limit})
    return replace(cascade, calibration=calibration, points=points)


def _long_enough(captures: Sequence[LabelledCapture], graph: DictConfig, files: Sequence[Path]) -> GraphStore:
    """The captures' windows, each read against a profile that it had no part in.

    Raises:
        DatasetError: no capture is long enough for a limit of its own.
    """
    longest, needed = max(int((~capture.attacked).sum()) for capture in captures), graph.warmup + FEWEST
    if longest < needed:
        raise DatasetError(
            f"{', '.join(map(str, files))}: {longest} windows in the longest capture, and a vehicle's limit needs "
            f"{needed}; record for longer"
        )
    return crossed_store(captures, graph)


def load_enrolment(folder: Path) -> Enrolment:
    """What ``enroll`` wrote. Raises: ArtifactError."""
    if not (folder / ENROLMENT_FILE).is_file():
        raise ArtifactError(f"{folder}: no vehicle is enrolled there; run canids enroll CAPTURE… --out {folder}")
    content = read_json(folder / ENROLMENT_FILE)
    try:
        limits = {name: np.array(content["limits"][name], np.float64) for name in MODELS}
        fingerprints = {name: read_fingerprint(folder / f"{name}{SUFFIX}") for name in content["captures"]}
        return Enrolment(
            vehicle=content["vehicle"],
            profile=load_profile(folder / PROFILE),
            graph=content["graph"],
            models=content["models"],
            limits=limits,
            cusum=Cusum(**content["cusum"]),
            cusum_limit=content["cusum_limit"],
            fingerprints=fingerprints,
        )
    except (KeyError, TypeError) as error:
        raise ArtifactError(f"{folder / ENROLMENT_FILE}: not an enrolment ({error}); run canids enroll again") from None


def evaluate_enrolled(
    enrolled: Path,
    models: Path,
    scale: str,
    described: dict[str, Any],
    tables: dict[str, Path],
    graphs: Path,
    out: Path,
) -> dict[str, Any]:
    """Score the test captures of an enrolled vehicle, against its profile and by its own limits.

    Captures that are one recording with one that it was enrolled by are left out.

    Args:
        enrolled: folder that ``enroll`` wrote. models: see ``window_settings``.
        described: what was trained and tested on.
        tables: ``<scenario>/<capture>`` → frame table. graphs: the dataset's ``graphs.json``. out: folder to write.

    Raises:
        ArtifactError, CheckpointError: an input is missing, or the vehicle was enrolled with other models.
        DatasetError: windows are cut otherwise, or no test capture is one of the vehicle.
    """
    enrolment, summary = load_enrolment(enrolled), read_json(graphs)
    if enrolment.models != models_digest(models, scale):
        raise ArtifactError(f"{enrolled}: enrolled with other models than those of {models}; run canids enroll again")
    check_windows(enrolment.graph, summary["settings"], graphs)
    keys = [
        key
        for key, capture in summary["captures"].items()
        if capture["vehicle"] == enrolment.vehicle and "test" in capture["windows_by_role"]
    ]
    if not keys:
        raise DatasetError(f"{graphs}: no test capture is of the enrolled vehicle {enrolment.vehicle}")
    graph = OmegaConf.create(enrolment.graph)
    store = known_store([load_capture(tables[key], graph) for key in keys], enrolment.profile, graph)
    repeats = repeated(enrolment.fingerprints, {key: read_fingerprint(fingerprint_path(tables[key])) for key in keys})
    cascade = load_cascade(models, scale)
    calibration = cascade.calibration.with_limits(enrolment.limits)
    cascade = _with(cascade, calibration, enrolment.cusum, enrolment.cusum_limit)
    states = fusion_states(cascade.vgae, cascade.gat, [store], cascade.calibration)
    return evaluate_states(cascade, {**described, "enrolled": enrolment.vehicle}, states, graphs, out, repeats)


def models_digest(models: Path, scale: str) -> str:
    """Digest of the models and thresholds that an enrolment is for.

    Raises:
        ArtifactError: one is missing.
    """
    digest = hashlib.sha256()
    for place in (
        f"vgae-{scale}/model.safetensors",
        f"gat-{scale}/model.safetensors",
        f"fusion-{scale}/{CALIBRATION_FILE}",
        f"evaluation-{scale}/{POINTS_FILE}",
    ):
        try:
            digest.update((models / place).read_bytes())
        except OSError as error:
            raise ArtifactError(f"{models / place}: cannot be read ({error})") from None
    return digest.hexdigest()
