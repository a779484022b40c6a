"""Logging and progress: bars where a person looks on, plain lines where a file does."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import track as rich_track

T = TypeVar("T")


def log_to_console() -> None:
    """Send the package's log lines to stderr: coloured on a terminal, dated plain lines elsewhere."""
    if sys.stderr.isatty():
        handler = RichHandler(console=Console(stderr=True), show_path=False)
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    package = logging.getLogger("canids")
    package.handlers = [handler]
    package.setLevel(logging.INFO)
    package.propagate = False


def track(items: Sequence[T], what: str) -> Iterable[T]:
    """Iterate over items with a progress bar on a terminal, or with at most ten log lines elsewhere."""
    if sys.stderr.isatty():
        return rich_track(items, what, console=Console(stderr=True), transient=True)
    return _logged(items, what)


def _logged(items: Sequence[T], what: str) -> Iterator[T]:
    step = max(1, len(items) // 10)
    for number, item in enumerate(items, 1):
        yield item
        if number % step == 0 or number == len(items):
            logging.getLogger("canids").info("%s: %d of %d", what, number, len(items))
