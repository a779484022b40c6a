"""A search: what its file may say, its rounds, and what comes of it."""

import csv
import math
import shutil
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from canids.artifacts import read_json, write_json
from canids.config import load_config
from canids.errors import ArtifactError, ConfigError
from canids.experiments import load_experiment
from canids.search import ask_trials, collect_trials
from canids.search_space import decided, plain_search, trials_of_round, undecided
from canids.workflow import SETTINGS_VARIABLE, overrides_of, settings_of

CONFIG = Path(__file__).parents[2] / "config"
KEY = "models.gat.lr"


@pytest.fixture
def folder(tmp_path) -> Path:
    shutil.copytree(CONFIG, tmp_path / "config")
    return tmp_path / "config"


def load(folder: Path, settings: str, more: str = ""):
    (folder / "experiments" / "mine.yaml").write_text(f"search: {{settings: {settings}, {more}}}")
    return load_experiment(folder, "mine")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("{fusion.gama: {choices: [0.5]}}", "mine.yaml: search.settings: fusion.gama: unknown setting"),
        ("{fusion.gamma: {low: 0, high: 2}}", "search.settings: fusion.gamma: given 2.0, allowed: 0 to 0.999"),
        ("{graph.window: {choices: [50]}}", "graph.window: no trial may set it, allowed: settings of models"),
        ("{models.gat.sampling: {choices: [none]}}", "models.gat.sampling: no trial may set it"),
        ("{fusion.gamma: {low: 0.5}}", "fusion.gamma: give low and high .*or choices"),
        ("{fusion.gamma: {low: 0.5, high: 0.6, choices: [1]}}", "fusion.gamma: give low and high .*or choices"),
        ("{fusion.gamma: {low: 0.6, high: 0.5}}", "fusion.gamma: low: given 0.6, allowed: less than high"),
        ("{fusion.gamma: {low: 0, high: 0.5, log: true}}", "fusion.gamma: log: allowed where low is above 0"),
        ("{fusion.hidden: {low: 8.5, high: 16}}", "fusion.hidden: given 8.5, allowed: whole numbers"),
        ("{fusion.hidden: {lowest: 8}}", "mine.yaml: .*lowest"),
    ],
)
def test_a_range_that_is_not_allowed_is_one_message_with_file_and_setting(folder, settings, message):
    with pytest.raises(ConfigError, match=message):
        load(folder, settings)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("objective: {model: fusion, metric: val_auroc}", "objective.metric: given val_auroc, allowed: select_reward"),
        ("objective: {metric: f1}", "metric: given 'f1', allowed: one of val_auroc, val_loss, select_reward"),
        ("trials: 5, at_once: 4", "search.trials: given 5, allowed: a multiple of 4"),
    ],
)
def test_an_objective_is_a_figure_of_the_validation_windows_and_rounds_are_whole(folder, more, message):
    with pytest.raises(ConfigError, match=message):
        load(folder, "{fusion.gamma: {choices: [0.5]}}", more)


def test_an_experiment_compares_or_searches(folder):
    (folder / "experiments" / "mine.yaml").write_text(
        "variants: {a: ''}\nsearch: {settings: {fusion.lr: {choices: [1]}}}"
    )
    with pytest.raises(ConfigError, match=r"search\.settings too given"):
        load_experiment(folder, "mine")


@pytest.mark.parametrize(
    ("settings", "targets", "message"),
    [
        ("{fusion.lr: {choices: [1]}}", [], "'mine': search.settings: fusion.lr: gat-student does not depend on it"),
        (f"{{{KEY}: {{choices: [1]}}}}", ["sweep"], "'mine', which is made by the target search, not sweep"),
    ],
)
def test_a_search_of_nothing_and_a_sweep_of_a_search_are_refused(folder, monkeypatch, settings, targets, message):
    load(folder, settings)
    monkeypatch.chdir(folder.parent)
    monkeypatch.delenv(SETTINGS_VARIABLE, raising=False)
    with pytest.raises(ConfigError, match=message):
        settings_of({"experiment": "mine"}, folder, True, targets)


def test_a_trials_settings_are_those_of_its_rounds_file_and_before_it_like_no_other(tmp_path):
    config = load_config(CONFIG)
    waiting = [undecided(config, {"settings": [KEY]}, name)["models"]["gat"]["lr"] for name in ("a", "b")]
    assert len({*waiting, config.models.gat.lr}) == 3
    with pytest.raises(FileNotFoundError):
        decided(config, tmp_path / "trials.json", "a")
    write_json(tmp_path / "trials.json", {"a": {KEY: 0.5}})
    settled = decided(config, tmp_path / "trials.json", "a")
    assert settled.models.gat.lr == 0.5
    assert OmegaConf.merge(settled, {"models": {"gat": {"lr": config.models.gat.lr}}}) == config


@pytest.fixture
def search(folder) -> dict:
    settings = (
        f"{{{KEY}: {{low: 1e-4, high: 1e-1, log: true}}, models.gat.student.hidden: {{low: 2, high: 12, step: 2}}}}"
    )
    return plain_search(load(folder, settings, "trials: 24, at_once: 4").search, load_config(folder))


def searched(search: dict, out: Path) -> Path:
    """A whole search for the learning rate nearest 0.01; the folder with its results."""
    figures, journals = [], []
    for number in range(search["trials"] // search["at_once"]):
        journals.append(out / str(number) / "journal.log")
        ask_trials(search, number, journals[-2] if number else None, figures[-4:], journals[-1])
        for name, settings in read_json(journals[-1].with_name("trials.json")).items():
            metrics = out / name / "metrics.json"
            write_json(metrics, {"val_auroc": 1 - abs(math.log10(settings[KEY]) + 2)})
            figures.append((name, 1, metrics))
    described = {"dataset": "demo", "experiment": "mine"}
    collect_trials(search, described, ["graph.window=50"], journals, figures, out)
    return out


def test_later_rounds_come_closer_and_the_best_trial_is_written_as_settings(search, tmp_path):
    out = searched(search, tmp_path)
    rows = list(csv.DictReader((out / "trials.csv").open()))
    assert [row["trial"] for row in rows] == [name for number in range(6) for name in trials_of_round(search, number)]
    away = [abs(math.log10(float(row[KEY])) + 2) for row in rows]
    assert sorted(away[12:])[6] < sorted(away[:12])[6] / 2
    best = yaml.safe_load((out / "best.yaml").read_text())
    config = load_config(CONFIG, overrides_of(best))
    assert abs(math.log10(config.models.gat.lr) + 2) == pytest.approx(min(away))
    assert config.graph.window == 50


def test_a_search_made_again_asks_for_the_same_trials(search, tmp_path):
    tables = [(searched(search, tmp_path / name) / "trials.csv").read_text() for name in ("one", "two")]
    assert tables[0] == tables[1]


def test_a_trial_without_a_figure_is_named_and_nothing_is_written(search, tmp_path):
    write_json(tmp_path / "metrics.json", {"val_auroc": None})
    ask_trials(search, 0, None, [], tmp_path / "0" / "journal.log")
    figures = [("trial-0000", 1, tmp_path / "metrics.json")]
    with pytest.raises(ArtifactError, match=r"metrics.json: val_auroc is not known \(None\)"):
        ask_trials(search, 1, tmp_path / "0" / "journal.log", figures, tmp_path / "1" / "journal.log")
    assert not list((tmp_path / "1").iterdir())
