"""Where the artifacts of a configuration lie: what the workflow's rules say in their paths."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from canids import artifacts
from canids.catalogue import captures_of
from canids.cli.app import Scale
from canids.frames.frames import ATTACK_FREE
from canids.training_data import uses


def path_of(config: DictConfig, pattern: str, **values: str | int) -> Path:
    return Path(pattern.format(results=config.results, dataset=config.dataset.name, **values))


def model_folder(config: DictConfig, seed: int, model: str, scale: str) -> Path:
    return path_of(config, artifacts.MODEL, seed=seed, model=model, scale=scale)


def copies(config: DictConfig) -> list[tuple[Path, Path, int]]:
    """(frame table, synthesised frame table, number) of each attacked copy that is to be trained on."""
    if not uses(config.training_data, "synthesised"):
        return []
    where = [
        {"scenario": capture.scenario, "capture": capture.name}
        for capture in captures_of(config)
        if capture.scenario in config.dataset.train and capture.attack_type == ATTACK_FREE
    ]
    return [
        (
            path_of(config, artifacts.FRAMES, **each),
            path_of(config, artifacts.SYNTHESISED, **each, number=number),
            number,
        )
        for each in where
        for number in range(config.synthesis.copies)
    ]


def fleet_parts_of(config: DictConfig) -> list[tuple[int, Path]]:
    """(number, folder) of each part of the simulated fleet that is to be trained on."""
    from canids.simulate.fleet import fleet_parts, fleet_variant

    if not uses(config.training_data, "fleet"):
        return []
    fleet = fleet_variant(config.fleet, config.synthesis)
    return [(part, path_of(config, artifacts.FLEET_PART, fleet=fleet, part=part)) for part in fleet_parts(config.fleet)]


def recorded_tables(config: DictConfig) -> list[Path]:
    """The frame tables of all captures."""
    return [
        path_of(config, artifacts.FRAMES, scenario=capture.scenario, capture=capture.name)
        for capture in captures_of(config)
    ]


def frame_tables(config: DictConfig) -> list[Path]:
    """The frame tables of all captures, of the attacked copies and of the fleet."""
    from canids.simulate.fleet import fleet_tables

    fleet = [folder / name for part, folder in fleet_parts_of(config) for name in fleet_tables(config.fleet, part)]
    return recorded_tables(config) + [out for _, out, _ in copies(config)] + fleet


def stores(config: DictConfig) -> list[Path]:
    scenarios = {capture.scenario for capture in captures_of(config)}
    parts = ["train", "val", *(s for s in config.dataset.test if s in scenarios)]
    return [path_of(config, artifacts.GRAPHS) / f"{part}.safetensors" for part in parts]


def fingerprints(config: DictConfig, dataset: str) -> dict[str, Path]:
    """Capture → where its fingerprint lies, in a folder beneath the results folder."""
    return {
        capture.key: Path(
            artifacts.FINGERPRINT.format(
                results=config.results, dataset=dataset, scenario=capture.scenario, capture=capture.name
            )
        )
        for capture in captures_of(config)
    }


def evaluations_on(config: DictConfig, other: str) -> list[Path]:
    """The folders of every seed's evaluations on another dataset, of both scales or of those that are there."""
    folders = [
        path_of(config, artifacts.EVALUATION_ON, seed=seed, scale=scale, other=other)
        for scale in Scale
        for seed in config.seeds
    ]
    scales = {folder.name for folder in folders if folder.is_dir()}
    return [folder for folder in folders if folder.name in scales]


def evaluations(config: DictConfig) -> list[Path]:
    """The evaluation folders of every seed: of both scales, and of the baselines."""
    folders = [
        path_of(config, artifacts.EVALUATION, seed=seed, scale=scale) for seed in config.seeds for scale in Scale
    ]
    return folders + [path_of(config, artifacts.BASELINES, seed=seed) for seed in config.seeds]
