"""Training and scoring of the student GAT: graphs per second, against a straightforward torch_geometric implementation.

    python benchmarks/training.py GRAPHS_FOLDER [--threads 2] [--rounds 5]

The other side is what one would write first: a list of ``Data``, ``DataLoader``, ``GATConv``, ``AdamW``, the same
layers and widths, as many graphs in a batch. It drops no readings, which ours does. Both train some epochs and validate
after each; ours is the whole of a fit, as the trainers run it. Ratios are of rounds that alternate, so that they hold
when the machine's speed drifts; those of CPU seconds do not count what other processes take.

On a machine that is busy with other work, set ``OMP_WAIT_POLICY=passive``: threads of torch that wait for one another
otherwise spin, which takes the core from the one that is waited for.

Most of our scoring is matrix products, which the other side has as well; of the student's training step they are almost
half, of the teacher's three quarters, at the CPU's peak, so that the teacher gains little from anything else. Tried,
and not kept: other sizes of scoring batches (2,048 to 16,384 nodes take the same time, 1,024 take longer); oneDNN or
OpenBLAS for the products (not faster); the sum over the layers' products rather than the product of their concatenation
(slower); attention's node scores in the compiled pass rather than in the product (1 % of a step); clipping by
``foreach`` (the same); kernels compiled for one width (slower than those for any); a compiled product with the readings
that are kept (the same).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import nn
from torch.nn.functional import cross_entropy, elu
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GATConv, global_max_pool, global_mean_pool

from canids.config import load_config
from canids.graphs.batches import EDGE_INPUTS, NODE_INPUTS, gather
from canids.graphs.store import GraphStore
from canids.models.build import build_gat
from canids.models.scoring import score_gat
from canids.training.datamodules import GraphDataModule, ShuffleSampler
from canids.training.fit import fit
from canids.training.lightning_modules import GatModule
from canids.training.stores import open_stores

EPOCHS = 3


class PlainGat(nn.Module):
    """The student, as torch_geometric's own layers."""

    def __init__(self, hidden: int, heads: int, layers: int, dropout: float) -> None:
        super().__init__()
        width = hidden * heads
        self.project = nn.Linear(NODE_INPUTS, width)
        self.attend = nn.ModuleList(
            GATConv(width, hidden, heads=heads, edge_dim=EDGE_INPUTS, add_self_loops=False) for _ in range(layers)
        )
        self.norm = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.jump = nn.Linear(width * (layers + 1), width)
        self.head = nn.Sequential(nn.Linear(2 * width, width), nn.ELU(), nn.Dropout(dropout), nn.Linear(width, 2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, data: Data) -> torch.Tensor:
        states = [elu(self.project(data.x))]
        for attend, norm in zip(self.attend, self.norm, strict=True):
            message = elu(attend(norm(states[-1]), data.edge_index, data.edge_attr))
            states.append(states[-1] + self.dropout(message))
        nodes = elu(self.jump(torch.cat(states, dim=1)))
        pooled = [global_mean_pool(nodes, data.batch), global_max_pool(nodes, data.batch)]
        return self.head(torch.cat(pooled, dim=1))


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU time of some work."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def plain_training(model: nn.Module, train: list[Data], val: list[Data], batch: int, settings: DictConfig) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
    for _ in range(EPOCHS):
        model.train()
        for data in DataLoader(train, batch_size=batch, shuffle=True):
            loss = cross_entropy(model(data), data.y)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        plain_scores(model, val, batch)


@torch.no_grad()
def plain_scores(model: nn.Module, graphs: list[Data], batch: int) -> torch.Tensor:
    model.eval()
    return torch.cat([model(data) for data in DataLoader(graphs, batch_size=batch)])


def data_list(store: GraphStore, windows: torch.Tensor) -> list[Data]:
    return gather(store, windows).to_data_list()


def report(name: str, graphs: int, times: list[tuple[tuple[float, float], tuple[float, float]]]) -> None:
    """One line: graphs per second of both sides, and the ratios' median and range."""
    wall = [theirs[0] / ours[0] for ours, theirs in times]
    cpu = [theirs[1] / ours[1] for ours, theirs in times]
    ours, theirs = (graphs / statistics.median(each[side][0] for each in times) for side in (0, 1))
    print(
        f"{name}: ours {ours:,.0f} graphs/s, torch_geometric {theirs:,.0f} graphs/s, "
        f"ratio {statistics.median(wall):.2f} ({min(wall):.2f} to {max(wall):.2f}), "
        f"by CPU seconds {statistics.median(cpu):.2f} ({min(cpu):.2f} to {max(cpu):.2f}), {len(times)} rounds"
    )


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("graphs", type=Path)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--rounds", type=int, default=5)
    given = arguments.parse_args()
    torch.set_num_threads(given.threads)
    config = load_config(Path("config"), ["trainer.accelerator=cpu"])
    settings, size = config.models.gat, config.models.gat.student
    stores = open_stores(given.graphs)
    everything = torch.arange(len(stores.train))
    train, val = data_list(stores.train, everything), data_list(stores.val, stores.select)
    batch = max(1, round(settings.node_budget / stores.train.nodes_per_window().double().mean().item()))
    plain = PlainGat(size.hidden, size.heads, size.layers, settings.dropout)
    model = build_gat(settings, "student")
    assert sum(p.numel() for p in plain.parameters()) == sum(p.numel() for p in model.parameters())

    def our_training(epochs: int = EPOCHS) -> None:
        data = GraphDataModule(stores.train, stores.val, ShuffleSampler(everything, 1), stores.select)
        data.node_budget = settings.node_budget
        fit(GatModule(model, settings, epochs, 1), data, epochs, epochs, config.trainer)

    our_training(1), score_gat(model, stores.train)  # compiles what is compiled
    sides = {
        "training": (our_training, lambda: plain_training(plain, train, val, batch, settings)),
        "scoring": (lambda: score_gat(model, stores.train), lambda: plain_scores(plain, train, batch)),
    }
    print(f"{len(train):,} graphs, {settings.node_budget} nodes or {batch} graphs a batch, {given.threads} threads")
    for name, (ours, theirs) in sides.items():
        report(
            name,
            len(train) * (EPOCHS if name == "training" else 1),
            [(seconds(ours), seconds(theirs)) for _ in range(given.rounds)],
        )


if __name__ == "__main__":
    main()
