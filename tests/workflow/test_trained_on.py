"""Training data as a choice: which jobs it takes, and the simulated fleet from its rule to the graph stores."""

import pytest
from test_cli_matches_workflow import digest
from test_errors import canids
from test_reruns import BOTH, TRAINING

from canids.artifacts import read_json

AFTER = {"graphs": 1, "baselines": 1, **TRAINING, **BOTH}
FLEET = "training_data=fleet fleet.vehicles=4 fleet.captures=2 fleet.shortest_drive=5 fleet.longest_drive=6"
STORES = ("train", "val", "test_02_unknown_vehicle_known_attack")


@pytest.mark.parametrize(
    ("setting", "jobs"),
    [
        ("training_data=labelled", AFTER),
        ("training_data=synthesised", AFTER),
        ("training_data=fleet fleet.vehicles=25", {"simulate_fleet": 2, **AFTER}),
        ("training_data=both+fleet", {"simulate_fleet": 5, **AFTER}),
        ("synthesis.rare=0.1", {"synthesise": 3, **AFTER}),
        ("synthesis.copies=2", {"synthesise": 3, **AFTER}),
        ("fleet.vehicles=25", {}),
    ],
)
def test_a_choice_of_training_data_takes_the_jobs_that_it_needs(demo, setting, jobs):
    assert demo.needed(settings=setting) == jobs


def test_the_fleet_is_simulated_once_and_trained_on_by_the_cli_as_by_the_workflow(demo_copy):
    graphs = demo_copy.results("demo", "graphs")
    target = str((graphs / "graphs.json").relative_to(demo_copy.folder))
    done = demo_copy.snakemake(target, settings=FLEET)
    assert done.returncode == 0, done.stdout + done.stderr
    captures = read_json(graphs / "graphs.json")["captures"]
    learned = [key for key, capture in captures.items() if "test" not in capture["windows_by_role"]]
    assert learned and all("fleet-" in key for key in learned)
    assert demo_copy.needed(target, settings=FLEET) == {}
    before = {name: digest(graphs / f"{name}.safetensors") for name in STORES}
    (part,) = demo_copy.results("fleet").glob("4-vehicles-*/part-0")
    tables = {path.name: digest(path) for path in part.glob("*.parquet")}
    for command in ("simulate-fleet", "graphs"):
        done = canids(command, "simulate.seconds=12", "synthesis.copies=1", *FLEET.split(), folder=demo_copy.folder)
        assert done.returncode == 0, done.stderr
    assert {path.name: digest(path) for path in part.glob("*.parquet")} == tables
    assert {name: digest(graphs / f"{name}.safetensors") for name in STORES} == before


def test_a_choice_without_a_fleet_has_none_to_simulate(demo):
    done = canids("simulate-fleet", folder=demo.folder)
    assert (done.returncode, "training_data=both holds no fleet" in done.stderr) == (2, True)
