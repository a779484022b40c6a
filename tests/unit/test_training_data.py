"""What is trained on under each choice of training data, and what is not."""

from pathlib import Path

import pytest
from makers import periodic
from omegaconf import OmegaConf
from test_splits import GRAPH, flooded, save

from canids.artifacts import read_json
from canids.config import load_config
from canids.errors import DatasetError
from canids.graphs.build import build_graphs
from canids.graphs.store import GRAPH_COLUMNS, concatenate, load_store
from canids.schema import Fleet, Synthesis
from canids.simulate.fleet import fleet_tables, simulate_part
from canids.simulate.synthesis import synthesise
from canids.training_data import uses

SYNTHESIS = OmegaConf.structured(Synthesis)
FLEET = OmegaConf.merge(
    OmegaConf.structured(Fleet), {"vehicles": 5, "captures": 2, "shortest_drive": 5.0, "longest_drive": 5.0}
)
FREE, LABELLED, COPY = (
    {"train/attack-free-1", "train/attack-free-2"},
    "train/DoS-1",
    "synthesised/train-attack-free-1-0",
)


@pytest.fixture(scope="module")
def captures(tmp_path_factory) -> dict[str, list[Path]]:
    """Captures of a dataset, an attacked copy of one of them and of an attacked one, and a small fleet."""
    folder = tmp_path_factory.mktemp("captures")
    attacked = flooded(periodic(3000, 3), slice(300, 420), slice(900, 1500), slice(2200, 2400))
    dataset = [
        save(folder, "train", "attack-free-1", "kia", periodic(3000, 1)),
        save(folder, "train", "attack-free-2", "kia", periodic(3000, 2)),
        save(folder, "train", "DoS-1", "kia", attacked),
        save(folder, "test", "DoS-2", "kia", flooded(periodic(1000, 5), slice(500, 620))),
    ]
    copies = [folder / "synthesised" / name for name in ("free.parquet", "attacked.parquet")]
    for source, copy in zip((dataset[0], dataset[2]), copies, strict=True):
        synthesise(source, copy, SYNTHESIS, 0)
    simulate_part(folder / "fleet", 0, FLEET, SYNTHESIS)
    return {
        "dataset": dataset,
        "synthesised": copies,
        "fleet": [folder / "fleet" / name for name in fleet_tables(FLEET, 0)],
    }


def build(captures, out: Path, training_data: str, **arguments):
    """The graphs.json, and the store of all windows to train and to validate on."""
    parquets = [p for kind, each in captures.items() if kind == "dataset" or uses(training_data, kind) for p in each]
    settings = {"train": ["train"], "training_data": training_data, **arguments}
    build_graphs(parquets, graph=GRAPH, out=out / "graphs", profiles=out / "profiles", **settings)
    stores = [load_store(out / "graphs" / f"{part}.safetensors") for part in ("train", "val")]
    return read_json(out / "graphs" / "graphs.json"), concatenate(stores)


def learned_from(store) -> set[str]:
    return {store.captures[capture] for capture in store.capture.unique().tolist()}


