"""What the workflow would do and has done, and what it can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from canids.cli.app import CONFIG_FOLDER, ConfigFolder, Overrides, app, clear_errors
from canids.config import settings_reference
from canids.errors import CanidsError


@app.command()
def plan(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[TARGET] [KEY=VALUE]...", help="what to make (all), and settings")
    ] = None,
    config_folder: ConfigFolder = CONFIG_FOLDER,
) -> None:
    """Say what snakemake would run for a target, how long such jobs took before, and how many GPU hours that makes."""
    with clear_errors():
        from canids.plan import plan_lines, planned_jobs

        overrides = [word for word in words or [] if "=" in word]
        targets = [word for word in words or [] if "=" not in word] or ["all"]
        if len(targets) > 1:
            raise CanidsError(f"name one target, as in: canids plan sweep experiment=seeds; given {', '.join(targets)}")
        for line in plan_lines(planned_jobs(config_folder.parent / "Snakefile", overrides, targets[0])):
            typer.echo(line)


@app.command()
def features() -> None:
    """Describe every feature of nodes, edges and windows, as a page of Markdown."""
    from canids.graphs.features import feature_table

    typer.echo(feature_table(), nl=False)


@app.command()
def status(overrides: Overrides = None, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Say which stages are done, stale (and why), running, failed or missing, and where their logs lie."""
    with clear_errors():
        from canids.status import job_statuses, status_lines

        for line in status_lines(job_statuses(config_folder.parent / "Snakefile", overrides or [])):
            typer.echo(line)


@app.command()
def why(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="a file of the results folder")],
    overrides: Overrides = None,
    config_folder: ConfigFolder = CONFIG_FOLDER,
) -> None:
    """Say what made a file: rule, times, inputs, parameters, digest of the code; and whether it would be made again."""
    with clear_errors():
        from canids.status import explain

        for what, value in explain(config_folder.parent / "Snakefile", overrides or [], target):
            typer.echo(f"{what:<10} {value}")


@app.command()
def settings() -> None:
    """List every setting with its default, what it may hold, and its meaning."""
    for key, default, allowed, meaning in settings_reference():
        typer.echo(f"{key} = {default}" + (f"  [{allowed}]" if allowed else "") + f"  {meaning}")
