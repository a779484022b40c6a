"""Baselines: what each of them sees, and that nothing is fitted on test windows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from makers import frames_of, periodic
from model_makers import config, graphs_json, traffic, write_graphs
from polars.testing import assert_frame_equal

from canids.artifacts import read_json, write_json
from canids.errors import DatasetError
from canids.evaluation.baselines.extremes import COLUMNS, Extremes, window_extremes
from canids.evaluation.baselines.inter_arrival import inter_arrival
from canids.evaluation.baselines.profile_rules import broken, observe, rule_breaks, union
from canids.evaluation.baselines.run import run_baselines
from canids.evaluation.baselines.tail_probability import tail_probability
from canids.frames.parquet import write_frames
from canids.graphs.readings import LARGEST
from canids.graphs.store import NODE_COLUMNS, concatenate, load_store, save_store
from canids.graphs.windows import Cut

NAMES = ("lightgbm", "tail_probability", "inter_arrival", "profile_rules", "isolation_forest")


def windows(count: int, **columns: float | np.ndarray) -> Extremes:
    """Windows whose features are all 0, but for some columns."""
    values = np.zeros((count, len(COLUMNS)), np.float32)
    for name, value in columns.items():
        values[:, COLUMNS.index(name)] = value
    return Extremes(values, np.ones((count, 2), bool))


class TestExtremes:
    store = traffic(6, seed=1, blind=[4])

    @pytest.mark.parametrize(("how", "function"), [("max", np.max), ("min", np.min), ("mean", np.mean)])
    def test_they_are_over_a_windows_own_nodes(self, how, function):
        nodes = self.store.nodes.float().numpy()[self.store.node_start[2] : self.store.node_start[3]]
        wanted = function(nodes[:, NODE_COLUMNS.index("known_flips_max")])
        assert window_extremes([self.store]).column(f"{how}_known_flips_max")[2] == pytest.approx(wanted, rel=1e-3)

    def test_what_no_reading_speaks_of_is_undefined(self):
        extremes = window_extremes([self.store])
        assert np.isnan(extremes.values[4]).all()
        assert extremes.present.tolist() == [[each != 4] * 2 for each in range(6)]

    def test_a_reading_can_be_taken_away(self):
        alone = window_extremes([self.store]).without("known")
        assert np.isnan(alone.column("max_known_flips_max")).all()
        assert not np.isnan(alone.column("max_own_flips_max")[0])

    def test_stores_follow_one_another(self):
        both = window_extremes([self.store, traffic(3, seed=2)])
        np.testing.assert_array_equal(both.values[6:], window_extremes([traffic(3, seed=2)]).values)


class TestInterArrival:
    def test_the_larger_excess_of_both_readings_counts(self):
        excess = inter_arrival(windows(1, max_known_fast_max=0.5, max_own_fast_max=2.0))
        assert excess.tolist() == [2.0]

    def test_an_id_without_a_limit_is_the_largest_excess(self):
        assert inter_arrival(windows(1, max_own_unseen=1.0)).tolist() == [LARGEST]

    def test_without_any_reading_there_is_none(self):
        nothing = windows(1)
        assert inter_arrival(replace(nothing, values=nothing.values + np.nan)).tolist() == [0]


class TestTailProbability:
    normal = windows(1000, max_known_flips_max=np.linspace(0, 1, 1000))

    def surprise(self, value: float) -> float:
        """-ln p of a window with this value."""
        return float(np.expm1(tail_probability(self.normal, windows(1, max_known_flips_max=value)))[0])

    def test_within_the_range_it_is_counted(self):
        assert self.surprise(0.9) == pytest.approx(-np.log(0.1), rel=0.01)

    def test_beyond_it_it_falls_exponentially(self):
        assert self.surprise(1.2) - self.surprise(1.1) == pytest.approx(
            self.surprise(1.3) - self.surprise(1.2), rel=1e-4
        )

    def test_what_no_training_window_reached_is_rarer_than_one_in_a_million(self):
        assert self.surprise(2.0) > -np.log(1e-6)

    def test_low_is_a_surprise_for_a_minimum_only(self):
        low = tail_probability(self.normal, windows(1, max_known_flips_max=-9.0))
        assert np.expm1(low)[0] == pytest.approx(0, abs=1e-6)
        assert np.expm1(tail_probability(self.normal, windows(1, min_known_flips_max=-9.0)))[0] > 50

    def test_a_reading_that_is_missing_says_nothing(self):
        one = windows(1, max_known_flips_max=9.0).without("known")
        assert tail_probability(self.normal, one)[0] == pytest.approx(0, abs=1e-6)


class TestProfileRules:
    """ID 7 sends two bytes: 1 or 2, and a free-running counter."""

    payload = np.zeros((600, 8), np.uint8)
    payload[:, 0] = 1 + np.arange(600) % 2
    payload[:, 1] = np.arange(600) % 256
    usual = frames_of(np.arange(600) * 0.01, np.full(600, 7), dlc=2, payload=payload)

    def breaks(self, dlc: int = 2, identifier: int = 7, extended: bool = False, **bytes_: int) -> bool:
        payload = np.zeros((1, 8), np.uint8)
        payload[0, :2] = bytes_.get("first", 1), bytes_.get("second", 9)
        return bool(broken(observe(self.usual), frames_of([0.0], [identifier], extended, dlc, payload))[0])

    def test_what_was_seen_breaks_none(self):
        assert not broken(observe(self.usual), self.usual).any()

    @pytest.mark.parametrize(
        "frame", [{"dlc": 3}, {"identifier": 8}, {"extended": True}, {"first": 3}], ids=lambda each: next(iter(each))
    )
    def test_what_was_not_seen_breaks_one(self, frame):
        assert self.breaks(**frame)

    def test_a_byte_with_many_values_is_free(self):
        few = frames_of(np.arange(200) * 0.01, np.full(200, 7), dlc=2, payload=self.payload[:200])
        assert not broken(observe(few), frames_of([0.0], [7], dlc=2, payload=np.array([[1, 250, *[0] * 6]]))).any()

    def test_a_byte_of_few_frames_is_free(self):
        few = self.usual.take(slice(0, 12))
        assert not broken(observe(few), frames_of([0.0], [7], dlc=2, payload=np.array([[3, 9, *[0] * 6]]))).any()

    def test_captures_add_up(self):
        other = frames_of([0.0], [8])
        both = union([observe(self.usual), observe(other)])
        assert not broken(both, other).any()
        assert not broken(both, self.usual).any()

    def test_an_unknown_vehicle_is_judged_by_its_warm_up(self):
        strange = replace(self.usual, arbitration_id=np.where(np.arange(600) == 450, 8, 7).astype(np.uint32))
        breaks = rule_breaks(strange, None, Cut(100, 100), warmup=2)
        assert np.flatnonzero(breaks).tolist() == [4]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Stores of two training captures and two test captures, and their frame tables."""
    folder = tmp_path_factory.mktemp("baselines")
    write_graphs(folder)
    test = traffic(40, seed=3, attacked=slice(0, None, 4), role="test", capture=np.repeat([2, 3], 20))
    save_store(folder / "test.safetensors", replace(test, position=test.position % 20))
    graphs_json(folder)
    for key in ("train/a", "train/b", "test/c", "test/d"):
        scenario, capture = key.split("/")
        facts = {"scenario": scenario, "capture": capture}
        write_frames(folder / f"{capture}.parquet", periodic(8000, seed=1), facts)
    return folder


