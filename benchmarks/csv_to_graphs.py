"""From CSV to graph store: frames per second, and how many times longer than polars takes to merely parse the file.

    python benchmarks/csv_to_graphs.py CAPTURE.csv [CAPTURE.csv ...]

Ratios are of runs that alternate, so that they hold when the machine's speed drifts.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
from omegaconf import OmegaConf

from canids.config import Graph
from canids.frames.dataset import Capture
from canids.frames.ingest import ingest
from canids.graphs.build import build_graphs

ROUNDS = 5


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def parse(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, schema_overrides={"arbitration_id": pl.String, "data_field": pl.String})


def stages(path: Path, folder: Path) -> tuple[Callable[[], None], Callable[[], None]]:
    """Ingest, and the graphs of the one capture."""
    parquet = folder / "train" / f"{path.stem}.parquet"
    capture = Capture("train", path.stem, path, "vehicle", "attack")
    graph = OmegaConf.structured(Graph)
    return (
        lambda: ingest(capture, parquet, parquet.with_suffix(".json"), None, False),
        lambda: build_graphs([parquet], ["train"], graph, folder / "graphs", folder / "profiles"),
    )


def main() -> None:
    for path in map(Path, sys.argv[1:]):
        with tempfile.TemporaryDirectory() as folder:
            read, build = stages(path, Path(folder))
            read(), build()  # compiles what is compiled
            times = [(seconds(lambda p=path: parse(p)), seconds(read), seconds(build)) for _ in range(ROUNDS)]
        frames = len(parse(path))
        parsing, reading, building = (statistics.median(column) for column in zip(*times, strict=True))
        ratio = statistics.median((r + b) / p for p, r, b in times)
        print(
            f"{path.name}: {frames:,} frames; polars.read_csv {frames / parsing / 1e6:.2f} M/s; "
            f"ingest {frames / reading / 1e6:.2f} M/s; graphs {frames / building / 1e6:.2f} M/s; "
            f"CSV to store {frames / (reading + building) / 1e6:.2f} M/s = {ratio:.1f} x polars.read_csv"
        )


if __name__ == "__main__":
    main()
