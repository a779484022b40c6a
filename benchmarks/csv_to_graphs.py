"""From CSV to graph store: frames per second, and how many times longer than polars takes to merely parse the files.

    python benchmarks/csv_to_graphs.py CAPTURE.csv [CAPTURE.csv ...]

As the workflow does it on two cores: captures are ingested two at a time, and their graphs built by two threads. Ratios
are of rounds in which both are measured, so that they hold when the machine's speed drifts. CPU is the time of all
cores together, which other work on the machine hardly changes.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import polars as pl
from omegaconf import OmegaConf

from canids.frames.dataset import Capture
from canids.frames.ingest import ingest
from canids.graphs.build import build_graphs
from canids.schema import Graph

ROUNDS, CORES = 7, 2


def parse(paths: list[Path]) -> int:
    """Frames that polars finds in the files."""
    strings = {"arbitration_id": pl.String, "data_field": pl.String}
    return sum(len(pl.read_csv(path, schema_overrides=strings)) for path in paths)


def ingest_one(path: Path, parquet: Path) -> float:
    """Ingest a capture; the CPU seconds that it took."""
    before = time.process_time()
    ingest(Capture("train", path.stem, path, "vehicle", "attack"), parquet, parquet.with_suffix(".json"), None, False)
    return time.process_time() - before


def seconds(work: Callable[[], float | None]) -> tuple[float, float]:
    """Wall and CPU seconds; work in other processes tells its own."""
    wall, cpu = time.perf_counter(), time.process_time()
    elsewhere = work() or 0.0
    return time.perf_counter() - wall, time.process_time() - cpu + elsewhere


def one_round(paths: list[Path], pool: ProcessPoolExecutor) -> tuple[float, float, float, float]:
    """Wall seconds of polars, ingest and graphs, and the CPU seconds of the last two together."""
    with tempfile.TemporaryDirectory() as name:  # of its own: nor does the workflow replace files
        folder = Path(name)
        parquets = [folder / "train" / f"{path.stem}.parquet" for path in paths]
        graph = OmegaConf.structured(Graph)
        parsed, _ = seconds(lambda: parse(paths) and None)
        read, read_cpu = seconds(lambda: sum(pool.map(ingest_one, paths, parquets)))
        built, built_cpu = seconds(
            lambda: build_graphs(parquets, ["train"], graph, folder / "graphs", folder / "profiles", CORES)
        )
    return parsed, read, built, read_cpu + built_cpu


def main() -> None:
    paths = [Path(name) for name in sys.argv[1:]]
    with ProcessPoolExecutor(CORES, get_context("spawn")) as pool:  # a fork would inherit polars' locks
        one_round(paths, pool)  # compiles what is compiled
        rounds = [one_round(paths, pool) for _ in range(ROUNDS)]
    frames = parse(paths)
    parsing, reading, building, cpu = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratios = [(r + b) / p for p, r, b, _ in rounds]
    print(
        f"{', '.join(path.name for path in paths)}: {frames:,} frames on {CORES} of {os.cpu_count()} cores\n"
        f"polars.read_csv {frames / parsing / 1e6:.2f} M/s, ingest {frames / reading / 1e6:.2f} M/s, "
        f"graphs {frames / building / 1e6:.2f} M/s\n"
        f"CSV to store {frames / (reading + building) / 1e6:.2f} M/s "
        f"({CORES * frames / cpu / 1e6:.2f} M/s if by CPU time), "
        f"{statistics.median(ratios):.1f} x polars.read_csv ({min(ratios):.1f} to {max(ratios):.1f})"
    )


if __name__ == "__main__":
    main()