def run(folder: Path, out: Path) -> tuple[dict, pl.DataFrame]:
    metrics = run_baselines(
        stores=[folder / f"{part}.safetensors" for part in ("train", "val", "test")],
        graphs=folder / "graphs.json",
        frames=sorted(folder.glob("*.parquet")),
        evaluation=config().evaluation,
        false_alarms=0.01,
        seed=1,
        out=out,
    )
    return metrics, pl.read_parquet(out / "scores.parquet")


class TestRun:
    @pytest.fixture(scope="class")
    def result(self, folder, tmp_path_factory):
        return run(folder, tmp_path_factory.mktemp("out"))

    def test_each_baseline_is_judged(self, result):
        assert {row["detector"] for row in result[0]["table"]} == set(NAMES)

    @pytest.mark.parametrize("name", ["lightgbm", "tail_probability", "isolation_forest"])
    def test_what_sees_the_features_finds_strange_windows(self, result, name):
        row = next(r for r in result[0]["table"] if r["capture"] == "all" and r["detector"] == name)
        assert row["auroc"] > 0.99

    def test_scores_and_thresholds_do_not_depend_on_test_labels(self, folder, result, tmp_path):
        test = traffic(40, seed=3, attacked=slice(0, None, 4), role="test", capture=np.repeat([2, 3], 20))
        flipped = replace(test, position=test.position % 20, label=1 - test.label)
        for part in ("train.safetensors", "val.safetensors", "graphs.json", *(f"{c}.parquet" for c in "abcd")):
            (tmp_path / part).hardlink_to(folder / part)
        save_store(tmp_path / "test.safetensors", flipped)
        metrics, scores = run(tmp_path, tmp_path / "out")
        assert metrics["thresholds"] == result[0]["thresholds"]
        assert scores.select(NAMES).equals(result[1].select(NAMES))

    def test_what_is_not_trained_knows_nothing_of_a_fleet(self, folder, result, tmp_path):
        for part in ("test.safetensors", *(f"{c}.parquet" for c in "abcd")):
            (tmp_path / part).hardlink_to(folder / part)
        write_frames(tmp_path / "f.parquet", periodic(8000, seed=2), {"scenario": "fleet", "capture": "f"})
        graphs = read_json(folder / "graphs.json")
        graphs["captures"]["fleet/f"] = graphs["captures"]["train/a"]
        write_json(tmp_path / "graphs.json", graphs)
        for part, roles in (("train", ["train"] * 60), ("val", np.repeat(["select", "fuse", "calibrate"], 20))):
            store, more = load_store(folder / f"{part}.safetensors"), traffic(60, seed=8, role=roles, capture=4)
            unruly = replace(more, nodes=5 * more.nodes, captures=(*store.captures, "fleet/f"))
            save_store(tmp_path / f"{part}.safetensors", concatenate([unruly, store]))
        found = run(tmp_path, tmp_path / "out")[1].filter(pl.col("scenario") == "test")
        expected = result[1].filter(pl.col("scenario") == "test")
        untrained = [name for name in NAMES if name != "lightgbm"]
        assert_frame_equal(found.select(untrained), expected.select(untrained))
        assert not found["lightgbm"].equals(expected["lightgbm"])

    def test_the_same_seed_gives_the_same_bytes(self, folder, result, tmp_path):
        assert run(folder, tmp_path)[1].equals(result[1])

    def test_training_windows_of_one_class_are_refused(self, folder, tmp_path):
        write_graphs(tmp_path, train=traffic(80, seed=1))
        with pytest.raises(DatasetError, match="windows that train hold one class only"):
            run_baselines([tmp_path / "train.safetensors", tmp_path / "val.safetensors"], folder / "graphs.json", [],
                          config().evaluation, 0.01, 1, tmp_path / "out")  # fmt: skip
        assert not (tmp_path / "out").exists()
