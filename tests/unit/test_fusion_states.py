"""Fusion states: what is fitted, is fitted on training and validation windows; the rest is the window's own."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from model_makers import WIDTH, config, traffic
from safetensors.numpy import save_file

from canids.errors import ArtifactError, DatasetError
from canids.fusion.cascade_calibration import LARGEST, fit_calibration, load_calibration, save_calibration
from canids.fusion.quantities import QUANTITIES
from canids.fusion.states import FusionStates, fusion_states, load_states, save_states
from canids.graphs.store import GRAPH_COLUMNS, GraphStore
from canids.models.build import build_gat, build_vgae
from canids.models.scoring import score_gat, score_vgae

torch.manual_seed(3)  # scores of both that rise under attack: no slope is 0
VGAE, GAT = (
    build(config().models[name], "teacher").eval() for build, name in ((build_vgae, "vgae"), (build_gat, "gat"))
)
TRAIN = traffic(60, seed=1, attacked=slice(0, None, 4), blind=[5, 9])
VAL = traffic(
    60, seed=2, attacked=slice(0, None, 4), role=["select"] * 20 + ["fuse"] * 20 + ["calibrate"] * 20, capture=1
)
TEST = traffic(40, seed=3, attacked=slice(0, 20), role="test", capture=2, blind=[3, 30])
CONFIDENCES = [QUANTITIES.index(f"{model}_confidence") for model in ("vgae", "gat")]
BLIND = np.isin(np.arange(160), [5, 9, 123, 150])


def states(train: GraphStore = TRAIN, val: GraphStore = VAL, test: GraphStore = TEST) -> FusionStates:
    return fusion_states(VGAE, GAT, [train, val, test], fit_calibration(VGAE, GAT, train, val, 0.01))


@pytest.fixture(scope="module")
def made() -> FusionStates:
    return states()


def other(store: GraphStore, windows: slice) -> GraphStore:
    """The store with other features in some windows."""
    of_window = torch.repeat_interleave(torch.arange(len(store)), store.nodes_per_window())
    nodes = store.nodes.clone()
    nodes[torch.isin(of_window, torch.arange(len(store))[windows])] *= 2.5
    return replace(store, nodes=nodes)


class TestStandardisation:
    def test_on_training_windows_the_mean_is_zero(self, made):
        inside = (np.abs(made.state[:60]) < LARGEST).all(axis=0)
        np.testing.assert_allclose(made.state[:60].mean(axis=0)[inside], 0, atol=1e-3)

    def test_on_training_windows_the_spread_is_one(self, made):
        inside = (np.abs(made.state[:60]) < LARGEST).all(axis=0)
        np.testing.assert_allclose(made.state[:60].std(axis=0)[inside], 1, atol=1e-2)

    def test_most_quantities_are_not_clipped_here(self, made):
        assert (np.abs(made.state[:60]) < LARGEST).all(axis=0).sum() > 0.8 * WIDTH

    @pytest.mark.parametrize("column", ["state", "vgae", "gat"])
    def test_test_windows_change_nothing_of_the_others(self, made, column):
        changed = states(test=other(TEST, slice(None)))
        np.testing.assert_array_equal(getattr(changed, column)[:120], getattr(made, column)[:120])

    @pytest.mark.parametrize("column", ["state", "vgae", "gat"])
    def test_attacked_windows_that_fuse_or_calibrate_change_nothing_of_the_others(self, made, column):
        changed, rest = states(val=other(VAL, slice(20, None, 4))), np.r_[:80, 120:160]
        np.testing.assert_array_equal(getattr(changed, column)[rest], getattr(made, column)[rest])

    def test_validation_windows_change_no_standardised_quantity_but_confidence(self, made):
        changed, rest = states(val=other(VAL, slice(None))), np.r_[:60, 120:160]
        same = np.delete(np.arange(WIDTH), CONFIDENCES)
        np.testing.assert_array_equal(changed.state[rest][:, same], made.state[rest][:, same])

    @pytest.mark.parametrize("column", ["state", "vgae", "gat"])
    def test_labels_of_test_windows_enter_nothing(self, made, column):
        flipped = states(test=replace(TEST, label=1 - TEST.label))
        np.testing.assert_array_equal(getattr(flipped, column), getattr(made, column))

    @pytest.mark.parametrize("column", ["state", "vgae", "gat"])
    def test_a_window_does_not_depend_on_which_others_are_tested(self, made, column):
        alone = states(test=TEST.select(torch.tensor([7])))
        np.testing.assert_allclose(getattr(alone, column)[120], getattr(made, column)[127], atol=2e-3)

    def test_what_lies_far_out_is_clipped(self):
        assert np.abs(states(test=traffic(5, role="test", strange=60, attacked=slice(None))).state).max() == LARGEST


class TestProbabilities:
    @pytest.mark.parametrize(("name", "score", "model"), [("vgae", score_vgae, VGAE), ("gat", score_gat, GAT)])
    def test_they_rank_windows_as_the_scores_do(self, made, name, score, model):
        scores = np.concatenate([score(model, store).score.numpy() for store in (TRAIN, VAL, TEST)])[~BLIND]
        probability = getattr(made, name)[~BLIND]
        rising = np.diff(probability[np.argsort(scores)])
        assert (rising >= 0).all() or (rising <= 0).all()

    def test_a_detector_that_ranks_attacks_higher_gives_them_a_higher_probability(self, made):
        chosen = np.arange(60, 80)
        assert made.vgae[chosen][made.label[chosen] == 1].mean() > made.vgae[chosen][made.label[chosen] == 0].mean()

    @pytest.mark.parametrize("name", ["vgae", "gat"])
    def test_windows_that_no_reading_speaks_of_are_no_evidence(self, made, name):
        assert getattr(made, name)[BLIND].tolist() == [0] * 4

    @pytest.mark.parametrize("name", ["vgae", "gat"])
    def test_windows_that_a_reading_speaks_of_have_some_probability(self, made, name):
        assert (getattr(made, name)[~BLIND] > 0).all()

    def test_one_reading_is_enough_to_speak(self):
        graph = TEST.graph_features.clone()
        graph[:, GRAPH_COLUMNS.index("known_present")] = 0
        seen = states(test=replace(TEST, graph_features=graph)).vgae[120:]
        assert (seen[~BLIND[120:]] > 0).all()

    def test_one_class_among_the_windows_that_select_is_refused(self):
        with pytest.raises(DatasetError, match="one class only"):
            states(val=replace(VAL, label=torch.where(torch.arange(60) < 20, 0, VAL.label)))


class TestColumns:
    def test_there_are_15_quantities_and_two_qualities(self, made):
        assert (len(QUANTITIES), made.state.shape[1]) == (15, 17)

    def test_class_probabilities_are_the_gats_own_as_logarithms(self, made):
        logits = torch.cat([score_gat(GAT, store).logits for store in (TRAIN, VAL, TEST)])
        wanted = logits.double().log_softmax(dim=1).numpy()
        standard = (wanted - wanted[:60].mean(axis=0)) / wanted[:60].std(axis=0)
        first = QUANTITIES.index("gat_ln_p_attack_free")
        np.testing.assert_allclose(made.state[:, first : first + 2], standard.clip(-LARGEST, LARGEST), atol=1e-2)

    def test_errors_are_the_vgaes_own_in_order(self, made):
        errors = np.concatenate([score_vgae(VGAE, store).errors.numpy() for store in (TRAIN, VAL, TEST)])
        standard = (errors - errors[:60].mean(axis=0)) / errors[:60].std(axis=0)
        np.testing.assert_allclose(made.state[:, :3], standard.clip(-LARGEST, LARGEST), atol=1e-2)

    @pytest.mark.parametrize("name", ["label", "role", "capture", "position", "start"])
    def test_windows_keep_what_the_stores_say_of_them(self, made, name):
        wanted = np.concatenate([getattr(store, name).numpy() for store in (TRAIN, VAL, TEST)])
        np.testing.assert_array_equal(getattr(made, name), wanted)

    def test_roles_are_told_by_name(self, made):
        assert np.flatnonzero(made.of_role("fuse")).tolist() == list(range(80, 100))


class TestOnDisk:
    def test_they_survive_the_round_trip(self, made, tmp_path):
        save_states(tmp_path / "states.safetensors", made)
        loaded = load_states(tmp_path / "states.safetensors")
        assert all(np.array_equal(value, getattr(loaded, name)) for name, value in vars(made).items())

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(ArtifactError, match=r"states\.safetensors: not fusion states"):
            load_states(tmp_path / "states.safetensors")

    def test_another_safetensors_file_is_refused(self, tmp_path):
        save_file({"weight": np.ones(3)}, tmp_path / "states.safetensors")
        with pytest.raises(ArtifactError, match="not fusion states"):
            load_states(tmp_path / "states.safetensors")

    def test_a_calibration_gives_the_same_states_once_it_was_written_and_read(self, made, tmp_path):
        save_calibration(tmp_path / "calibration.safetensors", fit_calibration(VGAE, GAT, TRAIN, VAL, 0.01))
        loaded = fusion_states(VGAE, GAT, [TRAIN, VAL, TEST], load_calibration(tmp_path / "calibration.safetensors"))
        assert all(np.array_equal(value, getattr(loaded, name)) for name, value in vars(made).items())

    def test_a_calibration_that_is_none_is_refused(self, made, tmp_path):
        save_states(tmp_path / "calibration.safetensors", made)
        with pytest.raises(ArtifactError, match=r"calibration\.safetensors: not a calibration"):
            load_calibration(tmp_path / "calibration.safetensors")

    def test_a_calibration_of_other_quantities_is_refused(self, tmp_path, monkeypatch):
        save_calibration(tmp_path / "calibration.safetensors", fit_calibration(VGAE, GAT, TRAIN, VAL, 0.01))
        monkeypatch.setattr("canids.fusion.cascade_calibration._NAMES", {"quantities": [], "readings": []})
        with pytest.raises(ArtifactError, match="of other quantities"):
            load_calibration(tmp_path / "calibration.safetensors")
