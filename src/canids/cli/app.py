"""The application, its options, and how errors end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from canids.errors import CanidsError
from canids.progress import log_to_console

app = typer.Typer(
    help="Every stage by hand, with the same functions, settings and files as the workflow's rules.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
train_app = typer.Typer(help="Train a model.", no_args_is_help=True)
distill_app = typer.Typer(help="Distil a student from its trained teacher.", no_args_is_help=True)
app.add_typer(train_app, name="train")
app.add_typer(distill_app, name="distill")


class Scale(StrEnum):
    TEACHER = "teacher"
    STUDENT = "student"


Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="settings, as models.gat.lr=1e-3")
]
ConfigFolder = Annotated[Path, typer.Option(help="folder with config.yaml, datasets/ and models/")]
Seed = Annotated[int, typer.Option(min=0, help="training seed")]
ScaleOption = Annotated[Scale, typer.Option(help="teacher or student")]
CONFIG_FOLDER = Path("config")


@contextlib.contextmanager
def clear_errors() -> Iterator[None]:
    """An error of the input ends in its message and exit code 2, a training that SIGTERM ended in 143."""
    log_to_console()
    try:
        yield
    except CanidsError as error:
        Console(stderr=True, soft_wrap=True).print(f"canids: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(error.exit_code) from None
