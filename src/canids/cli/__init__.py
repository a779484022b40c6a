"""``canids``: every stage by hand, with the same functions, settings and files as the workflow's rules."""

from __future__ import annotations

import os
import sys

from canids.cli import data, enrolment, results, training, workflow  # each adds its commands
from canids.cli.app import app

__all__ = ["app", "data", "enrolment", "main", "results", "training", "workflow"]


def main() -> None:
    """Entry point: usage errors and errors of the input end with exit code 2."""
    # As the workflow's jobs do: sums in another order end in other bits.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(app())
