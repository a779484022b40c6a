"""State dicts as files, and the model folder: nothing is pickled, and nothing that does not fit is loaded."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from model_makers import config
from safetensors.torch import load_file, save_file
from torch import nn

from canids.errors import CheckpointError
from canids.graphs.batches import NODE_INPUTS
from canids.models.build import build_gat
from canids.training.model_folder import load_gat, read_model_config, save_model
from canids.training.model_manager import ModelManager


def network(hidden: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, 1))


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "model.safetensors"


def refusal(action, *arguments) -> str:
    with pytest.raises(CheckpointError) as caught:
        action(*arguments)
    return str(caught.value)


def spoilt(value: float = float("nan")) -> nn.Sequential:
    model = network()
    model[2].weight.data[0, 1] = value
    return model


class TestSave:
    def test_a_saved_state_comes_back_bit_by_bit(self, path):
        model, other = network(), network()
        ModelManager.save_state_dict(model, path)
        ModelManager.load_state_dict(other, path)
        assert all(torch.equal(t, other.state_dict()[name]) for name, t in model.state_dict().items())

    def test_a_reader_of_safetensors_alone_reads_it(self, path):
        ModelManager.save_state_dict(network(), path)
        assert set(load_file(path)) == set(network().state_dict())

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
    def test_a_value_that_is_not_finite_is_never_written(self, path, value):
        refusal(ModelManager.save_state_dict, spoilt(value), path)
        assert list(path.parent.iterdir()) == []

    def test_the_tensor_that_is_not_finite_is_named(self, path):
        assert "2.weight" in refusal(ModelManager.save_state_dict, spoilt(), path)

    def test_a_buffer_that_is_not_finite_is_refused_too(self, path):
        model = network()
        model[1].running_var.fill_(float("nan"))
        assert "1.running_var" in refusal(ModelManager.save_state_dict, model, path)

    def test_what_was_saved_before_outlives_a_refusal(self, path):
        ModelManager.save_state_dict(network(), path)
        before = path.read_bytes()
        refusal(ModelManager.save_state_dict, spoilt(), path)
        assert path.read_bytes() == before

    def test_a_tensor_that_is_not_contiguous_is_saved_as_it_reads(self, path):
        model = nn.Linear(3, 2)
        model.weight.data = torch.arange(6.0).reshape(3, 2).T
        ModelManager.save_state_dict(model, path)
        assert load_file(path)["weight"].tolist() == [[0, 2, 4], [1, 3, 5]]

    def test_weights_that_two_layers_share_are_saved(self, path):
        model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        model[1].weight = model[0].weight
        ModelManager.save_state_dict(model, path)
        assert torch.equal(load_file(path)["1.weight"], model[0].weight)


class TestLoad:
    def test_a_missing_file_is_named(self, path):
        assert refusal(ModelManager.load_state_dict, network(), path).startswith(f"{path}: not a state dict")

    def test_a_truncated_file_is_refused(self, path):
        ModelManager.save_state_dict(network(), path)
        path.write_bytes(path.read_bytes()[:-3])
        assert "not a state dict" in refusal(ModelManager.load_state_dict, network(), path)

    def test_a_pickle_is_refused(self, path):
        torch.save(network().state_dict(), path)
        assert "not a state dict" in refusal(ModelManager.load_state_dict, network(), path)

    def test_another_architecture_is_refused_with_the_files_name(self, path):
        ModelManager.save_state_dict(network(4), path)
        said = refusal(ModelManager.load_state_dict, network(3), path)
        assert said.startswith(f"{path}: the state dict is of another architecture: ")

    def test_a_refused_state_leaves_the_model_as_it_was(self, path):
        state = {**network().state_dict(), "0.weight": torch.zeros(9)}
        save_file(state, path)
        model = network()
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        refusal(ModelManager.load_state_dict, model, path)
        assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())


class TestVerify:
    def message(self, change) -> str:
        state = dict(network().state_dict())
        change(state)
        return refusal(ModelManager.verify_state_dict_compatible, network(), state)

    def test_an_equal_architecture_fits(self):
        ModelManager.verify_state_dict_compatible(network(), network().state_dict())

    def test_a_missing_tensor_is_named(self):
        assert self.message(lambda s: s.pop("2.bias")).endswith(": 2.bias is missing")

    def test_an_unexpected_tensor_is_named(self):
        assert self.message(lambda s: s.update(more=torch.ones(1))).endswith(": more is not part of the model")

    def test_a_shape_that_differs_is_told_beside_the_wanted_one(self):
        said = self.message(lambda s: s.update({"0.weight": torch.ones(4, 2)}))
        assert said.endswith(": 0.weight has shape (4, 2), not (3, 2)")

    def test_a_type_that_differs_is_told_beside_the_wanted_one(self):
        said = self.message(lambda s: s.update({"0.bias": s["0.bias"].half()}))
        assert said.endswith(": 0.bias has type torch.float16, not torch.float32")

    def test_the_first_difference_in_the_models_order_is_named(self):
        def change(state):
            state.update(aaa=torch.ones(1))
            state.pop("2.bias")
            state.pop("0.bias")

        assert ": 0.bias is missing" in self.message(change)

    def test_the_other_differences_are_counted(self):
        def change(state):
            state.update(aaa=torch.ones(1))
            state.pop("2.bias")
            state.pop("0.bias")

        assert self.message(change).endswith("(and 2 more differences)")


class TestInfo:
    def test_parameters_are_counted(self):
        assert ModelManager.get_model_info(network())["parameters"] == 9 + 6 + 4

    def test_frozen_parameters_are_not_trainable(self):
        model = network()
        model[0].requires_grad_(False)
        assert ModelManager.get_model_info(model)["trainable"] == 6 + 4

    def test_bytes_are_those_of_the_saved_tensors(self, path):
        ModelManager.save_state_dict(network(), path)
        assert ModelManager.get_model_info(network())["bytes"] == sum(t.nbytes for t in load_file(path).values())

    def test_layers_are_told_by_name(self):
        assert ModelManager.get_model_info(network())["layers"] == {"0": 9, "1": 6, "2": 4}


class TestSanitize:
    @pytest.mark.parametrize(
        ("value", "plain"),
        [
            (torch.tensor(2.5), 2.5),
            (torch.tensor([1, 2], requires_grad=False), [1, 2]),
            (torch.tensor([1.0], requires_grad=True), [1.0]),
            (torch.tensor(0.5, dtype=torch.bfloat16), 0.5),
            (torch.tensor(0.5, dtype=torch.float16), 0.5),
            (np.float32(0.5), 0.5),
            (np.int64(7), 7),
            (np.bool_(True), True),
            (np.array([[1.0, np.nan]]), [[1.0, None]]),
            (float("nan"), None),
            (float("-inf"), None),
            (torch.tensor(float("inf")), None),
            (Path("a/b"), "a/b"),
            ({1: (np.float64("nan"), {"x": Path("c")})}, {"1": [None, {"x": "c"}]}),
            (None, None),
            ("text", "text"),
        ],
    )
    def test_a_value_becomes_plain(self, value, plain):
        assert ModelManager.sanitize_for_json(value) == plain

    def test_plain_values_are_of_pythons_own_types(self):
        json.dumps(ModelManager.sanitize_for_json({"a": [np.int8(1), np.float16(2), torch.ones(2)]}), allow_nan=False)


class TestFolder:
    def save(self, folder: Path, model: nn.Module, **metrics) -> None:
        described = {"model": "gat", "scale": "student", "seed": 3, "settings": config().models.gat}
        save_model(folder, model, described, metrics, [{"epoch": 0, "val_loss": 0.5}])

    def student(self) -> nn.Module:
        return build_gat(config().models.gat, "student")

    def test_a_model_comes_back_from_its_folder(self, tmp_path):
        model = self.student()
        self.save(tmp_path, model)
        loaded = load_gat(tmp_path)
        assert all(torch.equal(t, loaded.state_dict()[name]) for name, t in model.state_dict().items())

    def test_a_loaded_model_is_in_evaluation_mode(self, tmp_path):
        self.save(tmp_path, self.student())
        assert not load_gat(tmp_path).training

    def test_the_folder_holds_the_artifacts_of_the_design_and_nothing_else(self, tmp_path):
        self.save(tmp_path, self.student())
        assert {p.name for p in tmp_path.iterdir()} == {
            "model.safetensors", "config.yaml", "metrics.json", "history.csv"
        }  # fmt: skip

    def test_the_resolved_configuration_lies_beside_the_state(self, tmp_path):
        self.save(tmp_path, self.student())
        assert read_model_config(tmp_path).settings.student.hidden == config().models.gat.student.hidden

    def test_a_metric_that_is_not_finite_is_null(self, tmp_path):
        self.save(tmp_path, self.student(), val_auroc=float("nan"))
        assert json.loads((tmp_path / "metrics.json").read_text())["val_auroc"] is None

    def test_a_folder_without_a_configuration_is_named(self, tmp_path):
        assert refusal(load_gat, tmp_path).startswith(f"{tmp_path / 'config.yaml'}: there is no such file")

    def test_a_configuration_of_another_size_is_refused_naming_the_first_tensor(self, tmp_path):
        self.save(tmp_path, build_gat(config("models.gat.student.hidden=5").models.gat, "student"))
        assert f"encoder.project.weight has shape (10, {NODE_INPUTS}), not (4, {NODE_INPUTS})" in refusal(
            load_gat, tmp_path
        )

    def test_of_weights_that_are_not_finite_nothing_is_written(self, tmp_path):
        model = self.student()
        model.jump.bias.data[0] = float("nan")
        refusal(self.save, tmp_path, model)
        assert list(tmp_path.iterdir()) == []

    def test_a_refusal_leaves_the_folder_of_before_whole(self, tmp_path):
        self.save(tmp_path, self.student(), val_auroc=0.5)
        before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
        model = self.student()
        model.jump.bias.data[0] = float("nan")
        with pytest.raises(CheckpointError):
            self.save(tmp_path, model, val_auroc=0.9)
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
