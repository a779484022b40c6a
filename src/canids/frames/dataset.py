"""One capture of a dataset: a log file with its scenario, vehicle and attack type."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Capture:
    """One log file of a dataset; ``key`` is ``<scenario>/<name>``."""

    scenario: str
    name: str
    source: Path
    vehicle: str
    attack_type: str

    @property
    def key(self) -> str:
        return f"{self.scenario}/{self.name}"
