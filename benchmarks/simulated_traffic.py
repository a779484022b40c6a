"""How like recorded traffic the simulated fleet's is: quantiles of what the features are made of, side by side.

    python benchmarks/simulated_traffic.py results/{hcrl_sa,set_04}/frames/train_01*/*.parquet

Give attack-free training captures only: what the simulator is set by may not be tested on.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from canids.frames.frames import Frames
from canids.frames.parquet import read_frames
from canids.graphs.readings import GRAPH_FEATURES, NODE_FEATURES, own_reading
from canids.graphs.windows import Cut, window_capture
from canids.simulate.fleet import simulate_drive
from canids.simulate.fleet_vehicle import make_fleet_vehicle
from canids.simulate.known_ids import known_ids

FEWEST = 20  # frames of an ID
WINDOW, WARMUP = 100, 25
TOO_FAST = 3.0  # asinh z
FAST_MAX_Z, SILENCE_IDS = NODE_FEATURES.index("fast_max_z"), GRAPH_FEATURES.index("silence_ids")
SECONDS = 20.0


def of_ids(frames: Frames) -> np.ndarray:
    """(ids, 4) MAD of ln interval, share of repeated payloads, mean bits changed, entropy summed over bytes (bits)."""
    rows = []
    for known in known_ids(frames):
        if len(known.index) <= FEWEST:
            continue
        payload = frames.payload[known.index]
        flips = np.unpackbits(payload[1:] ^ payload[:-1], axis=1).sum(axis=1)
        shares = [np.bincount(column, minlength=256) / len(payload) for column in payload.T]
        entropy = sum(-(p[p > 0] * np.log2(p[p > 0])).sum() for p in shares)
        rows.append((known.spread, (flips == 0).mean(), flips.mean(), entropy))
    return np.array(rows)


def simulated(vehicles: int) -> Iterable[Frames]:
    for number in range(vehicles):
        vehicle = make_fleet_vehicle(str(number), np.random.default_rng([0, number]))
        for drive in (1, 2):
            yield simulate_drive(vehicle, SECONDS, drive, np.random.default_rng([0, number, drive]))[0]


def summary(captures: Iterable[Frames]) -> dict[str, str]:
    rates, in_window, gaps, ids, too_fast, missing = [], [], [], [], [], []
    for frames in captures:
        rates.append(len(frames) / (frames.timestamp[-1] - frames.timestamp[0]))
        starts = range(0, min(len(frames), 20_000) - 100, 100)
        in_window += [len(np.unique(frames.arbitration_id[start : start + 100])) for start in starts]
        gaps.append(np.diff(frames.timestamp[:20_000]) * 1e3)
        ids.append(of_ids(frames))
        capture = window_capture(frames, Cut(WINDOW, WINDOW))
        reading = own_reading(capture, WARMUP)
        fastest = np.maximum.reduceat(reading.nodes[:, FAST_MAX_Z], capture.node_start[:-1])
        too_fast.append(100 * (fastest[WARMUP:] > TOO_FAST).mean())
        missing.append(100 * (reading.graphs[WARMUP:, SILENCE_IDS] == np.float32(np.log(2))).mean())
    spread, repeats, flips, entropy = np.concatenate(ids).T
    return {
        "frames/s (10, 50, 90 %)": quantiles(rates, 0),
        "IDs in a window of 100 frames (10, 50, 90 %)": quantiles(in_window, 0),
        "windows with an ID too fast for the capture's own profile, by capture (%; 25, 50, 75 %)": quantiles(
            too_fast, 1, (0.25, 0.5, 0.75)
        ),
        "windows in which one periodic ID alone is silent (mean, %)": f"{np.mean(missing):.1f}",
        "ms from frame to frame (10, 50, 90 %)": quantiles(np.concatenate(gaps), 2),
        "MAD of ln interval (10, 50, 90 %)": quantiles(spread, 4),
        "IDs that always / sometimes / never repeat their payload": " / ".join(
            f"{share.mean():.2f}" for share in (repeats == 1, (repeats > 0) & (repeats < 1), repeats == 0)
        ),
        "bits changed a frame, of IDs that mostly change (10, 50, 90 %)": quantiles(flips[repeats < 0.5], 1),
        "entropy of an ID's bytes, summed (bits; 25, 50, 75 %)": quantiles(entropy, 1, (0.25, 0.5, 0.75)),
    }


def quantiles(values, digits: int, at=(0.1, 0.5, 0.9)) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in np.quantile(values, at))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recorded", nargs="+", type=Path, help="frame tables of attack-free training captures")
    parser.add_argument("--vehicles", type=int, default=40)
    given = parser.parse_args()
    recorded = summary(read_frames(path)[0] for path in given.recorded)
    fleet = summary(simulated(given.vehicles))
    print("| | recorded | simulated |\n|---|---|---|")
    for name, value in recorded.items():
        print(f"| {name} | {value} | {fleet[name]} |")


if __name__ == "__main__":
    main()
