"""Other datasets that the models of one are evaluated on: their configurations, and in which variants they lie."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from canids.artifacts import TESTED
from canids.config import load_config

ASKED = re.compile(r"/evaluation-(?:teacher|student)-on-([^/]+)/")
# Test windows are the same whatever is trained on; so no attacked copies and no fleet are made for them.
TRAINED_ON = "training_data=labelled"


@dataclass(frozen=True)
class OtherDatasets:
    """The variants that evaluations on other datasets take.

    Attributes:
        variants: folder beneath the results folder → configuration; of each dataset the default one first.
        folders: dataset → the variant that holds its test stores.
    """

    variants: dict[str, DictConfig]
    folders: dict[str, str]


def asked_for(targets: Sequence[str]) -> list[str]:
    """The datasets in the paths of evaluations that a workflow is asked for."""
    return [name for target in targets for name in ASKED.findall(target)]


def overrides_of_run(overrides: Sequence[str]) -> list[str]:
    """The overrides that are not of the configured dataset itself."""
    return [word for word in overrides if not word.startswith(("dataset=", "dataset."))]


def other_datasets(
    config_folder: Path, config: DictConfig, overrides: Sequence[str], others: Sequence[str]
) -> OtherDatasets:
    """What is evaluated on.

    Overrides hold for the other datasets too, except those of ``dataset`` itself. Their test stores lie apart from what
    the datasets' own models are trained on, unless both are made alike: evaluating on a dataset makes nothing of it
    stale.

    Args:
        config: the dataset whose models are evaluated; it may be among the others, and is then tested as it is.

    Raises:
        ConfigError: there is no such dataset.
    """
    found = OtherDatasets({}, {})
    kept = overrides_of_run(overrides)
    for name in dict.fromkeys(others):
        if name == config.dataset.name:
            found.folders[name] = name
            continue
        folder = TESTED.format(dataset=name)
        found.folders[name] = folder
        found.variants[name] = load_config(config_folder, [*kept, f"dataset={name}"])
        found.variants[folder] = load_config(config_folder, [*kept, f"dataset={name}", TRAINED_ON])
    return found
