"""SIGTERM, which a scheduler sends before the time limit: training saves where it is, then ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from canids.errors import CanidsError


class Terminated(CanidsError):
    """A signal ended a training whose state is saved; the same command goes on from there."""

    exit_code = 128 + signal.SIGTERM


def terminated(where: str, saved: Path) -> Terminated:
    """The error that ends a training whose state is saved."""
    return Terminated(f"ended by SIGTERM {where}; saved to {saved}, the same command goes on from there")


class Termination:
    """Remembers that SIGTERM came, for as long as it is entered; what runs looks at ``asked`` where it can save.

    Attributes:
        then: called when it comes.
    """

    def __init__(self) -> None:
        self.asked = False
        self.then: Callable[[], None] | None = None
        self._before = signal.SIG_DFL

    def __enter__(self) -> Termination:
        self._before = signal.getsignal(signal.SIGTERM)
        self.listen()
        return self

    def listen(self) -> None:
        """Take the signal (again, where another handler was put in front)."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        if self.then:
            self.then()

    def __exit__(self, *_error: object) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._before)
