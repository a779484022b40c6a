"""From scores to tables and the report."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from omegaconf import DictConfig
from rich.console import Console

from canids import artifacts
from canids.catalogue import captures_of
from canids.cli.app import CONFIG_FOLDER, ConfigFolder, Overrides, Scale, ScaleOption, Seed, app, clear_errors
from canids.cli.enrolment import evaluate_enrolled_vehicle
from canids.cli.places import evaluations, evaluations_on, frame_tables, model_folder, path_of, recorded_tables, stores
from canids.cli.transfer import evaluate_on_other, evaluate_shipped, refuse_other_dataset
from canids.config import load_config
from canids.errors import CanidsError


class Form(StrEnum):
    TERMINAL = "terminal"
    MD = "md"
    LATEX = "latex"


class Models(StrEnum):
    TRAINED = "trained"
    PRETRAINED = "pretrained"


@app.command()
def evaluate(
    overrides: Overrides = None,
    seed: Seed = 1,
    scale: ScaleOption = Scale.STUDENT,
    on: Annotated[
        str | None, typer.Option(metavar="DATASET", help="another dataset to test on, once its graphs are made")
    ] = None,
    model: Annotated[
        Models, typer.Option(help="the dataset's own models, or those that ship with canids, trained on no dataset")
    ] = Models.TRAINED,
    enrolled: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="what canids enroll wrote: test its vehicle's captures alone")
    ] = None,
    config_folder: ConfigFolder = CONFIG_FOLDER,
) -> None:
    """Evaluate a scale's models on every test scenario, thresholds from validation."""
    with clear_errors():
        from canids.evaluation.evaluate import evaluate as evaluate_scale

        config = load_config(config_folder, overrides or [])
        if enrolled is not None:
            shipped = model == Models.PRETRAINED
            typer.echo(evaluate_enrolled_vehicle(config, enrolled, None if shipped else seed, scale, on))
            return
        if model == Models.PRETRAINED:
            typer.echo(evaluate_shipped(config, on))
            return
        if on is not None:
            typer.echo(evaluate_on_other(config_folder, config, overrides or [], seed, scale, on))
            return
        fusion = model_folder(config, seed, "fusion", scale)
        graphs = path_of(config, artifacts.GRAPHS) / "graphs.json"
        out = path_of(config, artifacts.EVALUATION, seed=seed, scale=scale)
        evaluate_scale(fusion / "states.safetensors", fusion, graphs, config.evaluation, out)


@app.command()
def baselines(overrides: Overrides = None, seed: Seed = 1, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Fit the baselines on the training windows, and evaluate them like the models."""
    with clear_errors():
        from canids.evaluation.baselines.run import run_baselines

        config = load_config(config_folder, overrides or [])
        graphs = path_of(config, artifacts.GRAPHS) / "graphs.json"
        out = path_of(config, artifacts.BASELINES, seed=seed)
        false_alarms = config.calibration.false_alarms
        run_baselines(stores(config), graphs, frame_tables(config), config.evaluation, false_alarms, seed, out)


@app.command()
def explain(
    overrides: Overrides = None,
    seed: Seed = 1,
    scale: ScaleOption = Scale.STUDENT,
    config_folder: ConfigFolder = CONFIG_FOLDER,
) -> None:
    """Say which IDs and channels carried the alarms of a scale's fusion on the test captures."""
    with clear_errors():
        from canids.evaluation.explain import explain as explain_scale

        config = load_config(config_folder, overrides or [])
        train, _, *tests = stores(config)
        explain_scale(
            train=train,
            tests=tests,
            frames=recorded_tables(config),
            evaluation=path_of(config, artifacts.EVALUATION, seed=seed, scale=scale),
            graphs=path_of(config, artifacts.GRAPHS) / "graphs.json",
            profiles=path_of(config, artifacts.PROFILES),
            out=path_of(config, artifacts.EXPLANATIONS, seed=seed, scale=scale),
        )


@app.command()
def summary(overrides: Overrides = None, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Write every evaluation into one table, and compare the fusion with everything else."""
    with clear_errors():
        from canids.evaluation.summary import summarise

        config = load_config(config_folder, overrides or [])
        summarise(
            evaluations=evaluations(config),
            graphs=path_of(config, artifacts.GRAPHS) / "graphs.json",
            dataset=config.dataset.name,
            training_data=config.training_data,
            summary=path_of(config, artifacts.SUMMARY),
            comparisons=path_of(config, artifacts.COMPARISONS),
        )


@app.command()
def report(overrides: Overrides = None, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Write the dataset's report, and print where it lies."""
    with clear_errors():
        from canids.report import write_report
        from canids.workflow import rule_graph

        config = load_config(config_folder, overrides or [])
        scales = [(seed, scale) for seed in config.seeds for scale in Scale]
        records = [
            path_of(config, artifacts.INGEST_RECORD, scenario=capture.scenario, capture=capture.name)
            for capture in captures_of(config)
        ]
        out = path_of(config, artifacts.REPORT)
        write_report(
            out=out,
            dataset=config.dataset,
            evaluations=evaluations(config),
            comparisons=path_of(config, artifacts.COMPARISONS),
            explanations=[
                path_of(config, artifacts.EXPLANATIONS, seed=seed, scale=Scale.STUDENT) / "explanations.json"
                for seed in config.seeds
            ],
            models=[model_folder(config, seed, m, scale) for m in ("vgae", "gat", "fusion") for seed, scale in scales],
            records=records,
            graphs=path_of(config, artifacts.GRAPHS) / "graphs.json",
            rule_graph=rule_graph(config_folder.parent / "Snakefile", overrides or []),
        )
        typer.echo(out)


@app.command()
def table(
    overrides: Overrides = None,
    form: Annotated[Form, typer.Option("--format", help="for the terminal, or for a paper")] = Form.TERMINAL,
    on: Annotated[
        str | None, typer.Option(metavar="DATASET", help="of the models' evaluations on another dataset")
    ] = None,
    model: Annotated[
        Models, typer.Option(help="of the dataset's own models, or of those that ship with canids")
    ] = Models.TRAINED,
    config_folder: ConfigFolder = CONFIG_FOLDER,
) -> None:
    """Print the results table; for the terminal, also where the report lies."""
    with clear_errors():
        from canids.report import detection_table, paper_table, terminal_table

        config = load_config(config_folder, overrides or [])
        results = detection_table(_evaluations(config, on, model))
        if form != Form.TERMINAL:
            typer.echo(paper_table(results, on or config.dataset.name, form))
            return
        Console().print(terminal_table(results))
        if on is None and model == Models.TRAINED:
            typer.echo(f"report: {path_of(config, artifacts.REPORT)}")


def _evaluations(config: DictConfig, on: str | None, model: Models) -> list[Path]:
    """The evaluations that a table is to show.

    Raises:
        CanidsError: the shipped models are asked for, and another dataset too; or they have not been evaluated.
    """
    if model == Models.PRETRAINED:
        refuse_other_dataset(on)
        folder = path_of(config, artifacts.EVALUATION_PRETRAINED)
        if not folder.is_dir():
            raise CanidsError(f"{folder}: there is no such folder; canids evaluate --model pretrained makes it")
        return [folder]
    return evaluations(config) if on is None else evaluations_on(config, on)
