"""Variants of a workflow's settings, and where each has its artifacts: what is made alike is made once.

A variant's artifact lies in the folder of the first variant that makes it alike: that reads the same settings for it
and for everything before it. The default variants come first, so what an experiment leaves as it is lies where it
always lies.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from omegaconf import DictConfig

from canids.artifacts import jsonable
from canids.catalogue import captures_of
from canids.config import section
from canids.frames.dataset import Capture
from canids.sampling_strategies import needs_vgae
from canids.simulate.fleet import fleet_variant
from canids.training_data import uses

SCALES = ("teacher", "student")
# What of a dataset's settings tells which captures to take, and not how one is read; and what merely describes it.
CHOICE = ("captures", "train", "profile", "test")
DESCRIPTION = ("title", "source", "licence", "obtain", "files", "optional", "expected")


@dataclass(frozen=True)
class Variant:
    """A resolved configuration.

    Attributes:
        folder: of its artifacts, beneath the results folder: ``demo``, ``demo/experiments/ablation/no-curriculum``.
    """

    folder: str
    config: DictConfig

    @cached_property
    def captures(self) -> dict[str, Capture]:
        """Its captures by ``<scenario>/<name>``."""
        return {capture.key: capture for capture in captures_of(self.config)}

    @cached_property
    def test_scenarios(self) -> tuple[str, ...]:
        """The test scenarios of which there is a capture."""
        there = {capture.scenario for capture in self.captures.values()}
        return tuple(scenario for scenario in self.config.dataset.test if scenario in there)


@dataclass(frozen=True)
class Artifact:
    """What an artifact depends on.

    Attributes:
        params: the settings that its rule reads, as the rule's ``params``.
        after: the artifacts that it is made of.
        inputs: what else tells which files it is made of.
    """

    params: Callable[[DictConfig], dict[str, Any]]
    after: Callable[[DictConfig], Iterable[str]] = lambda config: ()
    inputs: Callable[[Variant], Any] = lambda variant: None


def _section(config: DictConfig, key: str) -> Any:
    return section(config, key)[key]


def _model(config: DictConfig, model: str, *unused: str) -> dict[str, Any]:
    """The settings of a model, less those parts that its training does not read."""
    settings = _section(config, f"models.{model}")
    return {
        "settings": {name: value for name, value in settings.items() if name not in unused},
        "trainer": _section(config, "trainer"),
    }


def _teacher_gat(config: DictConfig) -> dict[str, Any]:
    """Of the sampling strategies' settings, those of the chosen one alone."""
    strategies = ("focal", "undersampling", "curriculum")
    others = [name for name in strategies if not config.models.gat.sampling.startswith(name)]
    return _model(config, "gat", "student", "distillation", *others)


def _student_gat(config: DictConfig) -> dict[str, Any]:
    return _model(config, "gat", "teacher", "sampling", "focal", "undersampling", "curriculum")


def batch_settings(config: DictConfig, model: str, scale: str) -> dict[str, Any]:
    """What is read to measure how large a training's batches may be."""
    other = "teacher" if scale == "student" else "student"
    return {**_model(config, model, other), "batch_size": _section(config, "batch_size")}


def _batches(model: str, scale: str) -> Callable[[Variant], Any]:
    """What the size of a training's batches rests on, where it is measured: it lies in the model's folder."""

    def inputs(variant: Variant) -> dict[str, Any] | None:
        measured = variant.config.models[model].node_budget == "auto"
        return batch_settings(variant.config, model, scale) if measured else None

    return inputs


def _reading(variant: Variant) -> dict[str, Any]:
    dataset = _section(variant.config, "dataset")
    return {name: value for name, value in dataset.items() if name not in (*CHOICE, *DESCRIPTION)}


def _graphed(variant: Variant) -> dict[str, Any]:
    copies = variant.config.synthesis.copies if synthesises(variant.config) else 0
    return {
        "captures": list(variant.captures),
        "test": variant.test_scenarios,
        "copies": copies,
        "fleet": fleet_of(variant.config) if trains_on_fleet(variant.config) else None,
    }


def _attacks(config: DictConfig) -> dict[str, Any]:
    """The settings of the synthesised attacks themselves: more copies change none of them."""
    return {name: value for name, value in _section(config, "synthesis").items() if name != "copies"}


