"""F1 figures that others published, for reference: their protocols, their splits, their windows."""

from __future__ import annotations

from dataclasses import dataclass

CASCADE = "frenken-lab/kd-gat-paper, data/csv/test_results.csv"
COLLECTED = "collected from publications on these datasets, not checked against them"


@dataclass(frozen=True)
class Published:
    """An F1 that others report.

    Attributes:
        dataset: its name here, or the published one of a dataset that is not at hand.
        what: scenario or setting. source: where the figure stands.
    """

    dataset: str
    what: str
    f1: float
    source: str


FIGURES = (
    Published("hcrl_sa", "test_01_known_vehicle_known_attack", 0.9990, CASCADE),
    Published("hcrl_sa", "test_02_unknown_vehicle_known_attack", 0.5767, CASCADE),
    Published("hcrl_sa", "test_03_known_vehicle_unknown_attack", 0.6963, CASCADE),
    Published("hcrl_sa", "test_04_unknown_vehicle_unknown_attack", 0.5627, CASCADE),
    Published("hcrl_sa", "best for an unknown vehicle and a known attack", 0.781, COLLECTED),
    Published("hcrl_sa", "survival analysis dataset, known vehicle and attack", 0.9996, COLLECTED),
    Published("set_01", "known vehicle and attack", 0.8986, COLLECTED),
    Published("set_02", "known vehicle and attack", 0.7967, COLLECTED),
    Published("set_03", "known vehicle and attack", 0.9510, COLLECTED),
    Published("set_04", "known vehicle and attack", 0.9199, COLLECTED),
    Published("Car-Hacking", "known vehicle and attack, best", 0.9997, COLLECTED),
    Published("Car-Hacking", "known vehicle and attack, second best", 0.9989, COLLECTED),
)
