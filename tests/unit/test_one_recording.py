"""Captures that are one recording, in the graphs stage: on one side only, at each moment of the recording."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from makers import periodic
from omegaconf import OmegaConf

from canids.artifacts import read_json, write_json
from canids.errors import ArtifactError
from canids.frames.dataset import Capture
from canids.frames.frames import Frames
from canids.frames.ingest import ingest
from canids.graphs.build import build_graphs
from canids.graphs.check import check_splits
from canids.graphs.duplicates import left_out, recordings
from canids.graphs.store import concatenate, load_store
from canids.schema import Graph, Synthesis
from canids.simulate.capture_file import write_capture
from canids.simulate.synthesis import synthesise

GRAPH = OmegaConf.merge(OmegaConf.structured(Graph), {"window": 20, "stride": 20, "warmup": 6, "block": 10})
DRIVE, OTHER = periodic(6000, 1), periodic(6000, 2)
CUT = 1111  # frames by which a copy begins later


def attacked(frames: Frames, first: int, last: int) -> Frames:
    """The frames, those of a stretch changed and labelled."""
    attack = frames.attack.copy()
    attack[first:last] = True
    payload = frames.payload.copy()
    payload[first:last, 7] = 0xEE
    return replace(frames, attack=attack, payload=payload, attack_type=attack.astype(np.int8))


def save(folder: Path, scenario: str, name: str, frames: Frames) -> Path:
    source = folder / f"{scenario}-{name}.csv"
    write_capture(source, frames)
    out = folder / scenario / f"{name}.parquet"
    kind = "attack-free" if name.startswith("free") else "DoS"
    ingest(Capture(scenario, name, source, "kia", kind), out, out.with_suffix(".json"), None, False)
    return out


def build(folder: Path, parquets: list[Path], **settings) -> dict:
    out = folder / "graphs"
    build_graphs(parquets, ["train"], OmegaConf.merge(GRAPH, settings), out, folder / "profiles")
    return read_json(out / "graphs.json")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A drive, and a later piece of it with an attack, both to train on."""
    folder = tmp_path_factory.mktemp("training")
    piece = attacked(DRIVE.take(slice(CUT, None)), 1000, 3000)
    parquets = [save(folder, "train", "free-1", DRIVE), save(folder, "train", "DoS-1", piece)]
    return folder / "graphs", build(folder, parquets)


@pytest.fixture(scope="module")
def parquets(tmp_path_factory):
    """A drive to train on, an edited copy of it to test on, and a drive of each side's own."""
    folder = tmp_path_factory.mktemp("across")
    edited = attacked(DRIVE, 2000, 3500)
    captures = [
        save(folder, "train", "free-1", DRIVE),
        save(folder, "train", "free-2", OTHER),
        save(folder, "test", "DoS-1", edited),
        save(folder, "test", "DoS-2", attacked(periodic(6000, 3), 1000, 2000)),
    ]
    for number, parquet in enumerate(captures[:2]):
        captures.append(folder / "synthesised" / f"copy-{number}.parquet")
        synthesise(parquet, captures[-1], OmegaConf.structured(Synthesis), number)
    return captures


class TestTraining:
    def test_it_is_found_and_named(self, built):
        (pair,) = built[1]["one_recording"]
        assert (pair["first"], pair["second"]) == ("train/free-1", "train/DoS-1")
        assert pair["offset"] == pytest.approx(DRIVE.timestamp[CUT] - DRIVE.timestamp[0], abs=1e-5)

    def test_at_each_moment_both_have_the_same_role(self, built):
        store = concatenate([load_store(built[0] / f"{part}.safetensors") for part in ("train", "val")])
        offsets = np.array([built[1]["captures"][name]["recording_offset"] for name in store.captures])
        offset = offsets[store.capture.numpy()]
        start, end, role = store.start.numpy() + offset, store.end.numpy() + offset, store.role.numpy()
        assert len(set(store.capture.tolist())) == 2
        for time in np.linspace(0, end.max(), 2000):
            assert len(set(role[(start <= time) & (time <= end)].tolist())) <= 1

    def test_the_attack_is_in_every_role(self, built):
        attacked = built[1]["captures"]["train/DoS-1"]["attacked_windows_by_role"]
        assert {"train", "select", "fuse", "calibrate"} <= set(attacked)

    def test_the_check_minds_the_clocks(self, built, tmp_path):
        graphs = read_json(built[0] / "graphs.json")
        graphs["captures"]["train/DoS-1"]["recording_offset"] = 0.0
        write_json(tmp_path / "graphs.json", graphs)
        with pytest.raises(ArtifactError, match="splits overlap"):
            check_splits(
                [load_store(built[0] / f"{part}.safetensors") for part in ("train", "val")], tmp_path / "graphs.json"
            )


class TestAcross:
    def test_the_test_gives_way(self, parquets, tmp_path):
        graphs = build(tmp_path, parquets)
        assert graphs["excluded_captures"] == {"test/DoS-1": ["train/free-1", "synthesised/train-free-1-0"]}
        assert {key for key in graphs["captures"] if key.startswith("test")} == {"test/DoS-2"}
        assert "train/free-1" in graphs["captures"]

    def test_or_the_training_gives_way_with_what_was_made_of_it(self, parquets, tmp_path):
        graphs = build(tmp_path, parquets, duplicates="exclude_training")
        assert set(graphs["excluded_captures"]) == {"train/free-1", "synthesised/train-free-1-0"}
        assert "test/DoS-1" in graphs["captures"]
        assert not {"train/free-1", "synthesised/train-free-1-0"} & set(graphs["captures"])
        assert read_json(tmp_path / "profiles" / "kia.json")["captures"] == ["train/free-2"]


class TestRecordings:
    def test_equal_content_is_one_recording_without_fingerprints(self):
        places, pairs = recordings({"a": "x", "b": "y", "c": "x"}, {})
        assert [places[key].recording for key in "abc"] == ["a", "b", "a"]
        assert [(pair.first, pair.second, pair.share) for pair in pairs] == [("a", "c", 1.0)]

    def test_captures_of_other_recordings_stay(self):
        assert left_out({"a": "1", "b": "2"}, {"c": "3"}, "exclude_test") == {}

    @pytest.mark.parametrize(
        ("policy", "out"), [("exclude_test", {"c": ["a", "b"]}), ("exclude_training", {"a": ["c"], "b": ["c"]})]
    )
    def test_what_is_on_both_sides_leaves_one(self, policy, out):
        assert left_out({"a": "1", "b": "1"}, {"c": "1", "d": "2"}, policy) == out
