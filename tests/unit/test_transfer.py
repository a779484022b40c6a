"""Trained models on other data: the numbers of their own evaluation, nothing fitted anew, no recording twice."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from model_makers import config, graphs_json, traffic

from canids.artifacts import read_json, write_json
from canids.config import load_config
from canids.errors import ArtifactError, ConfigError, DatasetError
from canids.evaluation.evaluate import evaluate
from canids.evaluation.pretrained import evaluate_pretrained, ship
from canids.evaluation.transfer import Side, evaluate_transfer
from canids.frames.fingerprint import EVERY, Fingerprint, write_fingerprint
from canids.fusion.alternatives import Alternatives
from canids.fusion.environment import ALPHAS, STATE_SIZE
from canids.fusion.names import ALTERNATIVES_FILE
from canids.graphs.store import load_store, save_store
from canids.models.build import build_gat, build_vgae
from canids.models.q_network import QNetwork
from canids.other_datasets import asked_for, other_datasets
from canids.shipped import PARTS
from canids.training.model_folder import save_model
from canids.training.model_manager import ModelManager
from canids.training.modes import write_fusion_states

CONFIG = Path(__file__).parents[2] / "config"
SHAPE = {"window": 100, "stride": 100, "seconds": 0.0, "stride_seconds": 0.0, "warmup": 4, "quarantine": True,
         "leave_out": []}  # fmt: skip


def write_side(folder: Path, name: str, recorded: dict[str, int], **settings) -> Side:
    """A dataset of ``graphs_json``; captures with the same number in ``recorded`` are one recording."""
    content = read_json(graphs_json(folder))
    write_json(folder / "graphs.json", {**content, "settings": {**SHAPE, **settings}})
    paths = {key: folder / f"{key}.fingerprint" for key in content["captures"]}
    for place, (key, path) in enumerate(paths.items()):
        path.parent.mkdir(exist_ok=True)
        number = np.uint64(recorded.get(key, 100 * (1 + place) + 1000 * len(name)))
        write_fingerprint(path, Fingerprint(number + np.arange(50, dtype=np.uint64), np.arange(50.0), EVERY))
    return Side(name, folder / "graphs.json", paths)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A dataset with its stores, models, calibration, fusion and evaluation, all barely trained."""
    folder = tmp_path_factory.mktemp("trained")
    roles = np.repeat(("select", "fuse", "calibrate"), 20)
    for name, store in {
        "train": traffic(60, seed=1, attacked=slice(0, None, 4)),
        "val": traffic(60, seed=2, attacked=slice(0, None, 4), role=roles, capture=1),
        "test": traffic(60, seed=3, attacked=slice(0, 30), role="test", capture=np.repeat((2, 3), 30)),
    }.items():
        save_store(folder / f"{name}.safetensors", store)
    write_side(folder, "own", {})
    torch.manual_seed(3)
    for name, build in (("vgae", build_vgae), ("gat", build_gat)):
        settings, trainer = config().models[name], config().trainer
        described = {"model": name, "scale": "student", "seed": 4, "settings": settings, "trainer": trainer}
        save_model(folder / f"{name}-student", build(settings, "student"), described, {}, [{"step": 1}])
    settings, fusion = config().fusion, folder / "fusion-student"
    described = {"model": "fusion", "scale": "student", "seed": 4, "settings": settings}
    save_model(fusion, QNetwork(STATE_SIZE, settings.hidden, len(ALPHAS)), described, {}, [{"step": 1}])
    ModelManager.save_state_dict(Alternatives(settings.hidden), fusion / ALTERNATIVES_FILE)
    train, val, test = (folder / f"{name}.safetensors" for name in ("train", "val", "test"))
    write_fusion_states(folder / "vgae-student", folder / "gat-student", [train, val], [test], 0.01, fusion)
    evaluate(
        fusion / "states.safetensors",
        fusion,
        folder / "graphs.json",
        config().evaluation,
        folder / "evaluation-student",
    )
    return folder


@pytest.fixture
def run(trained, tmp_path):
    """Evaluate the trained models on a store, of a dataset with such recordings: the metrics and the scores."""

    def run(store: Path, ours: dict[str, int] | None = None, theirs: dict[str, int] | None = None, **settings):
        sides = []
        for name, recorded, changed in (("own", ours, {}), ("other", theirs, settings)):
            (tmp_path / name).mkdir()
            sides.append(write_side(tmp_path / name, name, recorded or {}, **changed))
        metrics = evaluate_transfer(trained, "student", *sides, [store], tmp_path / "out")
        return metrics, pl.read_parquet(tmp_path / "out" / "scores.parquet")

    return run


def test_on_its_own_test_windows_the_models_do_what_they_do_there(trained, run):
    metrics, scores = run(trained / "test.safetensors")
    wanted = read_json(trained / "evaluation-student" / "metrics.json")
    assert [metrics[part] for part in ("table", "attack_types", "thresholds")] == [
        wanted[part] for part in ("table", "attack_types", "thresholds")
    ]
    own = pl.read_parquet(trained / "evaluation-student" / "scores.parquet").filter(pl.col("role") == "test")
    assert scores.equals(own)


def test_nothing_is_fitted_on_what_is_tested(run, tmp_path):
    strange = traffic(60, seed=5, attacked=slice(0, 30), role="test", capture=np.repeat((2, 3), 30), strange=2)
    save_store(tmp_path / "all.safetensors", strange)
    alone = strange.select(torch.arange(30, 60))
    save_store(tmp_path / "alone.safetensors", alone)
    _, together = run(tmp_path / "all.safetensors", theirs={"test/c": 1})
    for name in ("own", "other"):
        (tmp_path / name).rename(tmp_path / f"{name}-before")
    _, scores = run(tmp_path / "alone.safetensors")
    rest = together.filter(pl.col("capture") == "d")
    for name in ("vgae", "gat", "fusion", "mlp"):
        np.testing.assert_allclose(scores[name], rest[name], atol=1e-3)


