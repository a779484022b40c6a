"""The catalogue: which captures a dataset has in whatever layout, and what of it is at hand."""

import re
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from canids.catalogue.captures import captures_on_disk
from canids.catalogue.presence import State, missing_lines, presence_of
from canids.errors import DatasetError
from canids.frames.frames import ATTACK_FREE
from canids.schema import Dataset, RemoteFile


def fill(folder: Path, *names: str, content: str = "x") -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.fixture
def dataset(tmp_path):
    """A dataset with one capture to train on and one, gzipped, to test on."""
    fill(tmp_path, "train/free-kia.csv", "test/DoS-kia.csv.gz", "test/notes.txt")
    return OmegaConf.merge(
        OmegaConf.structured(Dataset),
        {
            "name": "made-up",
            "folder": str(tmp_path),
            "source": "the moon",
            "train": ["train"],
            "test": ["test"],
            "vehicles": {"kia": "*-kia"},
            "attacks": {"DoS": "*/DoS-*"},
        },
    )


def keys(dataset) -> list[str]:
    return [capture.key for capture in captures_on_disk(dataset)]


def refusal(dataset) -> str:
    with pytest.raises(DatasetError) as caught:
        captures_on_disk(dataset)
    return str(caught.value)


class TestCaptures:
    def test_captures_are_the_plain_and_gzipped_csv_files(self, dataset):
        assert keys(dataset) == ["train/free-kia", "test/DoS-kia"]

    def test_globs_tell_the_attack_type(self, dataset):
        assert [capture.attack_type for capture in captures_on_disk(dataset)] == [ATTACK_FREE, "DoS"]

    def test_a_missing_folder_says_where_to_obtain_the_captures(self, dataset):
        dataset.folder = "/nowhere"
        assert refusal(dataset).startswith(
            "/nowhere: the folder of dataset 'made-up' is missing; obtain the captures from the moon"
        )

    def test_a_missing_folder_names_the_command_that_fetches_it(self, dataset):
        dataset.folder, dataset.files = "/nowhere", {"a.zip": RemoteFile(url="https://the.moon")}
        assert "with canids fetch made-up, or from the moon" in refusal(dataset)

    def test_the_publishers_name_of_the_folder_serves_too(self, dataset):
        dataset.folder, dataset.publishers_folder = "/nowhere", dataset.folder
        assert keys(dataset) == ["train/free-kia", "test/DoS-kia"]

    def test_a_scenario_without_captures_is_named(self, dataset):
        dataset.test = ["test", "test_2"]
        assert re.search(r"test_2/\*: no capture \(.*\*\.csv.*\.gz.*of scenario test_2", refusal(dataset))

    def test_an_optional_scenario_may_be_missing(self, dataset):
        dataset.test, dataset.optional = ["test", "test_2"], ["test_2"]
        assert keys(dataset) == ["train/free-kia", "test/DoS-kia"]

    def test_a_capture_of_no_known_vehicle_is_named(self, dataset, tmp_path):
        fill(tmp_path, "test/DoS-spark.csv")
        assert "no glob of dataset.vehicles fits 'test/DoS-spark'" in refusal(dataset)

    def test_two_files_for_one_capture_are_refused(self, dataset, tmp_path):
        fill(tmp_path, "test/DoS-kia.csv")
        assert "a second file for capture test/DoS-kia" in refusal(dataset)

    def test_globs_that_leave_nothing_to_train_on_are_refused(self, dataset):
        dataset.captures = ["test/*"]
        assert refusal(dataset).endswith("leaves no capture to train")


