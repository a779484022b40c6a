"""``canids``: every stage by hand, with the same functions, settings and files as the workflow's rules."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from omegaconf import DictConfig
from rich.console import Console

from canids import artifacts
from canids.catalogue import captures_of
from canids.config import TEMPLATE, known_datasets, load_config, settings_reference
from canids.errors import CanidsError
from canids.frames.frames import ATTACK_FREE
from canids.progress import log_to_console, track
from canids.training_data import uses

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
train_app = typer.Typer(help="Train a model.", no_args_is_help=True)
distill_app = typer.Typer(help="Distil a student from its trained teacher.", no_args_is_help=True)
app.add_typer(train_app, name="train")
app.add_typer(distill_app, name="distill")


class Scale(StrEnum):
    TEACHER = "teacher"
    STUDENT = "student"


class Form(StrEnum):
    TERMINAL = "terminal"
    MD = "md"
    LATEX = "latex"


class Measured(StrEnum):
    VGAE = "vgae"
    GAT = "gat"


Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="settings, as models.gat.lr=1e-3")
]
ConfigFolder = Annotated[Path, typer.Option(help="folder with config.yaml, datasets/ and models/")]
Seed = Annotated[int, typer.Option(min=0, help="training seed")]
ScaleOption = Annotated[Scale, typer.Option(help="teacher or student")]
CONFIG_FOLDER = Path("config")


@contextlib.contextmanager
def _clear_errors() -> Iterator[None]:
    """An error of the input ends in its message and exit code 2, a training that SIGTERM ended in 143."""
    log_to_console()
    try:
        yield
    except CanidsError as error:
        Console(stderr=True, soft_wrap=True).print(f"canids: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(error.exit_code) from None


def _path(config: DictConfig, pattern: str, **values: str | int) -> Path:
    return Path(pattern.format(results=config.results, dataset=config.dataset.name, **values))


def _model(config: DictConfig, seed: int, model: str, scale: str) -> Path:
    return _path(config, artifacts.MODEL, seed=seed, model=model, scale=scale)


def _copies(config: DictConfig) -> list[tuple[Path, Path, int]]:
    """(frame table, synthesised frame table, number) of each attacked copy that is to be trained on."""
    if not uses(config.training_data, "synthesised"):
        return []
    where = [
        {"scenario": capture.scenario, "capture": capture.name}
        for capture in captures_of(config)
        if capture.scenario in config.dataset.train and capture.attack_type == ATTACK_FREE
    ]
    return [
        (_path(config, artifacts.FRAMES, **each), _path(config, artifacts.SYNTHESISED, **each, number=number), number)
        for each in where
        for number in range(config.synthesis.copies)
    ]


def _fleet(config: DictConfig) -> list[tuple[int, Path]]:
    """(number, folder) of each part of the simulated fleet that is to be trained on."""
    from canids.simulate.fleet import fleet_parts, fleet_variant

    if not uses(config.training_data, "fleet"):
        return []
    fleet = fleet_variant(config.fleet, config.synthesis)
    return [(part, _path(config, artifacts.FLEET_PART, fleet=fleet, part=part)) for part in fleet_parts(config.fleet)]


def _recorded_tables(config: DictConfig) -> list[Path]:
    """The frame tables of all captures."""
    return [
        _path(config, artifacts.FRAMES, scenario=capture.scenario, capture=capture.name)
        for capture in captures_of(config)
    ]


def _frame_tables(config: DictConfig) -> list[Path]:
    """The frame tables of all captures, of the attacked copies and of the fleet."""
    from canids.simulate.fleet import fleet_tables

    fleet = [folder / name for part, folder in _fleet(config) for name in fleet_tables(config.fleet, part)]
    return _recorded_tables(config) + [out for _, out, _ in _copies(config)] + fleet


def _stores(config: DictConfig) -> list[Path]:
    scenarios = {capture.scenario for capture in captures_of(config)}
    parts = ["train", "val", *(s for s in config.dataset.test if s in scenarios)]
    return [_path(config, artifacts.GRAPHS) / f"{part}.safetensors" for part in parts]


def _evaluations(config: DictConfig) -> list[Path]:
    """The evaluation folders of every seed: of both scales, and of the baselines."""
    folders = [_path(config, artifacts.EVALUATION, seed=seed, scale=scale) for seed in config.seeds for scale in Scale]
    return folders + [_path(config, artifacts.BASELINES, seed=seed) for seed in config.seeds]


@app.command()
def simulate(overrides: Overrides = None, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Simulate the demo dataset's vehicles and attacks."""
    with _clear_errors():
        from canids.simulate.demo import simulate_demo

        config = load_config(config_folder, overrides or [])
        if not config.dataset.simulated:
            raise CanidsError(f"dataset {config.dataset.name} is not simulated; obtain it from {config.dataset.source}")
        simulate_demo(Path(config.dataset.folder), config.simulate.seed, config.simulate.seconds)