def synthesises(config: DictConfig) -> bool:
    """Whether attacks synthesised on attack-free captures are trained on."""
    return uses(config.training_data, "synthesised")


def trains_on_fleet(config: DictConfig) -> bool:
    """Whether a simulated fleet is trained on."""
    return uses(config.training_data, "fleet")


def fleet_of(config: DictConfig) -> str:
    """Name of the fleet that some settings describe: of its folder, which every variant with the same fleet shares."""
    return fleet_variant(config.fleet, config.synthesis)


def fleet_settings(config: DictConfig) -> dict[str, Any]:
    """What is read to simulate a fleet."""
    return {"fleet": _section(config, "fleet"), "synthesis": _attacks(config)}


ARTIFACTS = {
    "frames": Artifact(
        params=lambda c: {"strict": c.strict, "reading": _section(c, "dataset.reading")},
        inputs=_reading,
    ),
    "synthesised": Artifact(
        params=lambda c: {"settings": _attacks(c)},
        after=lambda c: ["frames"],
    ),
    "graphs": Artifact(
        params=lambda c: {
            "train": list(c.dataset.train),
            "profile": list(c.dataset.profile),
            "training_data": c.training_data,
            "settings": section(c, "graph"),
        },
        after=lambda c: ["frames", *(["synthesised"] if synthesises(c) else [])],
        inputs=_graphed,
    ),
    "vgae-teacher": Artifact(
        params=lambda c: _model(c, "vgae", "student", "distillation"),
        inputs=_batches("vgae", "teacher"),
        after=lambda c: ["graphs"],
    ),
    "vgae-student": Artifact(
        params=lambda c: _model(c, "vgae", "teacher"),
        inputs=_batches("vgae", "student"),
        after=lambda c: ["graphs", "vgae-teacher"],
    ),
    "gat-teacher": Artifact(
        params=_teacher_gat,
        inputs=_batches("gat", "teacher"),
        after=lambda c: ["graphs", *(["vgae-teacher"] if needs_vgae(c.models.gat.sampling) else [])],
    ),
    "gat-student": Artifact(
        params=_student_gat,
        inputs=_batches("gat", "student"),
        after=lambda c: ["graphs", "gat-teacher"],
    ),
    "baselines": Artifact(
        params=lambda c: {"settings": _section(c, "evaluation"), "false_alarms": c.calibration.false_alarms},
        after=lambda c: ["graphs"],
    ),
}
for _scale in SCALES:
    ARTIFACTS |= {
        f"states-{_scale}": Artifact(
            params=lambda c: {"false_alarms": c.calibration.false_alarms},
            after=lambda c, scale=_scale: ["graphs", f"vgae-{scale}", f"gat-{scale}"],
        ),
        f"fusion-{_scale}": Artifact(
            params=lambda c: {"settings": _section(c, "fusion"), "tracking": _section(c, "trainer.tracking")},
            after=lambda c, scale=_scale: [f"states-{scale}"],
        ),
        f"evaluation-{_scale}": Artifact(
            params=lambda c: {"settings": _section(c, "evaluation")},
            after=lambda c, scale=_scale: ["graphs", f"states-{scale}", f"fusion-{scale}"],
        ),
    }


def places(variants: Iterable[Variant]) -> dict[str, dict[str, str]]:
    """Variant's folder → artifact → the folder in which the variant has it.

    Args:
        variants: the default ones first.
    """
    first: dict[tuple[str, str], str] = {}
    placed: dict[str, dict[str, str]] = {}
    for variant in variants:
        placed[variant.folder] = {
            name: first.setdefault((name, digest), variant.folder) for name, digest in _digests(variant)
        }
    return placed


def _digests(variant: Variant) -> Iterator[tuple[str, str]]:
    """Of each artifact, the digest of all that it depends on."""
    digests: dict[str, str] = {}
    for name, artifact in ARTIFACTS.items():  # each after those that it is made of
        content = {
            "params": artifact.params(variant.config),
            "inputs": artifact.inputs(variant),
            "after": {each: digests[each] for each in artifact.after(variant.config)},
        }
        digests[name] = hashlib.sha256(json.dumps(jsonable(content), sort_keys=True).encode()).hexdigest()
        yield name, digests[name]
