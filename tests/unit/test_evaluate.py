"""Evaluation: thresholds from validation alone, metrics of each scenario and capture."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from model_makers import config, fusion_states_of, graphs_json

from canids.errors import ArtifactError, CheckpointError, DatasetError
from canids.evaluation.cascade import DETECTORS
from canids.evaluation.evaluate import evaluate
from canids.evaluation.metrics import window_metrics
from canids.evaluation.thresholds import CUSUM
from canids.fusion.alternatives import Alternatives
from canids.fusion.environment import ALPHAS, STATE_SIZE
from canids.fusion.names import ALTERNATIVES_FILE
from canids.fusion.states import FusionStates, save_states
from canids.models.q_network import QNetwork
from canids.training.model_folder import save_model
from canids.training.model_manager import ModelManager

ROLES = np.repeat(["train", "select", "fuse", "calibrate", "test"], [20, 20, 20, 60, 80])
ROWS = {role: np.flatnonzero(role == ROLES) for role in np.unique(ROLES)}
JUDGED = (*DETECTORS, CUSUM)
CAPTURE = np.repeat([0, 1, 2, 3], [60, 60, 50, 30])  # the last two are tested


def made(seed: int = 0) -> FusionStates:
    """Two detectors of which each ranks attacks higher, with some overlap."""
    random = np.random.default_rng(seed)
    label = (np.arange(200) % 4 == 0).astype(int)
    vgae, gat = (1 / (1 + np.exp(-(random.normal(0, 1.5, 200) + 6 * label - 3))) for _ in range(2))
    return fusion_states_of(label, vgae, gat, ROLES, CAPTURE)


def changed(states: FusionStates, rows: np.ndarray, **columns) -> FusionStates:
    """The states with other values in some rows."""
    copies = {name: getattr(states, name).copy() for name in columns}
    for name, value in columns.items():
        copies[name][rows] = value
    return replace(states, **copies)


@pytest.fixture(scope="module")
def fusion(tmp_path_factory) -> Path:
    """A fusion whose agent has learnt nothing yet."""
    folder = tmp_path_factory.mktemp("fusion")
    settings = config().fusion
    torch.manual_seed(0)
    network = QNetwork(STATE_SIZE, settings.hidden, len(ALPHAS))
    described = {"model": "fusion", "scale": "student", "seed": 4, "settings": settings}
    save_model(folder, network, described, {}, [{"step": 1}])
    ModelManager.save_state_dict(Alternatives(settings.hidden), folder / ALTERNATIVES_FILE)
    return folder


@pytest.fixture
def run(fusion, tmp_path):
    """Evaluate some states: the metrics, and the scores of all windows."""

    def run(states: FusionStates) -> tuple[dict, pl.DataFrame]:
        save_states(tmp_path / "states.safetensors", states)
        metrics = evaluate(
            tmp_path / "states.safetensors", fusion, graphs_json(tmp_path), config().evaluation, tmp_path / "out"
        )
        return metrics, pl.read_parquet(tmp_path / "out" / "scores.parquet")

    return run


class TestThresholds:
    def test_windows_that_are_read_otherwise_alarm_at_even_odds(self, run):
        _, scores = run(changed(made(), ROWS["test"], read_by=2))
        tested = scores.filter(pl.col("role") == "test")
        assert tested["gat_alarm"].equals((tested["gat"] > 0).alias("gat_alarm"))

    def test_the_cusums_holds_however_windows_are_read(self, run):
        metrics, scores = run(changed(made(), ROWS["test"], read_by=2))
        tested = scores.filter(pl.col("role") == "test")
        above = tested[CUSUM] > metrics["thresholds"][CUSUM]
        assert tested["cusum_alarm"].to_list() == above.to_list()

    def test_windows_that_are_read_otherwise_set_none(self, run):
        otherwise = changed(made(), ROWS["calibrate"][:20], read_by=2)
        lower = changed(otherwise, ROWS["calibrate"][:20], gat=0.1, vgae=0.1)
        assert run(lower)[0]["thresholds"]["gat"] == run(otherwise)[0]["thresholds"]["gat"]

    def test_they_do_not_depend_on_test_labels(self, run):
        flipped = changed(made(), ROWS["test"], label=1 - made().label[ROWS["test"]])
        assert run(flipped)[0]["thresholds"] == run(made())[0]["thresholds"]

    def test_they_do_not_depend_on_test_scores(self, run):
        other = changed(made(), ROWS["test"], vgae=0.5, gat=0.3, state=1.0)
        assert run(other)[0]["thresholds"] == run(made())[0]["thresholds"]

    @pytest.mark.parametrize("role", ["train", "select", "fuse"])
    def test_they_do_not_depend_on_what_models_and_fusion_were_fitted_on(self, run, role):
        other = changed(made(), ROWS[role], vgae=0.5, gat=0.3, state=1.0, label=1)
        assert run(other)[0]["thresholds"] == run(made())[0]["thresholds"]

    def test_they_depend_on_the_windows_that_calibrate(self, run):
        other = changed(made(), ROWS["calibrate"], vgae=made(1).vgae[ROWS["calibrate"]])
        assert run(other)[0]["thresholds"]["vgae"] != run(made())[0]["thresholds"]["vgae"]

    @pytest.mark.parametrize("label", [0, 1])
    def test_without_both_classes_to_set_them_on_it_says_so(self, run, label):
        with pytest.raises(DatasetError, match="windows that calibrate"):
            run(changed(made(), ROWS["calibrate"], label=label))


class TestScores:
    def test_they_do_not_depend_on_labels(self, run):
        columns = [*JUDGED, *(f"{name}_alarm" for name in JUDGED), "alpha"]
        flipped = changed(made(), ROWS["test"], label=1 - made().label[ROWS["test"]])
        assert run(flipped)[1].select(columns).equals(run(made())[1].select(columns))

    def test_there_is_one_row_for_each_window(self, run):
        _, scores = run(made())
        assert scores["role"].to_list() == ROLES.tolist()

    @pytest.mark.parametrize("name", JUDGED)
    def test_an_alarm_is_a_score_above_the_threshold(self, run, name):
        metrics, scores = run(made())
        assert scores[f"{name}_alarm"].to_list() == (scores[name] > metrics["thresholds"][name]).to_list()

    def test_they_are_log_odds(self, run):
        np.testing.assert_allclose(run(made())[1]["gat"], np.log(made().gat / (1 - made().gat)), atol=1e-3)

    def test_the_fused_one_lies_between_both(self, run):
        _, scores = run(made())
        vgae, gat, fused = (scores[name].to_numpy() for name in DETECTORS[:3])
        assert ((fused >= np.minimum(vgae, gat) - 1e-3) & (fused <= np.maximum(vgae, gat) + 1e-3)).all()

    def test_the_fused_one_is_that_of_the_alpha_beside_it(self, run):
        scores, states = run(made())[1], made()
        alpha = scores["alpha"].to_numpy()
        fused = (1 - alpha) * states.vgae + alpha * states.gat
        np.testing.assert_allclose(scores["fusion"], np.log(fused / (1 - fused)), atol=1e-3)

    def test_a_captures_scores_do_not_depend_on_the_other_captures(self, run):
        rows = np.flatnonzero(CAPTURE == 3)
        other = changed(made(), ROWS["test"][ROWS["test"] < rows[0]], vgae=0.5, gat=0.3, state=1.0)
        one, two = (run(each)[1]["fusion"].to_numpy()[rows] for each in (made(), other))
        np.testing.assert_allclose(one, two, atol=1e-6)


class TestBlindWindows:
    """Windows that no reading speaks of: both detectors give them a probability of 0."""

    def alarms(self, run, blind: np.ndarray) -> list[bool]:
        scores = run(changed(made(), blind, vgae=0.0, gat=0.0))[1]
        return (
            scores[blind.tolist()].select(pl.any_horizontal(f"{name}_alarm" for name in JUDGED)).to_series().to_list()
        )

    def test_they_never_alarm(self, run):
        assert not any(self.alarms(run, ROWS["test"][:10]))

    def test_they_never_alarm_even_if_half_of_what_calibrates_is_blind(self, run):
        assert not any(self.alarms(run, np.concatenate([ROWS["test"][:10], ROWS["calibrate"][:30]])))

    def test_they_never_alarm_even_if_all_that_calibrates_is_blind(self, run):
        assert not any(self.alarms(run, np.concatenate([ROWS["test"][:10], ROWS["calibrate"]])))


class TestTable:
    def test_it_has_each_scenario_and_capture_of_the_test_for_each_detector(self, run):
        rows = [(row["scenario"], row["capture"], row["detector"]) for row in run(made())[0]["table"]]
        captures = [("test", "all"), ("test", "c"), ("test", "d")]
        assert rows == [(*where, name) for where in captures for name in JUDGED]

    @pytest.mark.parametrize(
        ("capture", "rows"), [("c", slice(120, 170)), ("d", slice(170, 200)), ("all", slice(120, 200))]
    )
    def test_a_row_is_of_its_windows_alone(self, run, capture, rows):
        metrics, scores = run(made())
        got = next(row for row in metrics["table"] if (row["capture"], row["detector"]) == (capture, "gat"))
        score = scores["gat"].to_numpy()[rows]
        wanted = window_metrics(made().label[rows], score, score > metrics["thresholds"]["gat"])
        assert {name: got[name] for name in wanted} == wanted

    def test_validation_is_told_apart_from_the_test(self, run):
        assert {row["windows"] for row in run(made())[0]["validation"]} == {60}

    def test_a_capture_without_an_attack_leaves_what_needs_one_undefined(self, run):
        quiet = changed(made(), np.flatnonzero(CAPTURE == 3), label=0)
        row = next(row for row in run(quiet)[0]["table"] if (row["capture"], row["detector"]) == ("d", "gat"))
        assert (row["auroc"], row["f1"], row["windows"]) == (None, None, 30)

    def test_the_file_holds_what_is_returned(self, run, tmp_path):
        metrics, _ = run(made())
        assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == metrics

    def test_seed_and_scale_are_those_of_the_fusion(self, run):
        metrics, _ = run(made())
        assert (metrics["scale"], metrics["seed"]) == ("student", 4)


class TestRefusals:
    def test_missing_states_are_named(self, fusion, tmp_path):
        with pytest.raises(ArtifactError, match=r"none\.safetensors"):
            evaluate(
                tmp_path / "none.safetensors", fusion, graphs_json(tmp_path), config().evaluation, tmp_path / "out"
            )

    def test_a_missing_fusion_is_named(self, tmp_path):
        save_states(tmp_path / "states.safetensors", made())
        with pytest.raises(CheckpointError, match=r"none/config\.yaml"):
            states, graphs = tmp_path / "states.safetensors", graphs_json(tmp_path)
            evaluate(states, tmp_path / "none", graphs, config().evaluation, tmp_path / "out")

    def test_a_refusal_writes_nothing(self, run, tmp_path):
        with pytest.raises(DatasetError):
            run(changed(made(), ROWS["calibrate"], label=0))
        assert not (tmp_path / "out").exists()