@app.command("simulate-fleet")
def simulate_fleet(overrides: Overrides = None, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Simulate the fleet of vehicles that is trained on (training_data=fleet), and attacks on copies of its drives."""
    with _clear_errors():
        from canids.simulate.fleet import simulate_part

        config = load_config(config_folder, overrides or [])
        parts = _fleet(config)
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
    with _clear_errors():
        from canids.frames.ingest import ingest as ingest_capture

        config = load_config(config_folder, overrides or [])
        spans = Path(config.dataset.attack_spans) if config.dataset.attack_spans else None
        for capture in track(captures_of(config), "ingest"):
            where = {"scenario": capture.scenario, "capture": capture.name}
            parquet, record = (_path(config, p, **where) for p in (artifacts.FRAMES, artifacts.INGEST_RECORD))
            ingest_capture(capture, parquet, record, spans, config.strict, config.dataset.reading)


@app.command()
def datasets(
    overrides: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, one object a dataset")] = False,
    config_folder: ConfigFolder = CONFIG_FOLDER,
) -> None:
    """List the known datasets: where to obtain them, and what of them is at hand (data_root=... says where)."""
    with _clear_errors():
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
    with _clear_errors():
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
    with _clear_errors():
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
    with _clear_errors():
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
    with _clear_errors():
        from canids.simulate.synthesis import synthesise as synthesise_capture

        config = load_config(config_folder, overrides or [])
        for parquet, out, number in track(_copies(config), "synthesise"):
            synthesise_capture(parquet, out, config.synthesis, number)


@app.command()
def graphs(overrides: Overrides = None, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Build the vehicle profiles and the graph stores."""
    with _clear_errors():
        from canids.graphs.build import build_graphs

        config = load_config(config_folder, overrides or [])
        out, profiles = _path(config, artifacts.GRAPHS), _path(config, artifacts.PROFILES)
        build_graphs(
            parquets=_frame_tables(config),
            train=list(config.dataset.train),
            graph=config.graph,
            out=out,
            profiles=profiles,
            threads=os.cpu_count() or 1,
            training_data=config.training_data,
            profile=list(config.dataset.profile),
        )


@app.command("batch-size")
def batch_size(
    model: Annotated[Measured, typer.Argument(help="model whose batches are measured")],
    overrides: Overrides = None,
    seed: Seed = 1,
    scale: ScaleOption = Scale.TEACHER,
    config_folder: ConfigFolder = CONFIG_FOLDER,
) -> None:
    """Measure how large a training's batches may be, for models.<model>.node_budget=auto."""
    with _clear_errors():
        from canids.training.size_batches import size_batches

        config = load_config(config_folder, overrides or [])
        out, settings = _model(config, seed, model, scale), config.models[model]
        guide = _model(config, seed, model if scale == Scale.STUDENT else "vgae", "teacher")
        graphs = _path(config, artifacts.GRAPHS)
        size_batches(model, scale, settings, config.trainer, config.batch_size, seed, graphs, out, guide)


@train_app.command("vgae")
def train_vgae(overrides: Overrides = None, seed: Seed = 1, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Train the teacher VGAE on attack-free windows."""
    with _clear_errors():
        from canids.training.modes import AutoencoderTrainer

        config = load_config(config_folder, overrides or [])
        out = _model(config, seed, "vgae", "teacher")
        graphs = _path(config, artifacts.GRAPHS)
        AutoencoderTrainer(config.models.vgae, config.trainer, seed, "teacher", graphs, out).train()


@train_app.command("gat")
def train_gat(overrides: Overrides = None, seed: Seed = 1, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Train the teacher GAT, by default on the VGAE-guided curriculum."""
    with _clear_errors():
        from canids.training.modes import gat_trainer

        config = load_config(config_folder, overrides or [])
        out, vgae = (_model(config, seed, model, "teacher") for model in ("gat", "vgae"))
        gat_trainer(config.models.gat, config.trainer, seed, _path(config, artifacts.GRAPHS), out, vgae).train()


@train_app.command("fusion")
def train_fusion(
    overrides: Overrides = None,
    seed: Seed = 1,
    scale: ScaleOption = Scale.STUDENT,
    config_folder: ConfigFolder = CONFIG_FOLDER,
) -> None:
    """Train the fusion agent on the fusion states."""
    with _clear_errors():
        from canids.training.modes import FusionTrainer

        config = load_config(config_folder, overrides or [])
        out = _model(config, seed, "fusion", scale)
        states, tracking = out / "states.safetensors", config.trainer.tracking
        FusionTrainer(config.fusion, seed, scale.value, states, out, tracking).train()


@distill_app.command("vgae")
def distill_vgae(overrides: Overrides = None, seed: Seed = 1, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Distil the student VGAE."""
    with _clear_errors():
        from canids.training.modes import VgaeDistillationTrainer

        config = load_config(config_folder, overrides or [])
        out, teacher = (_model(config, seed, "vgae", scale) for scale in ("student", "teacher"))
        graphs = _path(config, artifacts.GRAPHS)
        VgaeDistillationTrainer(config.models.vgae, config.trainer, seed, graphs, out, teacher).train()


@distill_app.command("gat")
def distill_gat(overrides: Overrides = None, seed: Seed = 1, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Distil the student GAT."""
    with _clear_errors():
        from canids.training.modes import GatDistillationTrainer

        config = load_config(config_folder, overrides or [])
        out, teacher = (_model(config, seed, "gat", scale) for scale in ("student", "teacher"))
        graphs = _path(config, artifacts.GRAPHS)
        GatDistillationTrainer(config.models.gat, config.trainer, seed, graphs, out, teacher).train()


@app.command("fusion-states")
def fusion_states(
    overrides: Overrides = None,
    seed: Seed = 1,
    scale: ScaleOption = Scale.STUDENT,
    config_folder: ConfigFolder = CONFIG_FOLDER,
) -> None:
    """Score every window with a scale's VGAE and GAT: what the fusion agent sees."""
    with _clear_errors():
        from canids.training.modes import write_fusion_states

        config = load_config(config_folder, overrides or [])
        vgae, gat, fusion = (_model(config, seed, model, scale) for model in ("vgae", "gat", "fusion"))
        false_alarms = config.calibration.false_alarms
        write_fusion_states(vgae, gat, _stores(config), false_alarms, fusion / "states.safetensors")


@app.command()
def evaluate(
    overrides: Overrides = None,
    seed: Seed = 1,
    scale: ScaleOption = Scale.STUDENT,
    config_folder: ConfigFolder = CONFIG_FOLDER,
) -> None:
    """Evaluate a scale's models on every test scenario, thresholds from validation."""
    with _clear_errors():
        from canids.evaluation.evaluate import evaluate as evaluate_scale

        config = load_config(config_folder, overrides or [])
        fusion = _model(config, seed, "fusion", scale)
        graphs = _path(config, artifacts.GRAPHS) / "graphs.json"
        out = _path(config, artifacts.EVALUATION, seed=seed, scale=scale)
        evaluate_scale(fusion / "states.safetensors", fusion, graphs, config.evaluation, out)


@app.command()
def baselines(overrides: Overrides = None, seed: Seed = 1, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Fit the baselines on the training windows, and evaluate them like the models."""
    with _clear_errors():
        from canids.evaluation.baselines.run import run_baselines

        config = load_config(config_folder, overrides or [])
        graphs = _path(config, artifacts.GRAPHS) / "graphs.json"
        out = _path(config, artifacts.BASELINES, seed=seed)
        false_alarms = config.calibration.false_alarms
        run_baselines(_stores(config), graphs, _frame_tables(config), config.evaluation, false_alarms, seed, out)


@app.command()
def explain(
    overrides: Overrides = None,
    seed: Seed = 1,
    scale: ScaleOption = Scale.STUDENT,
    config_folder: ConfigFolder = CONFIG_FOLDER,
) -> None:
    """Say which IDs and channels carried the alarms of a scale's fusion on the test captures."""
    with _clear_errors():
        from canids.evaluation.explain import explain as explain_scale

        config = load_config(config_folder, overrides or [])
        train, _, *tests = _stores(config)
        explain_scale(
            train=train,
            tests=tests,
            frames=_recorded_tables(config),
            evaluation=_path(config, artifacts.EVALUATION, seed=seed, scale=scale),
            graphs=_path(config, artifacts.GRAPHS) / "graphs.json",
            out=_path(config, artifacts.EXPLANATIONS, seed=seed, scale=scale),
        )


@app.command()
def summary(overrides: Overrides = None, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Write every evaluation into one table, and compare the fusion with everything else."""
    with _clear_errors():
        from canids.evaluation.summary import summarise

        config = load_config(config_folder, overrides or [])
        summarise(
            evaluations=_evaluations(config),
            graphs=_path(config, artifacts.GRAPHS) / "graphs.json",
            dataset=config.dataset.name,
            training_data=config.training_data,
            summary=_path(config, artifacts.SUMMARY),
            comparisons=_path(config, artifacts.COMPARISONS),
        )


@app.command()
def report(overrides: Overrides = None, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Write the dataset's report, and print where it lies."""
    with _clear_errors():
        from canids.report import write_report
        from canids.workflow import rule_graph

        config = load_config(config_folder, overrides or [])
        scales = [(seed, scale) for seed in config.seeds for scale in Scale]
        records = [
            _path(config, artifacts.INGEST_RECORD, scenario=capture.scenario, capture=capture.name)
            for capture in captures_of(config)
        ]
        out = _path(config, artifacts.REPORT)
        write_report(
            out=out,
            dataset=config.dataset,
            evaluations=_evaluations(config),
            comparisons=_path(config, artifacts.COMPARISONS),
            explanations=[
                _path(config, artifacts.EXPLANATIONS, seed=seed, scale=Scale.STUDENT) / "explanations.json"
                for seed in config.seeds
            ],
            models=[_model(config, seed, m, scale) for m in ("vgae", "gat", "fusion") for seed, scale in scales],
            records=records,
            graphs=_path(config, artifacts.GRAPHS) / "graphs.json",
            rule_graph=rule_graph(config_folder.parent / "Snakefile", overrides or []),
        )
        typer.echo(out)


@app.command()
def table(
    overrides: Overrides = None,
    form: Annotated[Form, typer.Option("--format", help="for the terminal, or for a paper")] = Form.TERMINAL,
    config_folder: ConfigFolder = CONFIG_FOLDER,
) -> None:
    """Print the results table; for the terminal, also where the report lies."""
    with _clear_errors():
        from canids.report import detection_table, paper_table, terminal_table

        config = load_config(config_folder, overrides or [])
        results = detection_table(_evaluations(config))
        if form == Form.TERMINAL:
            Console().print(terminal_table(results))
            typer.echo(f"report: {_path(config, artifacts.REPORT)}")
        else:
            typer.echo(paper_table(results, config.dataset.name, form))


@app.command()
def plan(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[TARGET] [KEY=VALUE]...", help="what to make (all), and settings")
    ] = None,
    config_folder: ConfigFolder = CONFIG_FOLDER,
) -> None:
    """Say what snakemake would run for a target, how long such jobs took before, and how many GPU hours that makes."""
    with _clear_errors():
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
    with _clear_errors():
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
    with _clear_errors():
        from canids.status import explain

        for what, value in explain(config_folder.parent / "Snakefile", overrides or [], target):
            typer.echo(f"{what:<10} {value}")


@app.command()
def settings() -> None:
    """List every setting with its default, what it may hold, and its meaning."""
    for key, default, allowed, meaning in settings_reference():
        typer.echo(f"{key} = {default}" + (f"  [{allowed}]" if allowed else "") + f"  {meaning}")


def main() -> None:
    """Entry point: usage errors and errors of the input end with exit code 2."""
    # As the workflow's jobs do: sums in another order end in other bits.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(app())
