"""The graph store on disk and in parts, and batches gathered from it, held against a loop over graphs."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import rng
from safetensors.torch import load_file, save_file

from canids.errors import ArtifactError
from canids.graphs.batches import (
    EDGE_INPUTS,
    EDGE_INPUTS_OF,
    NODE_INPUT_NAMES,
    NODE_INPUTS,
    NODE_INPUTS_OF,
    PRESENT,
    GraphBatch,
    budget_batches,
    gather,
    present_inputs,
    reading_draws,
    without_readings,
)
from canids.graphs.store import (
    EDGE_COLUMNS,
    GRAPH_COLUMNS,
    NODE_COLUMNS,
    READINGS,
    GraphStore,
    concatenate,
    load_store,
    save_store,
    store_of_arrays,
)

WINDOW_ARRAYS = ("label", "attack_type", "capture", "role", "position", "last_frame", "start", "end", "graph_features")
IDS = np.array([0x7, 0x2A0, 0x80000007])
fast = settings(max_examples=60, deadline=None)
picks = st.lists(st.integers(0, 19), max_size=30)


def made_up(windows: int, seed: int = 0) -> GraphStore:
    """Graphs of 1 to 9 nodes and 0 to 12 edges, full of random numbers."""
    random = rng(seed)
    nodes, edges = random.integers(1, 10, windows), random.integers(0, 13, windows)
    node_start, edge_start = (np.concatenate([[0], np.cumsum(count)]) for count in (nodes, edges))
    return store_of_arrays(
        nodes=random.normal(size=(node_start[-1], len(NODE_COLUMNS))),
        node_start=node_start,
        node_id=random.integers(0, len(IDS), node_start[-1]),
        node_frames=random.integers(1, 256, node_start[-1]),
        ids=IDS,
        edges=random.integers(0, 1 << 30, (2, edge_start[-1])) % np.repeat(nodes, edges),
        edge_start=edge_start,
        edge_features=random.normal(size=(edge_start[-1], len(EDGE_COLUMNS))),
        edge_frames=random.integers(1, 256, edge_start[-1]),
        graph_features=random.normal(size=(windows, len(GRAPH_COLUMNS))),
        label=random.integers(0, 2, windows),
        attack_type=random.integers(0, 3, windows),
        capture=random.integers(0, 2, windows),
        role=random.integers(-1, 5, windows),
        position=np.arange(windows),
        last_frame=np.arange(windows),
        start=random.random(windows),
        end=1 + random.random(windows),
        captures=("train/a", "test/b"),
        attack_types=("attack-free", "DoS", "fuzzing"),
    )


STORE = made_up(20)


def graph(store: GraphStore, window: int) -> dict[str, torch.Tensor]:
    """One window's graph, looked up by its offsets."""
    nodes, edges = (slice(int(start[window]), int(start[window + 1])) for start in (store.node_start, store.edge_start))
    return {
        "nodes": store.nodes[nodes],
        "node_id": store.node_id[nodes],
        "node_frames": store.node_frames[nodes],
        "edges": store.edges[:, edges],
        "edge_features": store.edge_features[edges],
        "edge_frames": store.edge_frames[edges],
        **{name: getattr(store, name)[window] for name in WINDOW_ARRAYS},
    }


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def same_store(one: GraphStore, other: GraphStore) -> bool:
    return all(
        torch.equal(value, getattr(other, name)) if torch.is_tensor(value) else value == getattr(other, name)
        for name, value in vars(one).items()
    )


