"""Splits: whole blocks, guard gaps, no frame on two sides, every attack on each side; in memory and as built."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import periodic
from omegaconf import DictConfig, OmegaConf

from canids.artifacts import read_json
from canids.errors import DatasetError
from canids.frames.dataset import Capture
from canids.frames.frames import ATTACK_FREE, Frames
from canids.frames.ingest import ingest
from canids.graphs.build import build_graphs
from canids.graphs.splits import GUARD, ROLES, VALIDATION_ROLES, roles_at, split_blocks
from canids.graphs.store import GRAPH_COLUMNS, GraphStore, concatenate, load_store
from canids.schema import Graph
from canids.simulate.capture_file import write_capture

TRAIN, EVERY_ROLE = ROLES.index("train"), {ROLES.index("train"), *VALIDATION_ROLES}
fast = settings(max_examples=60, deadline=None)
SPLITS = {
    "block": st.integers(4, 30),
    "validation_share": st.floats(0.05, 0.6),
    "guard": st.integers(1, 40),  # longer than a block, too
    "seed": st.integers(0, 99),
}


def windows(*runs: tuple[str, int]) -> np.ndarray:
    """Names of so many windows of each attack type."""
    return np.array([name for name, count in runs for _ in range(count)], dtype=object)


runs = st.lists(st.tuples(st.sampled_from([ATTACK_FREE, "DoS", "fuzzing"]), st.integers(1, 40)), min_size=1, max_size=8)
captures = st.lists(runs.map(lambda each: windows(*each)), min_size=1, max_size=3)


class TestBlocks:
    @fast
    @given(attack_types=captures, **SPLITS)
    def test_windows_of_two_roles_are_more_than_the_guard_apart(self, attack_types, guard, **rest):
        for role in split_blocks(attack_types, guard=guard, **rest):
            used = np.flatnonzero(role != GUARD)
            for a, b in itertools.pairwise(used):
                assert role[a] == role[b] or b - a > guard

    @fast
    @given(attack_types=captures, block=st.integers(4, 30), guard=st.integers(1, 40), seed=st.integers(0, 99))
    def test_a_block_has_one_role(self, attack_types, block, guard, seed):
        for role in split_blocks(attack_types, block, 0.3, guard, seed):
            for first in range(0, len(role), block):
                assert len(set(role[first : first + block].tolist()) - {GUARD}) <= 1

    @fast
    @given(attack_types=captures, **SPLITS)
    def test_every_window_has_a_role_or_is_guard(self, attack_types, **rest):
        roles = split_blocks(attack_types, **rest)
        assert [len(role) for role in roles] == [len(each) for each in attack_types]
        assert {r for role in roles for r in role.tolist()} <= {GUARD, *EVERY_ROLE}

    @fast
    @given(
        kinds=st.lists(st.sampled_from([ATTACK_FREE, "DoS", "fuzzing"]), min_size=1, max_size=40),
        block=st.integers(4, 30),
        validation_share=st.floats(0.05, 0.6),
        seed=st.integers(0, 99),
    )
    def test_what_fills_four_blocks_is_in_every_role(self, kinds, block, validation_share, seed):
        each = windows(*((kind, block) for kind in kinds))
        (role,) = split_blocks([each], block, validation_share, 1, seed)
        for kind in {kind for kind in kinds if kinds.count(kind) >= 4}:
            assert set(role[each == kind].tolist()) - {GUARD} == EVERY_ROLE

    @fast
    @given(blocks=st.integers(2, 3), seed=st.integers(0, 99))
    def test_an_attack_of_two_or_three_blocks_is_on_both_sides(self, blocks, seed):
        each = windows((ATTACK_FREE, 100), ("DoS", 10 * blocks), (ATTACK_FREE, 100))
        found = set(split_blocks([each], 10, 0.3, 1, seed)[0][each == "DoS"].tolist()) - {GUARD}
        assert (TRAIN in found, bool(found & set(VALIDATION_ROLES))) == (True, True)

    def test_an_attack_of_one_block_is_trained_on(self):
        each = windows((ATTACK_FREE, 100), ("DoS", 10), (ATTACK_FREE, 100))
        assert set(split_blocks([each], 10, 0.3, 1, 0)[0][each == "DoS"].tolist()) <= {TRAIN, GUARD}

    @pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
    def test_the_share_asked_for_validates(self, share):
        (role,) = split_blocks([windows((ATTACK_FREE, 1000))], 10, share, 0, 0)
        assert np.isin(role, VALIDATION_ROLES).mean() == pytest.approx(share)

    def test_validation_is_shared_out_evenly(self):
        (role,) = split_blocks([windows((ATTACK_FREE, 1000))], 10, 0.3, 0, 0)
        assert [int((role == each).sum()) for each in VALIDATION_ROLES] == [100, 100, 100]

    def test_every_attack_free_capture_is_in_every_role(self):
        roles = split_blocks([windows((ATTACK_FREE, 100))] * 3, 10, 0.3, 1, 0)
        assert [set(role.tolist()) - {GUARD} for role in roles] == [EVERY_ROLE] * 3

    def test_the_same_seed_gives_the_same_split(self):
        first, second = (split_blocks([windows((ATTACK_FREE, 1000))], 10, 0.3, 1, 5)[0] for _ in range(2))
        np.testing.assert_array_equal(first, second)

    def test_another_seed_gives_another_split(self):
        first, second = (split_blocks([windows((ATTACK_FREE, 1000))], 10, 0.3, 1, seed)[0] for seed in (5, 6))
        assert (first != second).any()


class TestAttackedCopies:
    """Roles of a capture that attacks were synthesised on: those of its recording at the same time."""

    @staticmethod
    def times(gaps: list[int], count: int, window: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
        clock = np.cumsum(np.resize(gaps, count)).astype(float)
        first = np.arange(0, count - window + 1, stride)
        return clock[first], clock[first + window - 1]

    @fast
    @given(
        gaps=st.lists(st.integers(0, 3), min_size=1, max_size=9).filter(any),
        others=st.lists(st.integers(0, 3), min_size=1, max_size=9).filter(any),
        stride=st.integers(2, 12),
        blocks=st.lists(st.sampled_from([*EVERY_ROLE, GUARD]), min_size=30, max_size=30),
    )
    def test_no_window_of_another_role_lies_at_the_same_time(self, gaps, others, stride, blocks):
        start, end = self.times(gaps, 200, 8, stride)
        role = np.repeat(blocks, 4)[: len(start)].astype(np.int8)
        start, end = start[: len(role)], end[: len(role)]
        copy_start, copy_end = self.times(others, 250, 8, stride)
        for begin, finish, mine in zip(
            copy_start, copy_end, roles_at(start, end, role, copy_start, copy_end), strict=True
        ):
            there = role[(start <= finish) & (end >= begin)]
            assert mine == GUARD or set(there.tolist()) <= {mine}

    def test_an_unchanged_copy_has_the_roles_of_its_recording(self):
        start, end = self.times([1], 200, 8, 8)
        role = np.repeat([0, 1, 0, 2, 3], 5).astype(np.int8)
        np.testing.assert_array_equal(roles_at(start, end, role, start, end), role)


def save(folder: Path, scenario: str, name: str, vehicle: str, frames: Frames, spans: Path | None = None) -> Path:
    """Write frames as a log file and ingest it; the name begins with the attack type."""
    source = folder / f"{name}.csv"
    write_capture(source, frames)
    out = folder / scenario / f"{name}.parquet"
    attack = name.rsplit("-", 1)[0]
    ingest(Capture(scenario, name, source, vehicle, attack), out, out.with_suffix(".json"), spans, False)
    return out


def flooded(frames: Frames, *stretches: slice) -> Frames:
    """The frames, those of some stretches labelled and of ID 7."""
    number, attack = frames.arbitration_id.copy(), frames.attack.copy()
    for stretch in stretches:
        number[stretch], attack[stretch] = 7, True
    return replace(frames, arbitration_id=number, attack=attack, attack_type=attack.astype(np.int8))


GRAPH: DictConfig = OmegaConf.merge(
    OmegaConf.structured(Graph), {"window": 20, "stride": 8, "warmup": 6, "block": 10, "split_seed": 3}
)
TESTED = flooded(periodic(1000, 5), slice(0, 30), slice(500, 620))


def build(folder: Path, parquets: list[Path], **settings) -> Path:
    build_graphs(parquets, ["train"], OmegaConf.merge(GRAPH, settings), folder / "graphs", folder / "profiles")
    return folder / "graphs"


def training_captures(folder: Path) -> list[Path]:
    attacked = flooded(periodic(1600, 3), *(slice(first, first + 120) for first in (300, 700, 1300)))
    return [
        save(folder, "train", "attack-free-1", "kia", periodic(1600, 1)),
        save(folder, "train", "attack-free-2", "kia", periodic(1600, 2)),
        save(folder, "train", "attack-free-3", "kia", periodic(1600, 1)),  # the first again
        save(folder, "train", "DoS-1", "kia", attacked),
        save(folder, "train", "attack-free-4", "spark", periodic(1600, 4, ids=3)),
    ]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """Folder of the stores of some training captures and two captures to test on."""
    folder = tmp_path_factory.mktemp("built")
    spans = folder / "spans.csv"
    spans.write_text("capture,start,end,kind,arbitration_ids\ntest/suppression-1,2.0,4.0,suppression,100\n")
    testing = [
        save(folder, "test", "DoS-2", "kia", TESTED),
        save(folder, "test", "suppression-1", "unknown", periodic(1000, 6), spans),
    ]
    return build(folder, [*training_captures(folder), *testing])


@pytest.fixture(scope="module")
def learning(built) -> GraphStore:
    """All windows to train on and to validate on."""
    return concatenate([load_store(built / f"{part}.safetensors") for part in ("train", "val")])


def keys(store: GraphStore) -> list[tuple[str, int]]:
    return [(store.captures[c], p) for c, p in zip(store.capture.tolist(), store.position.tolist(), strict=True)]


@pytest.fixture(scope="module")
def timed(tmp_path_factory) -> GraphStore:
    """All windows to train on and to validate on, cut by time: they overlap, and hold as many frames as come."""
    folder = tmp_path_factory.mktemp("timed")
    cut = OmegaConf.merge(GRAPH, {"seconds": 0.1, "stride_seconds": 0.04})
    build_graphs(training_captures(folder), ["train"], cut, folder / "graphs", folder / "profiles")
    return concatenate([load_store(folder / "graphs" / f"{part}.safetensors") for part in ("train", "val")])


class TestCutByTime:
    def test_every_role_has_windows(self, timed):
        assert set(timed.role.tolist()) == {TRAIN, *VALIDATION_ROLES}

    def test_windows_of_two_roles_are_apart_in_time(self, timed):
        for capture in timed.capture.unique():
            mine = timed.select((timed.capture == capture).nonzero().ravel())
            for before, after in itertools.pairwise(mine.start.argsort().tolist()):
                assert mine.role[before] == mine.role[after] or mine.end[before] < mine.start[after]


def test_captures_worked_on_at_once_give_the_same_files(tmp_path):
    testing = [save(tmp_path, "test", "DoS-2", "kia", TESTED)]
    parquets = [*training_captures(tmp_path), *testing]
    for threads in (1, 3):
        build_graphs(parquets, ["train"], GRAPH, tmp_path / str(threads), tmp_path / "profiles", threads)
    for path in (tmp_path / "1").iterdir():
        assert path.read_bytes() == (tmp_path / "3" / path.name).read_bytes(), path.name


class TestAsBuilt:
    def test_no_window_is_in_two_roles(self, learning):
        assert len(set(keys(learning))) == len(learning)

    def test_overlapping_windows_of_two_roles_share_no_frame(self, learning):
        owner: dict[tuple[str, int], int] = {}
        for (capture, position), role in zip(keys(learning), learning.role.tolist(), strict=True):
            for frame in range(position * GRAPH.stride, position * GRAPH.stride + GRAPH.window):
                assert owner.setdefault((capture, frame), role) == role

    def test_the_training_store_trains_only(self, built):
        assert set(load_store(built / "train.safetensors").role.tolist()) == {TRAIN}

    def test_the_validation_store_has_every_validation_role(self, built):
        assert set(load_store(built / "val.safetensors").role.tolist()) == set(VALIDATION_ROLES)

    def test_the_attack_is_in_every_role(self, learning):
        assert set(learning.role[learning.label == 1].tolist()) == EVERY_ROLE

    def test_the_summary_tells_each_windows_role(self, built, learning):
        captures = read_json(built / "graphs.json")["captures"]
        for key, role in zip(keys(learning), learning.role.tolist(), strict=True):
            told = [b["role"] for b in captures[key[0]]["blocks"] if b["first"] <= key[1] < b["last"]]
            assert told == [ROLES[role]]

    def test_the_summary_counts_attacked_windows_by_role(self, built, learning):
        told = read_json(built / "graphs.json")["captures"]["train/DoS-1"]["attacked_windows_by_role"]
        attacked = learning.role[learning.label == 1].tolist()
        assert {name: count for name, count in told.items() if name != "guard"} == {
            ROLES[role]: attacked.count(role) for role in sorted(set(attacked))
        }

    def test_a_repeated_capture_is_counted_once(self, learning):
        assert "train/attack-free-3" not in {capture for capture, _ in keys(learning)}

    def test_a_repeated_capture_is_named(self, built):
        assert read_json(built / "graphs.json")["repeated_captures"] == {"train/attack-free-3": "train/attack-free-1"}

    def test_a_window_with_an_injected_frame_is_labelled(self, built):
        store = of_capture(load_store(built / "test.safetensors"), "test/DoS-2")
        expected = [
            TESTED.attack[p * GRAPH.stride : p * GRAPH.stride + GRAPH.window].any() for p in store.position.tolist()
        ]
        assert store.label.bool().tolist() == expected

    def test_a_window_within_a_span_that_labels_no_frame_is_labelled(self, built):
        store = of_capture(load_store(built / "test.safetensors"), "test/suppression-1")
        assert store.label.bool().tolist() == ((store.start >= 2.0) & (store.end <= 4.0)).tolist()

    def test_no_capture_is_read_against_a_profile_that_it_helped_to_fit(self, learning):
        # the only capture of its vehicle has no known profile, though the vehicle has one for others
        mine = of_capture(learning, "train/attack-free-4")
        assert not mine.graph_features[:, GRAPH_COLUMNS.index("known_present")].any()

    def test_a_capture_to_test_on_is_read_against_its_vehicles_profile(self, built):
        mine = of_capture(load_store(built / "test.safetensors"), "test/DoS-2")
        assert mine.graph_features[:, GRAPH_COLUMNS.index("known_present")].all()

    def test_an_unknown_vehicle_has_no_known_reading(self, built):
        mine = of_capture(load_store(built / "test.safetensors"), "test/suppression-1")
        assert not mine.graph_features[:, GRAPH_COLUMNS.index("known_present")].any()

    def test_attacked_captures_have_no_part_in_a_vehicles_profile(self, built):
        fitted_on = read_json(built.parent / "profiles/kia.json")["captures"]
        assert fitted_on == ["train/attack-free-1", "train/attack-free-2"]


def of_capture(store: GraphStore, name: str) -> GraphStore:
    return store.select((store.capture == store.captures.index(name)).nonzero().ravel())


@pytest.fixture(scope="module")
def relabelled(tmp_path_factory) -> GraphStore:
    """The capture to test on as built when its labels are others."""
    folder = tmp_path_factory.mktemp("relabelled")
    other = save(folder, "test", "DoS-2", "kia", replace(TESTED, attack=~TESTED.attack))
    store = load_store(build(folder, [*training_captures(folder), other]) / "test.safetensors")
    return of_capture(store, "test/DoS-2")


class TestLabels:
    @pytest.mark.parametrize("part", ["nodes", "edge_features", "graph_features", "edges", "node_start", "edge_start"])
    def test_labels_of_a_capture_to_test_on_do_not_touch_its(self, built, relabelled, part):
        plain = of_capture(load_store(built / "test.safetensors"), "test/DoS-2")
        np.testing.assert_array_equal(getattr(relabelled, part), getattr(plain, part))


class TestRefusals:
    def test_a_scenario_of_which_nothing_is_left_names_both_captures(self, tmp_path):
        frames = periodic(400, 1)
        parquets = [save(tmp_path, side, f"free-{side}", "kia", frames) for side in ("train", "test")]
        words = "test/free-test: one recording with train/free-train, which is trained on, and nothing else is left"
        with pytest.raises(DatasetError, match=words):
            build(tmp_path, parquets)

    def test_nothing_left_to_train_on_is_refused(self, tmp_path):
        frames = periodic(400, 1)
        parquets = [save(tmp_path, side, f"free-{side}", "kia", frames) for side in ("train", "test")]
        with pytest.raises(DatasetError, match="no training capture"):
            build(tmp_path, parquets, duplicates="exclude_training")

    def test_a_capture_shorter_than_a_window_is_named(self, tmp_path):
        parquet = save(tmp_path, "train", "free-1", "kia", periodic(19, 1))
        with pytest.raises(DatasetError, match=r"free-1.parquet: 19 frames are too few for one window of 20"):
            build(tmp_path, [parquet])

    def test_nothing_to_train_on_says_where_to_look(self, tmp_path):
        parquet = save(tmp_path, "test", "free-1", "kia", periodic(100, 1))
        with pytest.raises(DatasetError, match=r"no training capture; see dataset\.train"):
            build(tmp_path, [parquet])
