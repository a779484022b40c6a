"""The step that measures how large batches may be, before the training that uses them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from canids.artifacts import write_json
from canids.training.batch_optimizer import BatchSizeOptimizer
from canids.training.modes.choose import model_trainer
from canids.training.node_budget import batch_size_path


def size_batches(
    model: str,
    scale: str,
    settings: DictConfig,
    trainer: DictConfig,
    batch_size: DictConfig,
    seed: int,
    graphs: Path,
    out: Path,
    guide: Path | None,
) -> dict[str, Any]:
    """Measure the node budget of a training and write it to ``batch_size.json`` in the model's folder.

    Args:
        settings: ``models.<model>``. trainer: ``trainer``. batch_size: ``batch_size``. graphs: folder of the stores.
        out: model folder. guide: folder of the model that it learns from, if any.

    Raises:
        CanidsError: not even the smallest batch fits.
    """
    stores, _, prepared = model_trainer(model, scale, settings, trainer, seed, graphs, out, guide).prepare()
    found = BatchSizeOptimizer(batch_size, trainer).optimize_with_datamodule(prepared.module, prepared.data)
    largest = {
        "nodes": int(stores.train.nodes_per_window().max()),
        "edges": int(stores.train.edge_start.diff().max()),
    }
    record = {
        **asdict(found),
        "precision": trainer.precision,
        "teacher": str(guide) if scale == "student" else None,
        "window": largest,
        "settings": dict(batch_size),
    }
    write_json(batch_size_path(out), record)
    return record
