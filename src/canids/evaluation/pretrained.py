"""The cascade that ships inside the package: student models trained on simulated vehicles alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from canids.artifacts import atomic_path, read_json, write_json
from canids.errors import ArtifactError
from canids.evaluation.cascade import load_cascade
from canids.evaluation.transfer import check_windows, evaluate_on
from canids.shipped import FILES, PRETRAINED, RECORD, SCALE, SHIPPED

LARGEST_BYTES = 2**20


def ship(folders: dict[str, Path], graphs: Path, made_with: dict[str, Any], out: Path) -> None:
    """Copy a trained cascade to where it is shipped, and write ``pretrained.json`` beside it.

    Args:
        folders: part (``shipped.PARTS``) → its trained folder.
        graphs: ``graphs.json``, for how windows are cut and read.
        made_with: what else ``pretrained.json`` is to say. out: folder to write.

    Raises:
        ArtifactError, CheckpointError: a part is missing, does not fit, or all are more than 1 MiB.
    """
    sources = {place: folders[part] / name for (part, name), place in FILES.items()}
    for source in sources.values():
        if not source.is_file():
            raise ArtifactError(f"{source}: there is no such file; run the stage that makes it")
    size = sum(source.stat().st_size for source in sources.values())
    if size > LARGEST_BYTES:
        raise ArtifactError(f"{out}: not written, the cascade has {size} bytes, allowed: at most {LARGEST_BYTES}")
    for place, source in sources.items():
        with atomic_path(out / place) as beside:
            beside.write_bytes(source.read_bytes())
    write_json(out / RECORD, {**made_with, "bytes": size, "graph": read_json(graphs)["settings"]})
    load_cascade(out, SCALE)


def evaluate_pretrained(
    stores: Sequence[Path], graphs: Path, dataset: str, out: Path, shipped: Path = SHIPPED
) -> dict[str, Any]:
    """Score a dataset's test windows with the shipped cascade; write ``metrics.json`` and ``scores.parquet``.

    Args:
        stores: test stores of the dataset. graphs: its ``graphs.json``. dataset: its name. out: folder to write.
        shipped: folder of the cascade.

    Raises:
        ArtifactError, CheckpointError: nothing is shipped, or an input is missing.
        DatasetError: the graphs were made with other settings than the cascade was trained with.
    """
    if not (shipped / RECORD).is_file():
        raise ArtifactError(f"{shipped}: no trained models are there; make them with snakemake {PRETRAINED}")
    check_windows(read_json(shipped / RECORD)["graph"], read_json(graphs)["settings"], graphs)
    described = {"trained_on": PRETRAINED, "tested_on": dataset}
    return evaluate_on(load_cascade(shipped, SCALE), described, stores, graphs, out)
