"""Memory and speed of ingest as a CSV grows: 1, 4 and 16 times a capture, repeated with its times shifted.

    python benchmarks/ingest_scaling.py CAPTURE.csv [LARGEST]

LARGEST, in million frames, is the size at 16 x (default 16.6). Each size is ingested in a process of its own, so that
its peak resident memory is its own; ratios are to the smallest.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from canids.frames.dataset import Capture
from canids.frames.ingest import ingest

FACTORS = (1, 4, 16)


def repeated(capture: pl.DataFrame, frames: int, out: Path) -> None:
    """Write the capture over and over, each time later, up to so many frames."""
    pause = 0.001
    span = capture["timestamp"].max() - capture["timestamp"].min() + pause
    with out.open("wb") as file:
        for copy, first in enumerate(range(0, frames, len(capture))):
            shifted = capture.head(frames - first).with_columns(pl.col("timestamp") + copy * span)
            shifted.write_csv(file, include_header=copy == 0, float_precision=6)


def measured(path: Path, folder: Path, answer: multiprocessing.Queue) -> None:
    """Seconds and peak bytes of one ingest."""
    parquet = folder / f"{path.stem}.parquet"
    started = time.perf_counter()
    ingest(Capture("train", path.stem, path, "vehicle", "attack"), parquet, parquet.with_suffix(".json"), None, False)
    answer.put((time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))


def main() -> None:
    largest = float(sys.argv[2]) * 1e6 if len(sys.argv) > 2 else 16.6e6
    strings = {"arbitration_id": pl.String, "data_field": pl.String}
    capture = pl.read_csv(sys.argv[1], schema_overrides=strings)
    spawn = multiprocessing.get_context("spawn")
    smallest = None
    with tempfile.TemporaryDirectory() as name:
        for factor in FACTORS:
            frames = round(largest * factor / FACTORS[-1])
            path = Path(name) / f"times-{factor}.csv"
            repeated(capture, frames, path)
            answer = spawn.Queue()
            process = spawn.Process(target=measured, args=(path, Path(name), answer))
            process.start()
            seconds, peak = answer.get()
            process.join()
            rate = frames / seconds
            smallest = smallest or rate
            print(
                f"{factor:>2} x: {frames / 1e6:6.2f} M frames, {path.stat().st_size / 1e6:5.0f} MB, {seconds:5.1f} s, "
                f"{rate / 1e6:.2f} M/s ({rate / smallest:.2f} of 1 x), peak {peak / 2**30:.2f} GiB"
            )
            path.unlink()


if __name__ == "__main__":
    main()