class TestOtherLayouts:
    @pytest.fixture
    def flat(self, dataset, tmp_path):
        """Files side by side, told apart by name."""
        fill(tmp_path / "flat", "normal.csv", "DoS.csv", "fuzzing.csv", "drives/kia/mon.log.gz", "drives/soul/mon.log")
        dataset.folder, dataset.vehicles = str(tmp_path / "flat"), {"any": "*"}
        dataset.scenarios = {"train": ["normal*"], "test": ["*.csv"]}
        return dataset

    def test_globs_tell_the_scenario(self, flat):
        assert keys(flat) == ["train/normal", "test/DoS", "test/fuzzing"]

    def test_a_file_counts_for_the_first_scenario_only(self, flat):
        flat.scenarios = {"test": ["*.csv"], "train": ["normal*", "drives/*/*"]}
        assert keys(flat) == ["train/kia-mon", "train/soul-mon", "test/DoS", "test/fuzzing", "test/normal"]

    def test_what_a_scenario_that_no_one_uses_takes_is_left_out(self, flat):
        flat.scenarios = {"train": ["normal*"], "unlabelled": ["fuzzing*"], "test": ["*.csv"]}
        assert keys(flat) == ["train/normal", "test/DoS"]

    @pytest.mark.parametrize(
        ("glob", "names"),
        [
            ("drives/*/*", ["kia-mon", "soul-mon"]),
            ("**/mon*", ["drives-kia-mon", "drives-soul-mon"]),
            ("drives/kia/*", ["mon"]),
            ("drives/kia/mon.log.gz", ["mon"]),
        ],
    )
    def test_folders_that_a_glob_leaves_open_are_part_of_the_name(self, flat, glob, names):
        flat.scenarios.train = [glob]
        assert [key for key in keys(flat) if key.startswith("train")] == [f"train/{name}" for name in names]

    def test_hidden_files_and_what_a_mac_adds_are_no_captures(self, flat, tmp_path):
        fill(tmp_path / "flat", ".hidden.csv", "__MACOSX/a.csv", ".git/b.csv")
        flat.scenarios.test = ["**/*.csv"]
        assert keys(flat) == ["train/normal", "test/DoS", "test/fuzzing"]

    def test_a_glob_outside_the_folder_is_refused(self, flat):
        flat.scenarios.train = ["/etc/*"]
        assert refusal(flat) == "dataset.scenarios: given '/etc/*', allowed: globs over paths beneath dataset.folder"

    def test_a_name_that_the_workflow_would_take_for_a_wildcard_is_refused(self, flat, tmp_path):
        fill(tmp_path / "flat", "normal{x}.csv")
        assert "normal{x}.csv: braces in a capture's name" in refusal(flat)


class TestPresence:
    def test_a_dataset_with_all_its_captures_is_complete(self, dataset):
        dataset.expected = {"train": ["free-kia"], "test": ["DoS-*"]}
        assert presence_of(dataset).state is State.COMPLETE

    def test_what_is_missing_is_named(self, dataset):
        dataset.expected = {"train": ["free-kia", "free-spark"], "test": ["DoS-kia"]}
        presence = presence_of(dataset)
        assert (presence.state, presence.missing) == (State.INCOMPLETE, ("train/free-spark",))

    def test_what_is_missing_is_shown_by_scenario(self, dataset):
        dataset.expected = {"train": ["a", "b"], "test": ["DoS-kia", "c"]}
        assert missing_lines(presence_of(dataset))[1:] == ["  train: a, b", "  test: c"]

    def test_an_empty_file_is_missing(self, dataset, tmp_path):
        fill(tmp_path, "train/free-kia.csv", content="")
        dataset.expected = {"train": ["free-kia"]}
        assert presence_of(dataset).missing == ("train/free-kia",)

    def test_a_dataset_of_which_nothing_is_there_is_absent(self, dataset):
        dataset.folder, dataset.expected = "/nowhere", {"train": ["free-kia"]}
        assert presence_of(dataset).state is State.ABSENT

    def test_a_missing_companion_is_named(self, dataset, tmp_path):
        dataset.reading.attack_intervals = str(tmp_path / "intervals.csv")
        assert presence_of(dataset).missing == (str(tmp_path / "intervals.csv"),)

    def test_scenarios_that_are_not_used_count_too(self, dataset, tmp_path):
        fill(tmp_path, "more/a.csv")
        dataset.scenarios, dataset.expected = {"more": ["more/*"]}, {"more": ["a"]}
        assert presence_of(dataset).state is State.COMPLETE
