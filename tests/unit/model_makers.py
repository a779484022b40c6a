"""Small stores and settings for the tests of models, training, fusion and evaluation."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from makers import rng
from omegaconf import DictConfig, OmegaConf

from canids.artifacts import write_json
from canids.fusion.environment import Windows, windows_of
from canids.fusion.quantities import QUALITIES, QUANTITIES
from canids.fusion.states import FusionStates
from canids.graphs.batches import NODE_INPUTS_OF
from canids.graphs.splits import ROLES
from canids.graphs.store import EDGE_COLUMNS, GRAPH_COLUMNS, NODE_COLUMNS, READINGS, GraphStore, save_store
from canids.graphs.store import store_of_arrays as _store
from canids.schema import Config

WIDTH = len(QUANTITIES) + len(QUALITIES)  # of a fusion state
TINY = [
    "trainer.accelerator=cpu",
    *(f"models.{model}.{scale}.{size}" for model in ("vgae", "gat") for scale, width in (("teacher", 4), ("student", 2))
      for size in (f"hidden={width}", "heads=2", "layers=1", "epochs=2")),
    "models.vgae.teacher.latent=4", "models.vgae.student.latent=3", "models.vgae.node_budget=256",
    "models.gat.node_budget=256", "fusion.hidden=16", "fusion.episodes=8", "fusion.steps=100", "fusion.batch=32",
    "fusion.selection_interval=50", "fusion.target_interval=20", "fusion.replay=1000",
]  # fmt: skip


@cache
def config(*overrides: str) -> DictConfig:
    """The schema's defaults with tiny models, and what is overridden; read-only."""
    made = OmegaConf.merge(OmegaConf.structured(Config), OmegaConf.from_dotlist([*TINY, *overrides]))
    OmegaConf.set_readonly(made, True)
    return made


def traffic(
    windows: int,
    seed: int = 0,
    attacked: Sequence[int] | slice = (),
    role: str | Sequence[str] = "train",
    capture: int | Sequence[int] = 0,
    position: Sequence[int] | None = None,
    blind: Sequence[int] = (),
    strange: float = 4.0,
) -> GraphStore:
    """Windows of 2 to 6 nodes, every feature near 0; in attacked ones the first node is ``strange``.

    The nodes make a ring, each with a self-loop.

    Args:
        blind: windows that no reading speaks of.
    """
    random = rng(seed)
    label = np.zeros(windows, int)
    label[attacked if isinstance(attacked, slice) else list(attacked)] = 1
    nodes = random.integers(2, 7, windows)
    start = np.concatenate([[0], np.cumsum(nodes)])
    source = np.arange(start[-1]) - np.repeat(start[:-1], nodes)
    following = (source + 1) % np.repeat(nodes, nodes)
    features = random.normal(0, 0.5, (start[-1], len(NODE_COLUMNS)))
    features[start[:-1][label == 1]] += strange
    edge_features = random.normal(0, 0.5, (2 * start[-1], len(EDGE_COLUMNS)))
    graph = random.normal(0, 0.1, (windows, len(GRAPH_COLUMNS)))
    graph[:, [GRAPH_COLUMNS.index(f"{reading}_present") for reading in READINGS]] = 1
    of_blind = np.isin(np.repeat(np.arange(windows), nodes), blind)
    features[of_blind], edge_features[np.repeat(of_blind, 2)], graph[list(blind)] = 0, 0, 0
    roles = [role] * windows if isinstance(role, str) else role
    return _store(
        nodes=features,
        node_start=start,
        node_id=random.integers(0, 8, start[-1]),
        node_frames=random.integers(1, 5, start[-1]),
        ids=np.arange(0x100, 0x108),
        edges=np.stack([np.repeat(source, 2), np.stack([source, following], axis=1).ravel()]),
        edge_start=2 * start,
        edge_features=edge_features,
        edge_frames=random.integers(1, 5, 2 * start[-1]),
        graph_features=graph,
        label=label,
        attack_type=label.copy(),
        capture=np.broadcast_to(capture, windows),
        role=np.array([ROLES.index(each) for each in roles]),
        position=np.arange(windows) if position is None else position,
        last_frame=100 * np.arange(windows) + 99,
        start=np.arange(windows, dtype=float),
        end=np.arange(windows) + 0.9,
        captures=("train/a", "train/b", "test/c", "test/d"),
        attack_types=("attack-free", "DoS"),
    )


