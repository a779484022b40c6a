"""The independent check of the splits."""

from dataclasses import replace

import pytest
import torch
from omegaconf import OmegaConf

from canids.errors import ArtifactError
from canids.frames.dataset import Capture
from canids.frames.ingest import ingest
from canids.graphs.build import build_graphs
from canids.graphs.check import check_splits
from canids.graphs.store import load_store
from canids.schema import Graph, Synthesis
from canids.simulate.demo import simulate_demo
from canids.simulate.synthesis import synthesise


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("splits")
    simulate_demo(folder / "demo", 3, 8.0)
    source = folder / "demo" / "train_01_attack_free" / "attack-free-alpha.csv"
    parquet, copy = folder / "frames.parquet", folder / "copy.parquet"
    capture = Capture("train", "alpha", source, "alpha", "attack-free")
    ingest(capture, parquet, folder / "frames.json", None, False)
    synthesise(parquet, copy, OmegaConf.structured(Synthesis), 0)
    build_graphs([parquet, copy], ["train"], OmegaConf.structured(Graph), folder / "graphs", folder / "profiles")
    return folder / "graphs"


def part(graphs, name):
    return load_store(graphs / f"{name}.safetensors")


def test_what_the_stage_writes_passes(graphs):
    check_splits([part(graphs, "train"), part(graphs, "val")], graphs / "graphs.json")


def test_a_window_of_an_attacked_copy_in_another_role_than_its_recording_is_found(graphs):
    train = part(graphs, "train")
    stolen = train.select(torch.tensor([len(train) - 1]))
    assert stolen.captures[int(stolen.capture[0])].startswith("synthesised/")
    with pytest.raises(ArtifactError, match="splits overlap"):
        check_splits([train, replace(stolen, role=torch.full_like(stolen.role, 3))], graphs / "graphs.json")
