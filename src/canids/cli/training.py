"""From graph stores to models and fusion states."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from canids import artifacts
from canids.cli.app import (
    CONFIG_FOLDER,
    ConfigFolder,
    Overrides,
    Scale,
    ScaleOption,
    Seed,
    app,
    clear_errors,
    distill_app,
    train_app,
)
from canids.cli.places import model_folder, path_of, stores
from canids.config import load_config


class Measured(StrEnum):
    VGAE = "vgae"
    GAT = "gat"


@app.command("batch-size")
def batch_size(
    model: Annotated[Measured, typer.Argument(help="model whose batches are measured")],
    overrides: Overrides = None,
    seed: Seed = 1,
    scale: ScaleOption = Scale.TEACHER,
    config_folder: ConfigFolder = CONFIG_FOLDER,
) -> None:
    """Measure how large a training's batches may be, for models.<model>.node_budget=auto."""
    with clear_errors():
        from canids.training.size_batches import size_batches

        config = load_config(config_folder, overrides or [])
        out, settings = model_folder(config, seed, model, scale), config.models[model]
        guide = model_folder(config, seed, model if scale == Scale.STUDENT else "vgae", "teacher")
        graphs = path_of(config, artifacts.GRAPHS)
        size_batches(model, scale, settings, config.trainer, config.batch_size, seed, graphs, out, guide)


@train_app.command("vgae")
def train_vgae(overrides: Overrides = None, seed: Seed = 1, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Train the teacher VGAE on attack-free windows."""
    with clear_errors():
        from canids.training.modes import AutoencoderTrainer

        config = load_config(config_folder, overrides or [])
        out = model_folder(config, seed, "vgae", "teacher")
        graphs = path_of(config, artifacts.GRAPHS)
        AutoencoderTrainer(config.models.vgae, config.trainer, seed, "teacher", graphs, out).train()


@train_app.command("gat")
def train_gat(overrides: Overrides = None, seed: Seed = 1, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Train the teacher GAT, by default on the VGAE-guided curriculum."""
    with clear_errors():
        from canids.training.modes import gat_trainer

        config = load_config(config_folder, overrides or [])
        out, vgae = (model_folder(config, seed, model, "teacher") for model in ("gat", "vgae"))
        gat_trainer(config.models.gat, config.trainer, seed, path_of(config, artifacts.GRAPHS), out, vgae).train()


@train_app.command("fusion")
def train_fusion(
    overrides: Overrides = None,
    seed: Seed = 1,
    scale: ScaleOption = Scale.STUDENT,
    config_folder: ConfigFolder = CONFIG_FOLDER,
) -> None:
    """Train the fusion agent on the fusion states."""
    with clear_errors():
        from canids.training.modes import FusionTrainer

        config = load_config(config_folder, overrides or [])
        out = model_folder(config, seed, "fusion", scale)
        states, tracking = out / "states.safetensors", config.trainer.tracking
        FusionTrainer(config.fusion, seed, scale.value, states, out, tracking).train()


@distill_app.command("vgae")
def distill_vgae(overrides: Overrides = None, seed: Seed = 1, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Distil the student VGAE."""
    with clear_errors():
        from canids.training.modes import VgaeDistillationTrainer

        config = load_config(config_folder, overrides or [])
        out, teacher = (model_folder(config, seed, "vgae", scale) for scale in ("student", "teacher"))
        graphs = path_of(config, artifacts.GRAPHS)
        VgaeDistillationTrainer(config.models.vgae, config.trainer, seed, graphs, out, teacher).train()


@distill_app.command("gat")
def distill_gat(overrides: Overrides = None, seed: Seed = 1, config_folder: ConfigFolder = CONFIG_FOLDER) -> None:
    """Distil the student GAT."""
    with clear_errors():
        from canids.training.modes import GatDistillationTrainer

        config = load_config(config_folder, overrides or [])
        out, teacher = (model_folder(config, seed, "gat", scale) for scale in ("student", "teacher"))
        graphs = path_of(config, artifacts.GRAPHS)
        GatDistillationTrainer(config.models.gat, config.trainer, seed, graphs, out, teacher).train()


@app.command("fusion-states")
def fusion_states(
    overrides: Overrides = None,
    seed: Seed = 1,
    scale: ScaleOption = Scale.STUDENT,
    config_folder: ConfigFolder = CONFIG_FOLDER,
) -> None:
    """Calibrate a scale's VGAE and GAT, and score every window with them: what the fusion agent sees."""
    with clear_errors():
        from canids.training.modes import write_fusion_states

        config = load_config(config_folder, overrides or [])
        vgae, gat, fusion = (model_folder(config, seed, model, scale) for model in ("vgae", "gat", "fusion"))
        train, val, *tests = stores(config)
        write_fusion_states(vgae, gat, [train, val], tests, config.calibration.false_alarms, fusion)
