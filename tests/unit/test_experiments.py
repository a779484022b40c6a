"""Experiments: what a file of config/experiments may say, and the variants that it makes."""

import shutil
from pathlib import Path

import pytest

from canids.config import load_config
from canids.errors import ConfigError
from canids.experiments import load_experiment, variants_of
from canids.workflow import experiment_name

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture
def folder(tmp_path) -> Path:
    shutil.copytree(CONFIG, tmp_path / "config")
    return tmp_path / "config"


def write(folder: Path, text: str, name: str = "mine") -> None:
    (folder / "experiments" / f"{name}.yaml").write_text(text)


def variants(folder: Path, text: str, dataset: str = "demo", overrides: tuple[str, ...] = ()):
    write(folder, text)
    return variants_of(folder, "mine", load_experiment(folder, "mine"), dataset, overrides)


class TestFile:
    @pytest.mark.parametrize("path", sorted((CONFIG / "experiments").glob("*.yaml")), ids=lambda path: path.stem)
    def test_each_shipped_experiment_is_allowed_and_says_what_it_compares(self, path):
        experiment = load_experiment(CONFIG, path.stem)
        assert experiment.title
        assert variants_of(CONFIG, path.stem, experiment, "demo", []) or experiment.search.settings

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("varaints: {a: ''}", "mine.yaml: varaints: unknown setting .*nearest known: variants"),
            ("variants: {a: ''}\nseeds: [x]", "mine.yaml: seeds.*given 'x'"),
            ("variants: {a: ''}\nseeds: [1, 1]", "mine.yaml: seeds: given .*each once"),
            ("variants: {a: ''}\nseeds: [-1]", "mine.yaml: seeds: given .*at least 0"),
            ("variants: {a: ''}\nscales: [pupil]", "mine.yaml: scales: given .*teacher, student, or both"),
            ("variants: {a: ''}\nscales: []", "mine.yaml: scales: given"),
            ("variants: {a: ''}\nleave_out: frame", "mine.yaml: leave_out: given 'frame', allowed: one of nothing"),
            ("variants: {a: '', a: fusion.gamma=0}", "mine.yaml: not YAML: 'a' is there twice.*line 1"),
            ("variants: {a b: ''}", "mine.yaml: variants: given name 'a b', allowed: letters"),
            ("variants: {}", "mine.yaml: variants: none given"),
            ("variants: [a]", "mine.yaml: cannot be merged"),
            ("[a]", "mine.yaml: given list, allowed: a mapping"),
        ],
    )
    def test_what_is_not_allowed_is_one_message_with_the_file_and_the_key(self, folder, text, message):
        write(folder, text)
        with pytest.raises(ConfigError, match=message):
            load_experiment(folder, "mine")

    def test_an_unknown_experiment_is_answered_with_the_known_ones(self):
        with pytest.raises(ConfigError, match="unknown experiment 'nonsense'; known: ablation, "):
            load_experiment(CONFIG, "nonsense")


class TestVariants:
    def test_a_variant_is_the_configuration_with_its_settings(self, folder):
        made = variants(folder, "variants: {a: 'fusion.gamma=0.5 graph.leave_out=[z]', b: ''}")
        assert (made["a"].fusion.gamma, list(made["a"].graph.leave_out)) == (0.5, ["z"])
        assert made["b"] == load_config(folder, ["dataset=demo"])

    def test_the_runs_settings_hold_in_every_variant_and_its_own_come_last(self, folder):
        made = variants(folder, "variants: {a: fusion.gamma=0.5, b: ''}", overrides=("fusion.gamma=0.7", "strict=true"))
        assert [(each.fusion.gamma, each.strict) for each in made.values()] == [(0.5, True), (0.7, True)]

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ("fusion.gama=0", "mine.yaml: variant a: fusion.gama: unknown setting"),
            ("fusion.gamma=2", "mine.yaml: variant a: fusion.gamma: given 2.0, allowed: 0 to 0.999"),
            ("graph.leave_out=[zz]", "mine.yaml: variant a: graph.leave_out: given .*one of known, own, z"),
            ("fusion.gamma", "mine.yaml: variant a: 'fusion.gamma' is not a setting"),
            ("x='1", "mine.yaml: variant a: given .*allowed: key=value"),
            ("results=elsewhere", "mine.yaml: variant a: results: no variant may set it"),
            ("seeds=[2]", "mine.yaml: variant a: seeds: no variant may set it"),
            ("dataset=hcrl_sa", "mine.yaml: variant a: dataset: no variant may set it"),
            ("simulate.seed=2", "mine.yaml: variant a: simulate.seed: no variant may set it"),
        ],
    )
    def test_a_wrong_setting_names_the_file_and_the_variant(self, folder, words, message):
        with pytest.raises(ConfigError, match=message):
            variants(folder, f'variants: {{a: "{words}"}}')


class TestLeaveOut:
    def made(self, folder, what):
        return variants(folder, f"leave_out: {what}")

    def captures(self, config):
        from canids.catalogue import captures_of

        return captures_of(config)

    def test_there_is_a_variant_for_each_vehicle_that_is_tested_on(self, folder):
        assert list(self.made(folder, "vehicle")) == ["without-alpha", "without-bravo", "without-charlie"]

    def test_the_vehicle_left_out_is_tested_on_alone_and_not_trained_on(self, folder):
        config = self.made(folder, "vehicle")["without-alpha"]
        by_use = {use: {c.vehicle for c in self.captures(config) if c.scenario in config.dataset[use]}
                  for use in ("train", "test")}  # fmt: skip
        assert by_use == {"train": {"bravo"}, "test": {"alpha"}}

    def test_the_attack_left_out_is_tested_on_alone_and_attack_free_captures_are_trained_on(self, folder):
        config = self.made(folder, "attack")["without-DoS"]
        trained = {c.attack_type for c in self.captures(config) if c.scenario in config.dataset.train}
        tested = {c.attack_type for c in self.captures(config) if c.scenario in config.dataset.test}
        assert "attack-free" in trained and "DoS" not in trained and len(trained) > 1
        assert tested == {"DoS"}

    def test_a_variant_of_the_same_name_is_refused(self, folder):
        with pytest.raises(ConfigError, match="variant without-alpha: leave_out makes one of that name"):
            variants(folder, "leave_out: vehicle\nvariants: {without-alpha: ''}")


class TestName:
    @pytest.mark.parametrize(
        ("overrides", "targets", "name"),
        [
            ([], [], None),
            ([], ["all"], None),
            (["experiment=demo"], ["sweep"], "demo"),
            ([], ["ablation"], "ablation"),
            (["experiment=ablation"], ["ablation"], "ablation"),
        ],
    )
    def test_it_is_the_configured_one_or_the_targets(self, overrides, targets, name):
        assert experiment_name(load_config(CONFIG, overrides), CONFIG, targets) == name

    @pytest.mark.parametrize(("overrides", "targets"), [([], ["sweep"]), (["experiment=demo"], ["ablation"])])
    def test_none_and_two_are_refused(self, overrides, targets):
        with pytest.raises(ConfigError, match="experiment: "):
            experiment_name(load_config(CONFIG, overrides), CONFIG, targets)
