"""Attacks found, and how soon, by the fusion and by its CUSUM, at each false-alarm rate on validation windows.

    python benchmarks/evidence.py results/hcrl_sa
    python benchmarks/evidence.py results/hcrl_sa --scale teacher

Prints means over the seeds whose evaluation is there; a missed attack's delay is infinite.
"""

import argparse
from pathlib import Path

import numpy as np
import polars as pl

from canids.artifacts import read_json
from canids.evaluation.evidence import SUMMED, Delays, validation_delays
from canids.evaluation.thresholds import CUSUM

RATES = (8, 15, 30, 60)  # false alarms per hour


def at(rate: float, measured: Delays) -> tuple[float, float]:
    """Share of attacks found and median delay (s) at the least strict threshold with at most so many false alarms."""
    kept = np.flatnonzero(measured.curve.false_alarms_per_hour <= rate)
    return (measured.found[kept[-1]], measured.delay[kept[-1]]) if len(kept) else (0.0, np.inf)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="folder of a dataset's results")
    parser.add_argument("--scale", default="student", choices=("student", "teacher"))
    options = parser.parse_args()
    graphs = read_json(options.results / "graphs" / "graphs.json")
    files = sorted(options.results.glob(f"seed-*/evaluation-{options.scale}/scores.parquet"))
    measured = [validation_delays(pl.read_parquet(file), graphs, (SUMMED, CUSUM)) for file in files]
    print(f"{len(files)} seeds; false alarms per hour: attacks found, median of the median delays (s)")
    for rate in RATES:
        said = []
        for name in (SUMMED, CUSUM):
            found, delay = zip(*(at(rate, each[name]) for each in measured), strict=True)
            said.append(f"{name} {np.mean(found):.2f}, {np.median(delay):.2f} s")
        print(f"{rate:3d}: {'; '.join(said)}")


if __name__ == "__main__":
    main()