@pytest.fixture(scope="module")
def fleet_alone(captures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fleet")
    return folder, *build(captures, folder, "fleet")


class TestChoices:
    def test_labelled_trains_on_the_datasets_own_attacks(self, captures, tmp_path):
        assert learned_from(build(captures, tmp_path, "labelled")[1]) == {*FREE, LABELLED}

    def test_synthesised_reads_no_labelled_attack(self, captures, tmp_path):
        graphs, store = build(captures, tmp_path, "synthesised")
        assert learned_from(store) == {*FREE, COPY}
        assert LABELLED not in graphs["captures"]

    def test_both_trains_on_both(self, captures, tmp_path):
        assert learned_from(build(captures, tmp_path, "both")[1]) >= {*FREE, LABELLED, COPY}

    def test_a_fleet_may_stand_beside_the_dataset(self, captures, tmp_path):
        learned = learned_from(build(captures, tmp_path, "synthesised+fleet")[1])
        assert {*FREE, COPY} < learned
        assert {name for name in learned - FREE if "fleet-" in name} == learned - {*FREE, COPY}

    @pytest.mark.parametrize(
        ("choice", "parts"),
        [
            ("labelled", {"labelled"}), ("both", {"labelled", "synthesised"}), ("fleet", {"fleet"}),
            ("both+fleet", {"labelled", "synthesised", "fleet"}), ("synthesised+fleet", {"synthesised", "fleet"}),
        ],
    )  # fmt: skip
    def test_a_choice_names_its_parts(self, choice, parts):
        assert {part for part in ("labelled", "synthesised", "fleet") if uses(choice, part)} == parts


class TestFleetAlone:
    def test_no_capture_of_the_dataset_is_trained_or_validated_on(self, fleet_alone):
        assert all("fleet-" in name for name in learned_from(fleet_alone[2]))

    def test_its_attack_free_captures_give_the_vehicles_profile(self, fleet_alone):
        folder, graphs, _ = fleet_alone
        assert set(graphs["profile_captures"]) == FREE
        assert set(read_json(folder / "profiles" / "kia.json")["captures"]) == FREE

    def test_the_captures_to_test_on_are_read_against_it(self, fleet_alone):
        store = load_store(fleet_alone[0] / "graphs" / "test.safetensors")
        assert store.graph_features[:, GRAPH_COLUMNS.index("known_present")].all()

    def test_a_drive_is_read_against_the_vehicles_other_drive(self, fleet_alone):
        _, _, store = fleet_alone
        assert store.graph_features[:, GRAPH_COLUMNS.index("known_present")].all()

    def test_a_vehicle_is_on_one_side_of_the_split(self, fleet_alone):
        _, graphs, store = fleet_alone
        vehicle = [graphs["captures"][store.captures[capture]]["vehicle"] for capture in store.capture.tolist()]
        role_of = set(zip(vehicle, store.role.tolist(), strict=True))
        assert len(role_of) == len(set(vehicle)) == FLEET.vehicles

    def test_every_role_has_a_vehicle(self, fleet_alone):
        assert len(set(fleet_alone[2].role.tolist())) == 4

    def test_no_profile_of_a_simulated_vehicle_is_kept(self, fleet_alone):
        assert {path.stem for path in (fleet_alone[0] / "profiles").iterdir()} == {"kia"}


class TestProfileScenarios:
    def test_their_attack_free_captures_are_profiled_and_neither_trained_nor_tested_on(self, captures, tmp_path):
        graphs, store = build(captures, tmp_path, "fleet", train=[], profile=["train"])
        assert set(graphs["profile_captures"]) == FREE
        assert not {*FREE, LABELLED} & set(graphs["captures"])
        assert all("fleet-" in name for name in learned_from(store))

    def test_a_recording_is_not_profiled_and_tested_on(self, captures, tmp_path):
        again = save(tmp_path, "test", "attack-free-3", "kia", periodic(3000, 1))
        more = {**captures, "dataset": [*captures["dataset"], again]}
        graphs, _ = build(more, tmp_path, "fleet")
        assert graphs["excluded_captures"] == {"test/attack-free-3": ["train/attack-free-1"]}


def test_a_fleet_that_was_not_simulated_leaves_nothing_to_train_on(captures, tmp_path):
    with pytest.raises(DatasetError, match="no training capture"):
        build({"dataset": captures["dataset"]}, tmp_path, "fleet")


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["dataset=demo"], "both"),
        (["dataset=hcrl_sa"], "both+fleet"),
        (["dataset=hcrl_sa", "training_data=labelled"], "labelled"),
    ],
    ids=["simulated", "recorded", "given"],
)
def test_what_is_not_given_depends_on_the_dataset(overrides, expected):
    assert load_config(Path(__file__).parents[2] / "config", overrides).training_data == expected
