"""The configuration: what gets through, what does not, and what the message says."""

from pathlib import Path

import pytest
import yaml
from omegaconf.errors import ReadonlyConfigError

from canids.config import known_datasets, load_config, section, settings_reference
from canids.errors import ConfigError

SHIPPED = Path(__file__).parents[2] / "config"


@pytest.fixture
def folder(tmp_path) -> Path:
    """A small configuration folder with two datasets."""
    contents = {
        "config.yaml": {"dataset": "one", "data_root": "here", "graph": {"window": 50}},
        "datasets/one.yaml": {"folder": "${data_root}/one", "train": ["a"], "vehicles": {"kia": "*-kia"}},
        "datasets/two.yaml": {"folder": "${data_root}/two"},
        "models/gat.yaml": {"dropout": 0.3, "teacher": {"hidden": 32}},
    }
    for name, content in contents.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(content))
    return tmp_path


def message(folder: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(folder, overrides)
    return str(caught.value)


class TestLayers:
    def test_a_setting_that_no_file_names_keeps_the_schemas_default(self, folder):
        assert load_config(folder).graph.stride == 100

    def test_the_file_of_defaults_wins_over_the_schema(self, folder):
        assert load_config(folder).graph.window == 50

    def test_an_override_wins_over_the_file_of_defaults(self, folder):
        assert load_config(folder, ["graph.window=60"]).graph.window == 60

    def test_an_override_wins_over_a_models_file(self, folder):
        assert load_config(folder, ["models.gat.teacher.hidden=8"]).models.gat.teacher.hidden == 8

    def test_an_override_wins_over_the_datasets_file(self, folder):
        assert load_config(folder, ["dataset.train=[b, c]"]).dataset.train == ["b", "c"]

    def test_an_override_leaves_its_neighbours_alone(self, folder):
        assert load_config(folder, ["models.gat.teacher.layers=2"]).models.gat.teacher.hidden == 32

    def test_the_last_of_two_equal_overrides_wins(self, folder):
        assert load_config(folder, ["graph.window=60", "graph.window=70"]).graph.window == 70

    def test_a_value_may_contain_an_equals_sign(self, folder):
        assert load_config(folder, ["data_root=a=b"]).data_root == "a=b"

    def test_the_folder_follows_the_data_root(self, folder):
        assert load_config(folder, ["data_root=/elsewhere"]).dataset.folder == "/elsewhere/one"

    def test_choosing_a_dataset_reads_its_file(self, folder):
        assert load_config(folder, ["dataset=two"]).dataset.folder == "here/two"

    def test_a_dataset_is_called_as_its_file(self, folder):
        assert load_config(folder, ["dataset=two"]).dataset.name == "two"

    def test_the_known_datasets_are_the_files_there(self, folder):
        assert known_datasets(folder) == ["one", "two"]

    def test_the_configuration_cannot_be_changed_afterwards(self, folder):
        with pytest.raises(ReadonlyConfigError):
            load_config(folder).graph.window = 60

    def test_a_section_holds_plain_resolved_values(self, folder):
        assert section(load_config(folder), "dataset", "strict")["dataset"]["folder"] == "here/one"

    @pytest.mark.parametrize("name", known_datasets(SHIPPED))
    def test_the_shipped_files_load(self, name):
        assert load_config(SHIPPED, [f"dataset={name}"]).dataset.train


class TestSynthesis:
    @pytest.mark.parametrize("what", ["synthesis.{}_span", "synthesis.{}_pause", "synthesis.{}_gap", "fleet.{}_drive"])
    def test_a_shortest_above_its_longest_is_refused(self, folder, what):
        shortest, longest = what.format("shortest"), what.format("longest")
        words = f"{shortest}: given 8.0, allowed: at most the longest (5.0)"
        assert message(folder, f"{shortest}=8", f"{longest}=5") == words

    def test_no_kind_at_all_is_refused(self, folder):
        kinds = ("dos", "fuzzing", "spoofing", "replay", "suppression", "masquerade")
        given = [f"synthesis.shares.{kind}=0" for kind in kinds]
        assert message(folder, *given).startswith("synthesis.shares: given 0 for every kind")


class TestUnknownSettings:
    def test_the_full_path_is_named(self, folder):
        assert message(folder, "models.gat.teacher.hiden=3").startswith("models.gat.teacher.hiden: unknown setting")

    def test_the_nearest_known_setting_is_named(self, folder):
        assert "nearest known: models.gat.teacher.hidden;" in message(folder, "models.gat.teacher.hiden=3")

    def test_what_was_given_is_named(self, folder):
        assert "given 3" in message(folder, "models.gat.teacher.hiden=3")

    def test_the_settings_allowed_there_are_listed(self, folder):
        assert message(folder, "simulate.sed=3").endswith("allowed here: seed, seconds")

    def test_one_in_the_file_of_defaults_is_refused(self, folder):
        (folder / "config.yaml").write_text("dataset: one\ngraph: {windw: 3}\n")
        assert message(folder).startswith("graph.windw: unknown setting")

    def test_one_in_a_datasets_file_is_refused(self, folder):
        (folder / "datasets/one.yaml").write_text("foldr: x\n")
        assert message(folder).startswith("dataset.foldr: unknown setting")

    def test_one_in_a_models_file_is_refused(self, folder):
        (folder / "models/gat.yaml").write_text("drop: 0.1\n")
        assert message(folder).startswith("models.gat.drop: unknown setting")

    def test_a_file_of_an_unknown_model_is_refused(self, folder):
        (folder / "models/gcn.yaml").write_text("dropout: 0.1\n")
        assert message(folder).startswith("models.gcn: unknown setting")

    def test_an_unknown_dataset_lists_the_known_ones(self, folder):
        assert message(folder, "dataset=three") == "dataset: unknown dataset 'three'; known: one, two"


class TestWrongValues:
    @pytest.mark.parametrize(
        "override, allowed",
        [
            ("graph.window=abc", "int, 4 to 255"),
            ("graph.window=50.5", "int, 4 to 255"),
            ("graph.window=null", "int, 4 to 255"),
            ("graph.window=[50]", "int, 4 to 255"),
            ("graph.window.x=50", "int, 4 to 255"),
            ("models.gat.lr=fast", "float, 1e-07 to 1"),
            ("strict=maybe", "bool"),
            ("seeds=3", "list[int]"),
            ("dataset.vehicles=kia", "dict[str, str]"),
            ("graph=50", "settings graph.<name>=<value>"),
        ],
    )
    def test_a_wrong_type_names_key_and_what_is_allowed(self, folder, override, allowed):
        key = override.partition("=")[0].removesuffix(".x")
        said = message(folder, override)
        assert (said.split(":")[0], said.partition("allowed: ")[2]) == (key, allowed)

    def test_a_wrong_type_names_what_was_given(self, folder):
        assert "given 'abc'" in message(folder, "graph.window=abc")

    @pytest.mark.parametrize(
        "override", ["graph.window=3", "graph.window=256", "models.gat.lr=0", "models.gat.lr=nan", "models.gat.lr=inf"]
    )
    def test_a_value_out_of_range_names_key_value_and_range(self, folder, override):
        key, _, given = override.partition("=")
        ranges = {"graph.window": "4 to 255", "models.gat.lr": "1e-07 to 1"}
        assert message(folder, override) in {f"{key}: given {each}, allowed: {ranges[key]}" for each in (given, "0.0")}

    @pytest.mark.parametrize("override", ["graph.window=4", "graph.window=255"])
    def test_the_ends_of_a_range_are_allowed(self, folder, override):
        assert f"graph.window={load_config(folder, [override]).graph.window}" == override

    def test_a_value_that_is_none_of_the_choices_lists_them(self, folder):
        assert message(folder, "training_data=some").startswith(
            "training_data: given 'some', allowed: one of auto, labelled, synthesised, both, fleet"
        )

    def test_a_wrong_element_of_a_list_is_named(self, folder):
        assert message(folder, "seeds=[1, x]") == "seeds[1]: given 'x', allowed: list[int]"

    def test_a_wrong_value_in_a_mapping_is_named(self, folder):
        assert message(folder, "dataset.vehicles.kia=[1]").startswith("dataset.vehicles.kia: given [1], allowed: ")

    def test_a_mapping_of_another_kind_of_name_is_refused(self, folder):
        (folder / "datasets/one.yaml").write_text("vehicles: {1: x}\n")
        assert message(folder).startswith("dataset.vehicles")

    def test_a_wrong_value_in_a_file_is_refused(self, folder):
        (folder / "models/gat.yaml").write_text("dropout: 7\n")
        assert message(folder) == "models.gat.dropout: given 7.0, allowed: 0 to 0.9"

    def test_no_seed_at_all_is_refused(self, folder):
        assert message(folder, "seeds=[]").startswith("seeds: ")

    def test_a_negative_seed_is_refused(self, folder):
        assert message(folder, "seeds=[-1]").startswith("seeds")

    def test_an_interpolation_to_nowhere_is_refused(self, folder):
        assert message(folder, "dataset.folder=${nope}/x").startswith("dataset.folder: ")


class TestUnreadable:
    def test_an_override_without_a_value_says_how_to_write_one(self, folder):
        assert message(folder, "strict").startswith("'strict' is not a setting; write key=value")

    @pytest.mark.parametrize("override", ["graph.window=[", "seeds[0]=4"])
    def test_an_override_that_cannot_be_read_is_named(self, folder, override):
        assert override in message(folder, override)

    def test_a_missing_folder_is_named(self, tmp_path):
        assert str(tmp_path / "none/config.yaml") in message(tmp_path / "none")

    @pytest.mark.parametrize("text", ["graph: [", "- a list", "just text"])
    def test_a_file_that_is_no_mapping_is_named(self, folder, text):
        (folder / "models/gat.yaml").write_text(text)
        assert str(folder / "models/gat.yaml") in message(folder)


class TestReference:
    def test_it_names_each_setting_once(self):
        keys = [key for key, *_ in settings_reference()]
        assert sorted(keys) == sorted({*keys, "models.gat.curriculum.refresh"})

    def test_the_defaults_it_names_are_in_force(self, folder):
        listed = {key: default for key, default, *_ in settings_reference()}
        assert listed["graph.stride"] == str(load_config(folder).graph.stride)
