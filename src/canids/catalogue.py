"""The captures of a configured dataset, whether they were obtained or are yet to be simulated."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from canids.frames.dataset import Capture, captures_on_disk, describe_captures
from canids.simulate.demo import demo_captures


def captures_of(config: DictConfig) -> list[Capture]:
    """The captures of the configured dataset.

    Raises:
        DatasetError: the dataset's folder or a scenario is missing, or a capture's vehicle is not told.
    """
    dataset = config.dataset
    if dataset.simulated:
        return describe_captures(dataset, [(key, Path(dataset.folder) / f"{key}.csv") for key in demo_captures()])
    return captures_on_disk(dataset)
