"""From logs to graph stores."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from canids import artifacts
from canids.catalogue import captures_of
from canids.cli.app import CONFIG_FOLDER, ConfigFolder, Overrides, app, clear_errors
from canids.cli.places import copies, fleet_parts_of, frame_tables, path_of
from canids.config import TEMPLATE, known_datasets, load_config
from canids.errors import CanidsError
from canids.progress import track


@app.command()
def simulate(overrides: Overrides = None, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Simulate the demo dataset's vehicles and attacks."""
    with clear_errors():
        from canids.simulate.demo import simulate_demo

        config = load_config(config_folder, overrides or [])
        if not config.dataset.simulated:
            raise CanidsError(f"dataset {config.dataset.name} is not simulated; obtain it from {config.dataset.source}")
        simulate_demo(Path(config.dataset.folder), config.simulate.seed, config.simulate.seconds)


@app.command("simulate-fleet")
def simulate_fleet(overrides: Overrides = None, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Simulate the fleet of vehicles that is trained on (training_data=fleet), and attacks on copies of its drives."""
    with clear_errors():
        from canids.simulate.fleet import simulate_part

        config = load_config(config_folder, overrides or [])
        parts = fleet_parts_of(config)
        if not parts:
            raise CanidsError(
                f"training_data={config.training_data} holds no fleet; add training_data=fleet, or another with +fleet"
            )
        for part, folder in parts:
            simulate_part(folder, part, config.fleet, config.synthesis)
            typer.echo(folder)


@app.command()
def ingest(overrides: Overrides = None, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Read every capture of the dataset into a canonical frame table."""
    with clear_errors():
        from canids.frames.ingest import ingest as ingest_capture

        config = load_config(config_folder, overrides or [])
        spans = Path(config.dataset.attack_spans) if config.dataset.attack_spans else None
        for capture in track(captures_of(config), "ingest"):
            where = {"scenario": capture.scenario, "capture": capture.name}
            parquet, record = (path_of(config, p, **where) for p in (artifacts.FRAMES, artifacts.INGEST_RECORD))
            ingest_capture(capture, parquet, record, spans, config.strict, config.dataset.reading)


@app.command()
def datasets(
    overrides: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, one object a dataset")] = False,
    config_folder: ConfigFolder = CONFIG_FOLDER,
) -> None:
    """List the known datasets: where to obtain them, and what of them is at hand (data_root=... says where)."""
    with clear_errors():
        from canids.catalogue.presence import missing_lines, presence_of, presence_table

        names = known_datasets(config_folder)
        found = [presence_of(load_config(config_folder, [*(overrides or []), f"dataset={n}"]).dataset) for n in names]
        if as_json:
            for each in found:
                typer.echo(json.dumps(artifacts.jsonable(dataclasses.asdict(each))))
            return
        Console().print(presence_table(found))
        for line in (line for each in found for line in missing_lines(each)):
            typer.echo(line)
        typer.echo(f"captures of your own: copy {config_folder / 'datasets' / TEMPLATE}.yaml, and see what it says")


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="a dataset, as `canids datasets` lists them")],
    overrides: Overrides = None,
    config_folder: ConfigFolder = CONFIG_FOLDER,
) -> None:
    """Download a dataset that has a direct link; a call that was cut off goes on where it stopped."""
    with clear_errors():
        from canids.catalogue.fetch import fetch as fetch_dataset

        config = load_config(config_folder, [*(overrides or []), f"dataset={name}"])
        typer.echo(fetch_dataset(config.dataset, Path(config.data_root)))


@app.command()
def inspect(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="log files of any known format")],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, one object a file")] = False,
    bitrate: Annotated[float, typer.Option(min=1.0, help="bit rate of the bus (kbit/s), for its load")] = 500.0,
    channel: Annotated[str | None, typer.Option(help="the only bus to look at in a log of several")] = None,
) -> None:
    """Say what log files hold: format, frames, bus load, IDs, labels, and every irregularity."""
    with clear_errors():
        from canids.frames.inspection import describe, inspect_capture
        from canids.frames.reading import ReadOptions

        failures = []
        for path in files:
            try:
                facts = inspect_capture(path, 1000 * bitrate, ReadOptions(channel=channel))
            except CanidsError as error:
                failures.append(str(error))
                continue
            if as_json:
                typer.echo(json.dumps(artifacts.jsonable(facts), allow_nan=False))
            else:
                typer.echo(f"{path}\n" + "\n".join(f"  {what:<42} {value}" for what, value in describe(facts)))
        if failures:
            raise CanidsError("\n".join(failures))


@app.command()
def duplicates(
    words: Annotated[list[str], typer.Argument(metavar="DATASET... [KEY=VALUE]...", help="datasets, and settings")],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, one object a pair")] = False,
    config_folder: ConfigFolder = CONFIG_FOLDER,
) -> None:
    """Show which captures of one or several ingested datasets are one recording."""
    with clear_errors():
        from canids.catalogue.duplicates import duplicates_sentence, duplicates_table, find_duplicates

        overrides = [word for word in words if "=" in word]
        names = [word for word in words if "=" not in word]
        if not names:
            raise CanidsError("name one or more datasets, as in: canids duplicates set_01 set_02")
        found = find_duplicates([load_config(config_folder, [*overrides, f"dataset={name}"]) for name in names])
        if as_json:
            for pair in found:
                typer.echo(json.dumps(artifacts.jsonable(dataclasses.asdict(pair))))
            return
        if found:
            Console().print(duplicates_table(found))
        typer.echo(duplicates_sentence(found))


@app.command()
def synthesise(overrides: Overrides = None, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Attack copies of the attack-free training captures."""
    with clear_errors():
        from canids.simulate.synthesis import synthesise as synthesise_capture

        config = load_config(config_folder, overrides or [])
        for parquet, out, number in track(copies(config), "synthesise"):
            synthesise_capture(parquet, out, config.synthesis, number)


@app.command()
def graphs(overrides: Overrides = None, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Build the vehicle profiles and the graph stores."""
    with clear_errors():
        from canids.graphs.build import build_graphs

        config = load_config(config_folder, overrides or [])
        out, profiles = path_of(config, artifacts.GRAPHS), path_of(config, artifacts.PROFILES)
        build_graphs(
            parquets=frame_tables(config),
            train=list(config.dataset.train),
            graph=config.graph,
            out=out,
            profiles=profiles,
            threads=os.cpu_count() or 1,
            training_data=config.training_data,
            profile=list(config.dataset.profile),
        )
