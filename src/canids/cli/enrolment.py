"""A vehicle of one's own: enrolled, and its captures evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from omegaconf import DictConfig

from canids import artifacts
from canids.catalogue import captures_of
from canids.cli.app import CONFIG_FOLDER, ConfigFolder, Scale, ScaleOption, app, clear_errors
from canids.cli.places import path_of
from canids.config import load_config
from canids.errors import CanidsError
from canids.shipped import PRETRAINED, SCALE, SHIPPED


@app.command()
def enroll(
    files: Annotated[
        list[Path], typer.Argument(metavar="CAPTURE...", help="log files of one vehicle, free of attacks")
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="folder that receives its profile, limits and drift")],
    models: Annotated[
        str, typer.Option(metavar="FOLDER|pretrained", help="a seed's folder of trained models")
    ] = PRETRAINED,
    vehicle: Annotated[str | None, typer.Option(help="its name in the dataset; by default that of the folder")] = None,
    scale: ScaleOption = Scale.STUDENT,
    config_folder: ConfigFolder = CONFIG_FOLDER,
) -> None:
    """Write a vehicle's profile, the limits above which its windows alarm, and a sum over time that seldom does."""
    with clear_errors():
        from canids.evaluation.enrolment import enroll as enroll_vehicle

        shipped = models == PRETRAINED
        folder, of_scale = (SHIPPED, SCALE) if shipped else (Path(models), scale)
        config = load_config(config_folder, [])
        aims = config.calibration.false_alarms, config.evaluation.enrolled_per_hour
        enroll_vehicle(files, folder, of_scale, vehicle or out.resolve().name, *aims, out)
        typer.echo(out)


def evaluate_enrolled_vehicle(
    config: DictConfig, enrolled: Path, seed: int | None, scale: Scale, on: str | None
) -> Path:
    """Evaluate models on the test captures of an enrolled vehicle; the folder that was written.

    Args:
        seed: of the dataset's own models; None for those that ship with canids.

    Raises:
        CanidsError: another dataset is named too.
    """
    from canids.evaluation.enrolment import evaluate_enrolled, load_enrolment

    if on is not None:
        raise CanidsError(f"--on: given {on}, and --enrolled evaluates on the dataset itself; use dataset={on}")
    if seed is None:
        models, scale, place = SHIPPED, SCALE, path_of(config, artifacts.EVALUATION_PRETRAINED)
    else:
        place = path_of(config, artifacts.EVALUATION, seed=seed, scale=scale)
        models = place.parent
    out = place.with_name(place.name + artifacts.ENROLLED.format(vehicle=load_enrolment(enrolled).vehicle))
    tables = {
        capture.key: path_of(config, artifacts.FRAMES, scenario=capture.scenario, capture=capture.name)
        for capture in captures_of(config)
    }
    described = {"trained_on": PRETRAINED if seed is None else config.dataset.name, "tested_on": config.dataset.name}
    graphs = path_of(config, artifacts.GRAPHS) / "graphs.json"
    evaluate_enrolled(enrolled, models, scale, described, tables, graphs, out)
    return out