def test_a_recording_that_was_trained_on_is_left_out_and_named(trained, run):
    metrics, scores = run(trained / "test.safetensors", ours={"train/a": 7}, theirs={"test/c": 7})
    assert metrics["excluded_captures"] == {"test/c": ["train/a"]}
    assert scores["capture"].unique().to_list() == ["d"]
    assert {row["capture"] for row in metrics["table"]} == {"all", "d"}


def test_a_recording_that_was_tested_on_there_too_stays(trained, run):
    metrics, _ = run(trained / "test.safetensors", ours={"test/c": 7}, theirs={"test/c": 7})
    assert metrics["excluded_captures"] == {}


def test_captures_shorter_than_their_warm_up_are_flagged(trained, run, tmp_path):
    store = load_store(trained / "test.safetensors")
    save_store(tmp_path / "short.safetensors", store.without("own"))
    assert run(tmp_path / "short.safetensors")[0]["shorter_than_warmup"] == ["test/c", "test/d"]


def test_where_every_capture_was_trained_on_there_is_nothing_to_test(trained, run):
    with pytest.raises(DatasetError, match="no capture is left to test on"):
        run(trained / "test.safetensors", ours={"train/a": 7, "train/b": 9000}, theirs={"test/c": 7, "test/d": 9000})


def test_windows_that_were_cut_otherwise_are_refused(trained, run):
    with pytest.raises(DatasetError, match=r"made with graph\.window=50, and the models were trained with 100"):
        run(trained / "test.safetensors", window=50)


def test_a_missing_part_of_the_cascade_is_named(trained, run):
    calibration = trained / "fusion-student" / "calibration.safetensors"
    content = calibration.read_bytes()
    calibration.unlink()
    try:
        with pytest.raises(ArtifactError, match=r"calibration\.safetensors: not a calibration"):
            run(trained / "test.safetensors")
    finally:
        calibration.write_bytes(content)


class TestWhatIsTested:
    def test_the_path_of_an_evaluation_names_its_dataset(self):
        path = "results/demo/seed-1/evaluation-student-on-hcrl_sa/metrics.json"
        assert asked_for(["snakemake", path, "--config", "dataset=demo"]) == ["hcrl_sa"]

    def test_overrides_hold_for_the_other_dataset_but_not_those_of_the_first_itself(self):
        words = ["dataset=hcrl_sa", "dataset.captures=[a*]", "graph.window=50", "training_data=fleet"]
        found = other_datasets(CONFIG, load_config(CONFIG, words), words, ["demo"])
        assert found.folders == {"demo": "demo/tested"}
        default, alone = found.variants["demo"], found.variants["demo/tested"]
        assert (default.graph.window, alone.graph.window) == (50, 50)
        assert list(alone.dataset.captures) == ["*"]
        assert (default.training_data, alone.training_data) == ("fleet", "labelled")

    def test_the_dataset_itself_is_tested_as_it_is(self):
        found = other_datasets(CONFIG, load_config(CONFIG, ["dataset=demo"]), ["dataset=demo"], ["demo"])
        assert (found.folders, found.variants) == ({"demo": "demo"}, {})

    def test_an_unknown_dataset_is_refused(self):
        with pytest.raises(ConfigError, match="unknown dataset 'nonsense'"):
            other_datasets(CONFIG, load_config(CONFIG), [], ["nonsense"])


def shipped(trained: Path, out: Path) -> Path:
    """The trained cascade, put where it would be shipped."""
    ship({part: trained / f"{part}-student" for part in PARTS}, trained / "graphs.json", {"seed": 4}, out)
    return out


class TestShippedCascade:
    def test_it_scores_as_where_it_was_trained(self, trained, tmp_path):
        stores, graphs = [trained / "test.safetensors"], trained / "graphs.json"
        metrics = evaluate_pretrained(stores, graphs, "any", tmp_path / "out", shipped(trained, tmp_path / "shipped"))
        assert (metrics["trained_on"], metrics["tested_on"]) == ("pretrained", "any")
        assert metrics["table"] == read_json(trained / "evaluation-student" / "metrics.json")["table"]

    def test_it_needs_graphs_that_were_made_as_those_it_was_trained_on(self, trained, tmp_path):
        other = write_side(tmp_path, "other", {}, warmup=50)
        with pytest.raises(DatasetError, match=r"made with graph\.warmup=50"):
            evaluate_pretrained([], other.graphs, "any", tmp_path / "out", shipped(trained, tmp_path / "shipped"))

    def test_where_nothing_is_shipped_it_says_how_to_make_it(self, trained, tmp_path):
        with pytest.raises(ArtifactError, match="make them with snakemake pretrained"):
            evaluate_pretrained([], trained / "graphs.json", "any", tmp_path / "out", tmp_path / "shipped")

    def test_one_that_is_too_large_is_not_shipped(self, trained, tmp_path, monkeypatch):
        monkeypatch.setattr("canids.evaluation.pretrained.LARGEST_BYTES", 1000)
        with pytest.raises(ArtifactError, match="allowed: at most 1000"):
            shipped(trained, tmp_path / "shipped")
        assert not (tmp_path / "shipped").exists()

    def test_a_part_that_is_missing_is_named(self, trained, tmp_path):
        folders = {part: trained / f"{part}-student" for part in PARTS} | {"gat": tmp_path}
        with pytest.raises(ArtifactError, match=r"model\.safetensors: there is no such file"):
            ship(folders, trained / "graphs.json", {}, tmp_path / "shipped")
