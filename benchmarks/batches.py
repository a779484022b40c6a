"""Batches of graphs: gathered from the store, against torch_geometric's DataLoader over the same graphs.

python benchmarks/batches.py STORE.safetensors
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import torch
from torch_geometric.loader import DataLoader

from canids.graphs.batches import gather
from canids.graphs.store import load_store

BATCH, ROUNDS = 256, 9


def graphs_per_second(batches: Iterable, graphs: int) -> float:
    started = time.perf_counter()
    for _ in batches:
        pass
    return graphs / (time.perf_counter() - started)


def main() -> None:
    store = load_store(Path(sys.argv[1]))
    windows = len(store)
    data = gather(store, torch.arange(windows)).to_data_list()  # and compiles what is compiled
    rates = []
    for _ in range(ROUNDS):
        order = torch.randperm(windows)
        ours = graphs_per_second((gather(store, each) for each in order.split(BATCH)), windows)
        theirs = graphs_per_second(DataLoader(data, batch_size=BATCH, shuffle=True), windows)
        rates.append((ours, theirs, ours / theirs))
    ours, theirs, ratio = (statistics.median(column) for column in zip(*rates, strict=True))
    least, most = (choose(each[2] for each in rates) for choose in (min, max))
    print(
        f"{windows:,} graphs, batches of {BATCH}: gather {ours:,.0f} graphs/s, DataLoader {theirs:,.0f} graphs/s, "
        f"ratio {ratio:.1f} ({least:.1f} to {most:.1f} in {ROUNDS} rounds)"
    )


if __name__ == "__main__":
    main()