class TestOnDisk:
    def test_a_store_survives_the_round_trip(self, tmp_path):
        save_store(tmp_path / "a.safetensors", STORE)
        assert same_store(load_store(tmp_path / "a.safetensors"), STORE)

    def test_types_survive_the_round_trip(self, tmp_path):
        save_store(tmp_path / "a.safetensors", STORE)
        loaded = load_store(tmp_path / "a.safetensors")
        assert [loaded.nodes.dtype, loaded.edges.dtype] == [torch.float16, torch.uint8]

    @pytest.mark.parametrize(("count", "kind"), [(32_767, torch.int16), (32_768, torch.int32)])
    def test_places_of_ids_take_four_bytes_only_where_two_are_too_few(self, count, kind):
        arrays = {name: value if isinstance(value, tuple) else value.numpy() for name, value in vars(STORE).items()}
        assert store_of_arrays(**{**arrays, "ids": np.arange(count)}).node_id.dtype == kind

    def test_a_store_without_windows_survives_too(self, tmp_path):
        save_store(tmp_path / "a.safetensors", STORE.select(torch.arange(0)))
        assert len(load_store(tmp_path / "a.safetensors")) == 0

    def refusal(self, path) -> str:
        with pytest.raises(ArtifactError) as caught:
            load_store(path)
        return str(caught.value)

    def test_a_missing_store_is_named(self, tmp_path):
        assert self.refusal(tmp_path / "a.safetensors").startswith(f"{tmp_path / 'a.safetensors'}: not a graph store")

    def test_a_truncated_store_is_refused(self, tmp_path):
        save_store(tmp_path / "a.safetensors", STORE)
        (tmp_path / "b.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:-50])
        assert "not a graph store" in self.refusal(tmp_path / "b.safetensors")

    def test_another_safetensors_file_is_refused(self, tmp_path):
        save_file({"weight": torch.ones(3)}, tmp_path / "a.safetensors")
        assert "not a graph store" in self.refusal(tmp_path / "a.safetensors")

    def test_a_store_without_its_names_is_refused(self, tmp_path):
        save_store(tmp_path / "a.safetensors", STORE)
        save_file(load_file(tmp_path / "a.safetensors"), tmp_path / "b.safetensors")
        assert "not a graph store" in self.refusal(tmp_path / "b.safetensors")

    @pytest.mark.parametrize("name", ["nodes", "edge_features", "graph_features"])
    def test_other_features_are_refused_by_name(self, tmp_path, name):
        save_store(tmp_path / "a.safetensors", replace(STORE, **{name: getattr(STORE, name)[:, 1:]}))
        assert f"{name} has {getattr(STORE, name).shape[1] - 1} columns" in self.refusal(tmp_path / "a.safetensors")


class TestParts:
    @fast
    @given(windows=picks)
    def test_selected_windows_keep_their_graphs(self, windows):
        part = STORE.select(torch.tensor(windows, dtype=torch.int64))
        assert all(same(graph(part, i), graph(STORE, w)) for i, w in enumerate(windows))

    @fast
    @given(windows=picks)
    def test_a_selection_holds_nothing_else(self, windows):
        part = STORE.select(torch.tensor(windows, dtype=torch.int64))
        sizes = [graph(STORE, w) for w in windows]
        assert (len(part), len(part.nodes), part.edges.shape[1]) == (
            len(windows),
            sum(len(each["nodes"]) for each in sizes),
            sum(each["edges"].shape[1] for each in sizes),
        )

    @fast
    @given(cut=st.integers(0, 20))
    def test_halves_concatenated_are_the_whole(self, cut):
        halves = [STORE.select(torch.arange(cut)), STORE.select(torch.arange(cut, 20))]
        assert same_store(concatenate(halves), STORE)

    def test_the_numbers_of_nodes_add_up(self):
        assert STORE.nodes_per_window().tolist() == [len(graph(STORE, w)["nodes"]) for w in range(20)]


class TestWithout:
    def test_its_columns_are_zero_and_no_others(self):
        part = STORE.without("known")
        for name, columns in (
            ("nodes", NODE_COLUMNS),
            ("edge_features", EDGE_COLUMNS),
            ("graph_features", GRAPH_COLUMNS),
        ):
            known = torch.tensor([column.startswith("known_") for column in columns])
            assert not getattr(part, name)[:, known].any()
            assert torch.equal(getattr(part, name)[:, ~known], getattr(STORE, name)[:, ~known])

    def test_the_given_store_stays_as_it_was(self):
        before = STORE.nodes.clone()
        STORE.without("own")
        assert torch.equal(STORE.nodes, before)

    def test_readings_tell_which_speak(self):
        graph = torch.zeros(4, len(GRAPH_COLUMNS), dtype=torch.float16)
        graph[[1, 3], GRAPH_COLUMNS.index("known_present")] = 1
        graph[[2, 3], GRAPH_COLUMNS.index("own_present")] = 1
        assert replace(STORE, graph_features=graph).read_by.tolist() == [0, 1, 2, 3]


class TestGather:
    @fast
    @given(windows=picks)
    def test_a_batch_is_a_loop_over_graphs(self, windows):
        batch = gather(STORE, torch.tensor(windows, dtype=torch.int64))
        x, edge_index, edge_attr, owner = [], [], [], []
        for g, window in enumerate(windows):
            each = graph(STORE, window)
            offset = sum(map(len, x))
            whole = each["graph_features"].float().expand(len(each["nodes"]), -1)
            x.append(torch.cat([each["nodes"].float(), each["node_frames"][:, None].float().log(), whole], dim=1))
            edge_index.append(each["edges"].long() + offset)
            edge_attr.append(torch.cat([each["edge_features"].float(), each["edge_frames"][:, None].log()], dim=1))
            owner += [g] * len(each["nodes"])
        for got, expected in (
            (batch.x, torch.cat([torch.empty(0, NODE_INPUTS), *x])),
            (batch.edge_index, torch.cat([torch.empty(2, 0, dtype=torch.int64), *edge_index], dim=1)),
            (batch.edge_attr, torch.cat([torch.empty(0, EDGE_INPUTS), *edge_attr])),
            (batch.batch, torch.tensor(owner, dtype=torch.int64)),
        ):
            assert torch.equal(got, expected)

    @fast
    @given(windows=picks)
    def test_labels_are_those_of_the_windows(self, windows):
        assert gather(STORE, torch.tensor(windows, dtype=torch.int64)).y.tolist() == [
            int(STORE.label[w]) for w in windows
        ]

    @fast
    @given(windows=picks)
    def test_pyg_graphs_are_those_of_the_windows(self, windows):
        graphs = gather(STORE, torch.tensor(windows, dtype=torch.int64)).to_data_list()
        assert len(graphs) == len(windows)
        for data, window in zip(graphs, windows, strict=True):
            each = graph(STORE, window)
            assert torch.equal(data.edge_index, each["edges"].long())
            assert torch.equal(data.edge_attr[:, : len(EDGE_COLUMNS)], each["edge_features"].float())
            assert torch.equal(data.x[:, : len(NODE_COLUMNS)], each["nodes"].float())

    def test_a_windows_graph_does_not_depend_on_its_batch(self):
        alone, together = gather(STORE, torch.tensor([7])), gather(STORE, torch.tensor([3, 7, 5]))
        assert torch.equal(together.to_data_list()[1].x, alone.x)


class TestBudget:
    orders = st.permutations(range(20)).map(torch.tensor)

    @fast
    @given(order=orders, budget=st.integers(1, 60))
    def test_each_window_comes_once_and_in_order(self, order, budget):
        assert torch.cat(list(budget_batches(STORE, order, budget))).tolist() == order.tolist()

    @fast
    @given(order=orders, budget=st.integers(1, 60))
    def test_the_nodes_stay_within_the_budget(self, order, budget):
        nodes = STORE.nodes_per_window()
        for batch in budget_batches(STORE, order, budget):
            assert len(batch) == 1 or nodes[batch].sum() <= budget

    @fast
    @given(order=orders, budget=st.integers(1, 60))
    def test_no_batch_had_room_for_the_next_window(self, order, budget):
        nodes = STORE.nodes_per_window()
        for batch, following in itertools.pairwise(budget_batches(STORE, order, budget)):
            assert nodes[batch].sum() + nodes[following[0]] > budget

    def test_no_windows_make_no_batch(self):
        assert list(budget_batches(STORE, torch.arange(0), 10)) == []


BATCH = gather(made_up(400, 1), torch.arange(400))


def dropped(chance: float, seed: int = 0) -> GraphBatch:
    draw = reading_draws(BATCH.num_graphs, torch.Generator().manual_seed(seed), for_gpu=False)
    return without_readings(BATCH, chance, draw)


def lost(batch: GraphBatch) -> dict[str, torch.Tensor]:
    """Reading → (B,) bool, which graphs have only zeros in its columns."""
    blank = {reading: (batch.x[:, NODE_INPUTS_OF[reading]] == 0).all(dim=1) for reading in READINGS}
    return {reading: blank[reading][batch.node_start[:-1]] for reading in READINGS}


class TestDropReadings:
    @pytest.mark.parametrize("reading", READINGS)
    def test_a_lost_reading_is_zero_in_every_node_of_the_graph(self, reading):
        batch = dropped(0.6)
        nodes = lost(batch)[reading][batch.batch]
        assert not batch.x[nodes][:, NODE_INPUTS_OF[reading]].any()

    @pytest.mark.parametrize("reading", READINGS)
    def test_a_lost_reading_is_zero_in_every_edge_of_the_graph(self, reading):
        batch = dropped(0.6)
        edges = lost(batch)[reading][batch.batch[batch.edge_index[0]]]
        assert not batch.edge_attr[edges][:, EDGE_INPUTS_OF[reading]].any()

    @pytest.mark.parametrize("reading", READINGS)
    def test_a_reading_that_is_kept_is_untouched_in_nodes(self, reading):
        batch = dropped(0.6)
        kept, columns = ~lost(batch)[reading][batch.batch], NODE_INPUTS_OF[reading]
        assert torch.equal(batch.x[kept][:, columns], BATCH.x[kept][:, columns])

    @pytest.mark.parametrize("reading", READINGS)
    def test_a_reading_that_is_kept_is_untouched_in_edges(self, reading):
        batch = dropped(0.6)
        kept, columns = ~lost(batch)[reading][batch.batch[batch.edge_index[0]]], EDGE_INPUTS_OF[reading]
        assert torch.equal(batch.edge_attr[kept][:, columns], BATCH.edge_attr[kept][:, columns])

    def test_columns_of_no_reading_are_untouched(self):
        of_readings = {column for reading in READINGS for column in NODE_INPUTS_OF[reading]}
        others = [column for column in range(NODE_INPUTS) if column not in of_readings]
        assert [NODE_INPUT_NAMES[column] for column in others] == ["log_frames"]
        assert torch.equal(dropped(0.6).x[:, others], BATCH.x[:, others])

    def test_the_given_batch_stays_as_it_was(self):
        before = BATCH.x.clone()
        dropped(0.6)
        assert torch.equal(BATCH.x, before)

    def test_without_a_chance_nothing_is_lost(self):
        assert torch.equal(dropped(0.0).x, BATCH.x)

    @pytest.mark.parametrize("chance", [0.3, 0.6])
    def test_shares_are_as_told(self, chance):
        counts = np.zeros(3)
        for seed in range(10):
            known, own = lost(dropped(chance, seed)).values()
            counts += [int(each.sum()) for each in (known & ~own, own & ~known, known & own)]
        np.testing.assert_allclose(counts / 4000, [chance / 2, chance / 2, chance / 3], atol=0.03)

    def test_a_lost_reading_is_flagged_as_missing(self):
        batch = dropped(0.6)
        nodes = lost(batch)["own"][batch.batch]
        assert not batch.x[nodes, PRESENT["own"]].any()


class TestPresentInputs:
    def test_inputs_of_a_missing_reading_are_masked(self):
        x = torch.ones(1, NODE_INPUTS)
        x[:, PRESENT["known"]] = 0
        assert (present_inputs(x)[0] == 0).nonzero().ravel().tolist() == NODE_INPUTS_OF["known"]

    def test_with_both_readings_nothing_is_masked(self):
        assert present_inputs(torch.ones(3, NODE_INPUTS)).all()
