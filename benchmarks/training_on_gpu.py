"""Training on a CUDA device: graphs per second, use of the GPU and peak memory, against a plain torch_geometric loop.

    python benchmarks/training_on_gpu.py GRAPHS_FOLDER [--windows 10000] [--budgets 2048 32768] [--epochs 5]

Teacher and student GAT, in single and mixed bfloat16 precision, at several node budgets. The other side is that of
``training.py`` on the same GPU: a list of ``Data``, ``DataLoader``, ``GATConv``, as many graphs in a batch; it is left
to use any algorithms, where ours uses deterministic ones, as set by default. It trains one epoch, ours so many, both
after an epoch of the same training that warms up: what ours takes to record its steps is not in it. Ours validates on
two windows, the other side on none. Use is the share of time in which something ran on the GPU, as ``nvidia-smi`` says
ten times a second.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig
from torch import nn
from torch.nn.functional import cross_entropy
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from training import PlainGat, data_list

from canids.config import load_config
from canids.graphs.batches import budget_batches
from canids.graphs.store import GraphStore
from canids.models.build import build_gat
from canids.training.datamodules import GraphDataModule, ShuffleSampler
from canids.training.fit import fit
from canids.training.lightning_modules import GatModule
from canids.training.stores import TrainingStores, open_stores

AUTOCAST = {"32-true": None, "bf16-mixed": torch.bfloat16}
QUERY = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "100"]


@contextmanager
def use_of_gpu() -> Iterator[list[int]]:
    """Percentages while the block runs."""
    found: list[int] = []
    with subprocess.Popen(QUERY, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield found
        finally:
            process.terminate()
            found += [int(word) for word in process.stdout.read().split() if word.isdigit()]


Work = Callable[[int, Callable[[], None]], object]  # trains so many epochs, and calls after the first


def measure(work: Work, graphs: int, epochs: int) -> tuple[float, float, float]:
    """Graphs per second, use of the GPU (%) and peak memory (MiB) of so many epochs after one that warms up."""
    begun = []

    def begin() -> None:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        begun.append(time.perf_counter())

    with use_of_gpu() as use:
        work(1 + epochs, begin)
        torch.cuda.synchronize()
        seconds = time.perf_counter() - begun[0]
    measured = use[-max(1, int(10 * seconds)) :]
    return graphs * epochs / seconds, statistics.mean(measured or [0]), torch.cuda.max_memory_reserved() / 2**20


class AfterOneEpoch(Callback):
    """Calls when one is over."""

    def __init__(self, begin: Callable[[], None]) -> None:
        self.begin = begin

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if trainer.current_epoch == 0:
            self.begin()


def ours(stores: TrainingStores, scale: str, precision: str, budget: int) -> Work:
    config = load_config(Path("config"), ["trainer.accelerator=cuda", f"trainer.precision={precision}"])
    few = stores.select[:2]
    model = build_gat(config.models.gat, scale)
    windows = torch.arange(len(stores.train))

    def work(epochs: int, begin: Callable[[], None]) -> None:
        data = GraphDataModule(stores.train, stores.val, ShuffleSampler(windows, 1), few, budget)
        module = GatModule(model, config.models.gat, epochs, 1)
        fit(module, data, epochs, epochs, config.trainer, (AfterOneEpoch(begin),))

    return work


def plain(graphs: list[Data], settings: DictConfig, scale: str, precision: str, batch: int) -> Work:
    size = settings[scale]
    model = PlainGat(size.hidden, size.heads, size.layers, settings.dropout).cuda()

    def work(epochs: int, begin: Callable[[], None]) -> None:
        torch.use_deterministic_algorithms(False)
        optimizer = torch.optim.AdamW(model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
        for epoch in range(epochs):
            if epoch == 1:
                begin()
            for data in DataLoader(graphs, batch_size=batch, shuffle=True):
                on_gpu = data.to("cuda")
                with torch.autocast("cuda", AUTOCAST[precision], enabled=precision != "32-true"):
                    loss = cross_entropy(model(on_gpu), on_gpu.y)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()

    return work


def graphs_in_a_batch(store: GraphStore, budget: int) -> int:
    batches = list(budget_batches(store, torch.arange(len(store)), budget))
    return round(len(store) / len(batches))


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("graphs", type=Path)
    arguments.add_argument("--windows", type=int, default=10_000, help="the first so many of the training store")
    arguments.add_argument("--budgets", type=int, nargs="+", default=[2048, 32_768])
    arguments.add_argument("--epochs", type=int, default=5)
    given = arguments.parse_args()
    stores = open_stores(given.graphs)
    stores = replace(stores, train=stores.train.select(torch.arange(min(given.windows, len(stores.train)))))
    settings = load_config(Path("config"), []).models.gat
    windows, graphs = len(stores.train), data_list(stores.train, torch.arange(len(stores.train)))
    print(f"{windows:,} graphs, {torch.cuda.get_device_name()}, torch {torch.__version__}, {given.epochs} epochs")
    columns = "scale", "precision", "nodes a batch", "graphs/s", "use", "peak MiB", "plain graphs/s", "its use", "ratio"
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for scale in ("teacher", "student"):
        for precision in AUTOCAST:
            for budget in given.budgets:
                batch = graphs_in_a_batch(stores.train, budget)
                mine = measure(ours(stores, scale, precision, budget), windows, given.epochs)
                theirs = measure(plain(graphs, settings, scale, precision, batch), windows, 1)
                print(
                    f"| {scale} | {precision} | {budget:,} | {mine[0]:,.0f} | {mine[1]:.0f} % | {mine[2]:,.0f} "
                    f"| {theirs[0]:,.0f} | {theirs[1]:.0f} % | {mine[0] / theirs[0]:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