def write_graphs(folder: Path, train: GraphStore | None = None, val: GraphStore | None = None) -> Path:
    """A folder of stores to train on: 80 training windows and 60 that validate, a quarter of each attacked."""
    train = traffic(80, seed=1, attacked=slice(0, None, 4)) if train is None else train
    roles = ("select", "fuse", "calibrate")
    val = traffic(60, seed=2, attacked=slice(0, None, 4), role=np.repeat(roles, 20)) if val is None else val
    save_store(folder / "train.safetensors", train)
    save_store(folder / "val.safetensors", val)
    return folder


def node_columns_of(reading: str) -> list[int]:
    """Columns of a store's node features that belong to a reading."""
    return [column for column in NODE_INPUTS_OF[reading] if column < len(NODE_COLUMNS)]


def fusion_states_of(
    label: Sequence[int],
    vgae: Sequence[float],
    gat: Sequence[float],
    role: str | Sequence[str] = "test",
    capture: int | Sequence[int] = 2,
    position: Sequence[int] | None = None,
    state: np.ndarray | None = None,
    read_by: int | Sequence[int] = 3,
) -> FusionStates:
    """Fusion states by hand; what an agent sees is random unless it is given."""
    count = len(label)
    roles = [role] * count if isinstance(role, str) else role
    return FusionStates(
        state=(rng(3).normal(size=(count, WIDTH)) if state is None else state).astype(np.float32),
        vgae=np.array(vgae, np.float32),
        gat=np.array(gat, np.float32),
        label=np.array(label, np.int64),
        capture=np.array(np.broadcast_to(capture, count), np.int16),
        role=np.array([ROLES.index(each) for each in roles], np.int8),
        attack_type=np.array(label, np.int16),
        last_frame=100 * np.arange(count, dtype=np.int32) + 99,
        read_by=np.array(np.broadcast_to(read_by, count), np.int64),
        position=np.arange(count, dtype=np.int32) if position is None else np.array(position, np.int32),
        start=np.arange(count, dtype=float),
        end=np.arange(count) + 0.9,
        captures=("train/a", "train/b", "test/c", "test/d"),
        attack_types=("attack-free", "DoS"),
    )


def graphs_json(folder: Path, windows: int = 200) -> Path:
    """A ``graphs.json`` for ``fusion_states_of`` and ``traffic``: no attack spans, each capture a recording."""
    captures = {
        key: {"vehicle": "v", "recording": key, "attack_spans": [], "attacked_windows": {}, "windows": windows,
              "windows_by_role": {key.split("/")[0]: windows}, "known_profile": False}
        for key in ("train/a", "train/b", "test/c", "test/d")
    }  # fmt: skip
    write_json(
        folder / "graphs.json",
        {
            "settings": {
                "window": 100,
                "stride": 100,
                "seconds": 0.0,
                "stride_seconds": 0.0,
                "warmup": 4,
                "quarantine": True,
            },
            "captures": captures,
            "profile_captures": {},
        },
    )
    return folder / "graphs.json"


def random_windows(*runs: int, seed: int = 0) -> Windows:
    """Runs of so many windows, with random states, scores and labels."""
    random, count = rng(seed), sum(runs)
    position = np.concatenate([1000 * number + np.arange(length) for number, length in enumerate(runs)])
    states = fusion_states_of(
        random.integers(0, 2, count), random.random(count), random.random(count), position=position,
        state=random.normal(size=(count, WIDTH)),
    )  # fmt: skip
    return windows_of(states, np.ones(count, bool))
