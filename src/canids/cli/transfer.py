"""Trained models on another dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from canids import artifacts
from canids.cli.app import Scale
from canids.cli.places import fingerprints, path_of, stores
from canids.errors import CanidsError
from canids.other_datasets import other_datasets
from canids.variants import Variant, places


def evaluate_on_other(
    config_folder: Path, config: DictConfig, overrides: Sequence[str], seed: int, scale: Scale, other: str
) -> Path:
    """Evaluate a scale's models on another dataset; the folder that was written.

    Its graphs are those that the workflow makes to test on it.
    """
    from canids.evaluation.transfer import Side, evaluate_transfer

    found = other_datasets(config_folder, config, overrides, [other])
    variants = {config.dataset.name: config, **found.variants}
    folder, own = found.folders[other], config.dataset.name
    placed = places(Variant(name, each) for name, each in variants.items())
    theirs, graphs = variants[folder], artifacts.GRAPHS

    def side(name: str, variant: str) -> Side:
        where = Path(graphs.format(results=config.results, dataset=placed[variant]["graphs"]))
        return Side(name, where / "graphs.json", fingerprints(variants[variant], placed[variant]["frames"]))

    tests = side(other, folder)
    out = path_of(config, artifacts.EVALUATION_ON, seed=seed, scale=scale, other=other)
    evaluate_transfer(
        models=out.parent,
        scale=scale,
        trained=side(own, own),
        tested=tests,
        stores=[tests.graphs.parent / path.name for path in stores(theirs)[2:]],
        out=out,
    )
    return out


def evaluate_shipped(config: DictConfig, on: str | None) -> Path:
    """Evaluate the cascade that ships with canids on the configured dataset; the folder that was written.

    Raises:
        CanidsError: another dataset is named too.
    """
    from canids.evaluation.pretrained import evaluate_pretrained

    refuse_other_dataset(on)
    out = path_of(config, artifacts.EVALUATION_PRETRAINED)
    graphs = path_of(config, artifacts.GRAPHS) / "graphs.json"
    evaluate_pretrained(stores(config)[2:], graphs, config.dataset.name, out)
    return out


def refuse_other_dataset(on: str | None) -> None:
    """Refuse to look for the shipped cascade's evaluation of one dataset among another's.

    Raises:
        CanidsError: another dataset is named.
    """
    if on is not None:
        raise CanidsError(f"--on: given {on}, and --model pretrained evaluates on the dataset itself; use dataset={on}")
