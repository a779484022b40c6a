"""Logging and progress: bars where a person looks on, plain lines where a file does."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
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


@contextmanager
def transfer(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """Where to report (bytes done, bytes in all or None): a bar on a terminal, at most ten log lines elsewhere."""
    if not sys.stderr.isatty():
        yield _TransferLog(what)
        return
    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _TransferLog:
    """A log line for each tenth of a transfer of known size."""

    def __init__(self, what: str) -> None:
        self.what, self.tenths = what, 0

    def __call__(self, done: int, total: int | None) -> None:
        if total and 10 * done // total > self.tenths:
            self.tenths = 10 * done // total
            logging.getLogger("canids").info("%s: %.1f of %.1f MB", self.what, done / 1e6, total / 1e6)


def _logged(items: Sequence[T], what: str) -> Iterator[T]:
    step = max(1, len(items) // 10)
    for number, item in enumerate(items, 1):
        yield item
        if number % step == 0 or number == len(items):
            logging.getLogger("canids").info("%s: %d of %d", what, number, len(items))
