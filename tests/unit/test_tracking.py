"""Where a run is told of: its record beside its metrics, TensorBoard and MLflow."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import lightning
import pytest
import torch
from model_makers import config, write_graphs

from canids.environment import git_state
from canids.errors import ConfigError
from canids.training.modes import NormalTrainer

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def graphs(tmp_path_factory) -> Path:
    return write_graphs(tmp_path_factory.mktemp("graphs"))


def trainer(graphs: Path, results: Path, *overrides: str) -> NormalTrainer:
    settings = config("models.gat.teacher.epochs=3", *overrides)
    out = results / "demo" / "seed-1" / "gat-teacher"
    return NormalTrainer(settings.models.gat, settings.trainer, 1, "teacher", graphs, out)


class TestRecord:
    @pytest.fixture(scope="class")
    def metrics(self, graphs, tmp_path_factory) -> dict:
        made = trainer(graphs, tmp_path_factory.mktemp("results"), "models.gat.lr=0.003")
        made.train()
        return json.loads((made.out / "metrics.json").read_text())

    def test_it_holds_the_hyper_parameters(self, metrics):
        settings = metrics["record"]["hyper_parameters"]
        assert (settings["settings"]["lr"], settings["seed"], settings["trainer"]["precision"]) == (0.003, 1, "32-true")

    def test_it_holds_versions_host_and_device(self, metrics):
        environment = metrics["record"]["environment"]
        assert environment["packages"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
        assert environment["packages"]["lightning"] == lightning.__version__
        assert environment["host"] and environment["python"] and environment["cuda"] == []

    def test_its_data_fingerprint_is_that_of_the_content(self, metrics, graphs, tmp_path):
        same = write_graphs(tmp_path / graphs.name)
        data = metrics["record"]["data"]
        assert set(data) == {f"{graphs.name}/train.safetensors", f"{graphs.name}/val.safetensors"}
        assert trainer(same, tmp_path)._run.record["data"] == data

    def test_what_is_measured_is_not_in_it(self, metrics):
        assert "val_loss" in metrics and "val_loss" not in metrics["record"]

    def test_it_holds_the_commit(self, metrics):
        assert metrics["record"]["git"] == git_state(Path(__file__).parent)

    def test_outside_of_a_checkout_there_is_no_commit(self, tmp_path):
        assert git_state(tmp_path) is None


def test_without_a_tracker_only_the_model_folder_is_written(graphs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = trainer(graphs, Path("results"))
    made.train()
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {
        "model.safetensors", "config.yaml", "metrics.json", "history.csv"
    }  # fmt: skip


def test_tensorboard_gets_every_epochs_losses_and_the_record(graphs, tmp_path):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    made = trainer(graphs, tmp_path, f"trainer.tracking.tensorboard={tmp_path / 'tensorboard'}")
    made.train()
    (folder,) = {path.parent for path in (tmp_path / "tensorboard" / "demo/seed-1/gat-teacher").rglob("events.*")}
    events = accumulators.EventAccumulator(str(folder)).Reload()
    history = [line.split(",") for line in (made.out / "history.csv").read_text().splitlines()]
    wanted = [float(row[history[0].index("val_loss")]) for row in history[1:]]
    assert [scalar.value for scalar in events.Scalars("val_loss")] == pytest.approx(wanted)
    assert "git" in (folder / "hparams.yaml").read_text()


def test_mlflow_gets_every_epochs_losses_and_the_record(graphs, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    made = trainer(graphs, tmp_path, f"trainer.tracking.mlflow={tmp_path / 'mlruns'}")
    made.train()
    client = mlflow.MlflowClient((tmp_path / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("demo/seed-1/gat-teacher")
    (run,) = client.search_runs([experiment.experiment_id])
    assert len(client.get_metric_history(run.info.run_id, "val_loss")) == 3
    assert run.data.params["git/commit"] == git_state(Path(__file__).parent)["commit"]
    assert run.info.status == "FINISHED"


@pytest.mark.parametrize(("tracker", "package"), [("tensorboard", "tensorboard"), ("mlflow", "mlflow-skinny")])
def test_a_tracker_that_is_not_installed_is_named_with_the_way_to_it(tracker, package, graphs, tmp_path, monkeypatch):
    def missing(*_arguments, **_options):
        raise ModuleNotFoundError("not there")

    name = {"tensorboard": "TensorBoardLogger", "mlflow": "MLFlowLogger"}[tracker]
    monkeypatch.setattr(sys.modules["canids.training.tracking"], name, missing)
    with pytest.raises(
        ConfigError, match=rf"trainer\.tracking\.{tracker}: {package} .*pip install 'canids\[tracking\]'"
    ):
        trainer(graphs, tmp_path, f"trainer.tracking.{tracker}={tmp_path / 'there'}").train()
