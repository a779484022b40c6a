"""The node budget: how it is searched for, what it never does, and how a training comes by it."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import lightning
import pytest
import torch
from model_makers import config, traffic, write_graphs

from canids.config import load_config
from canids.errors import ArtifactError, CanidsError, ConfigError
from canids.graphs.batches import GraphBatch
from canids.models.build import build_gat
from canids.training import batch_optimizer
from canids.training.batch_optimizer import BatchSizeOptimizer, heaviest, search
from canids.training.datamodules import GraphDataModule, ShuffleSampler
from canids.training.lightning_modules import DistilledGatModule, GatModule
from canids.training.memory import PeakMemory
from canids.training.modes import GatDistillationTrainer, NormalTrainer
from canids.training.node_budget import node_budget
from canids.training.size_batches import size_batches

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore:.*LeafSpec.*")
TRAIN = traffic(80, seed=1, attacked=slice(0, None, 4))
VAL = traffic(60, seed=2, attacked=slice(0, None, 4), role=["select"] * 20 + ["fuse"] * 20 + ["calibrate"] * 20)
NODES = int(TRAIN.nodes_per_window().sum())
ALL = torch.arange(80)
LARGEST = int(TRAIN.nodes_per_window().max())


class TestSearch:
    @pytest.mark.parametrize("capacity", [7, 8, 100, 1000, 1037, 5000])
    def test_it_comes_within_a_tenth_of_what_fits(self, capacity):
        good, bad = search(lambda budget: budget <= capacity, 7, 1_000_000)
        assert good <= capacity < bad and (bad <= 1.1 * good or bad - good == 1)

    def test_it_tries_no_more_than_the_most(self):
        tried = []
        assert search(lambda budget: tried.append(budget) or True, 7, 100) == (100, None)
        assert tried == [7, 14, 28, 56, 100]

    def test_where_the_least_does_not_fit_nothing_does(self):
        assert search(lambda _: False, 7, 100) == (None, 7)


class Hungry(lightning.LightningModule):
    """Notes the batches it is trained on, and finds no memory for more nodes than ``capacity``."""

    trained: list[GraphBatch]

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.model, self.capacity = torch.nn.Linear(1, 1), capacity
        Hungry.trained = []

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)

    def training_step(self, graphs: GraphBatch, _index: int) -> torch.Tensor:
        torch.rand(1)
        Hungry.trained.append(graphs)
        if len(graphs.x) > self.capacity:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.model(torch.ones(1, 1)).sum()


def optimize(capacity: int, *overrides: str, windows: torch.Tensor = ALL):
    settings = config(*overrides)
    module = Hungry(capacity)
    return BatchSizeOptimizer(settings.batch_size, settings.trainer).optimize_with_datasets(module, TRAIN, windows)


class TestOptimizer:
    def test_of_what_fits_a_share_is_taken(self):
        found = optimize(100, "batch_size.least_steps=1")
        assert 85 <= found.fits <= 100 and found.node_budget == found.fits // 2
        assert found.limited_by == "memory"

    @pytest.mark.parametrize("steps", [4, 10])
    def test_an_epoch_keeps_its_least_steps(self, steps):
        found = optimize(10**9, f"batch_size.least_steps={steps}")
        assert found.node_budget == max(LARGEST, NODES // steps) and found.limited_by == "steps"

    def test_no_budget_is_too_small_for_a_window(self):
        assert optimize(LARGEST + 1, "batch_size.least_steps=1000").node_budget == LARGEST

    def test_where_no_window_fits_it_says_what_to_do(self):
        with pytest.raises(CanidsError, match=r"batch of one window .* raise batch_size\.memory_limit"):
            optimize(1)

    def test_a_memory_limit_below_what_the_process_has_is_an_error(self):
        with pytest.raises(CanidsError, match=r"already takes \d+ MiB of 100 MiB"):
            optimize(10**9, "batch_size.memory_limit=100")

    def test_it_tries_the_result(self):
        found = optimize(100, "batch_size.least_steps=1")
        assert LARGEST <= len(Hungry.trained[-1].x) <= found.node_budget

    def test_trials_are_on_the_graphs_with_most_edges_for_a_node(self):
        optimize(100, "batch_size.least_steps=1")
        assert Hungry.trained[0].windows.tolist() == heaviest(TRAIN, torch.arange(80))[:1].tolist()

    def test_windows_that_cannot_occur_are_not_tried(self):
        optimize(100, "batch_size.least_steps=1", windows=torch.arange(10, 20))
        assert {int(w) for batch in Hungry.trained for w in batch.windows} <= set(range(10, 20))

    def test_the_module_and_torchs_generator_are_as_before(self):
        module = GatModule(build_gat(config().models.gat, "student"), config().models.gat, 2, 0)
        state, drawn = copy.deepcopy(module.state_dict()), module.generator.get_state()
        random = torch.random.get_rng_state()
        BatchSizeOptimizer(config().batch_size, config().trainer).optimize_with_datasets(
            module, TRAIN, torch.arange(80)
        )
        assert all(torch.equal(tensor, state[name]) for name, tensor in module.state_dict().items())
        assert torch.equal(module.generator.get_state(), drawn)
        assert torch.equal(torch.random.get_rng_state(), random)

    def test_no_file_is_left(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        optimize(100)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("limit", [None, 20])
    def test_with_a_data_module_its_first_epoch_counts(self, limit):
        class Growing(ShuffleSampler):
            def order(self, epoch: int) -> torch.Tensor:
                return self.windows[: 80 if limit else 20 * (epoch + 1)]

        data = GraphDataModule(TRAIN, VAL, Growing(torch.arange(80), 0), torch.arange(20), epoch_windows=limit)
        settings = config("batch_size.least_steps=2")
        found = BatchSizeOptimizer(settings.batch_size, settings.trainer).optimize_with_datamodule(Hungry(10**9), data)
        assert found.node_budget == int(TRAIN.nodes_per_window()[:20].sum()) // 2


class TestPeakMemory:
    def test_memory_that_is_freed_again_counts(self):
        with PeakMemory(torch.device("cpu"), 0) as idle:
            pass
        with PeakMemory(torch.device("cpu"), 0) as busy:
            for _ in range(3):
                torch.ones(60_000_000).sum()
        assert busy.peak - idle.peak > 200e6

    def test_a_trial_is_stopped_where_it_passes_the_limit(self):
        with PeakMemory(torch.device("cpu"), 1) as memory, pytest.raises(MemoryError):
            memory.peak = 2
            memory.check()


class TestStep:
    @pytest.fixture
    def auto(self):
        return config("models.gat.node_budget=auto", "models.gat.sampling=none", "batch_size.least_steps=4")

    def measure(self, settings, graphs, out, scale="teacher", guide=None) -> dict:
        return size_batches(
            "gat", scale, settings.models.gat, settings.trainer, settings.batch_size, 1, graphs, out, guide
        )

    def test_the_file_says_what_it_rests_on(self, auto, tmp_path):
        self.measure(auto, write_graphs(tmp_path / "graphs", TRAIN, VAL), tmp_path / "gat")
        record = json.loads((tmp_path / "gat" / "batch_size.json").read_text())
        assert record["node_budget"] == NODES // 4
        assert (record["device"], record["precision"], record["teacher"]) == ("cpu", "32-true", None)
        assert record["window"] == {"nodes": LARGEST, "edges": int(TRAIN.edge_start.diff().max())}

    def test_the_training_takes_what_was_measured(self, auto, tmp_path, monkeypatch):
        graphs = write_graphs(tmp_path / "graphs", TRAIN, VAL)
        self.measure(auto, graphs, tmp_path / "gat")
        steps = []
        monkeypatch.setattr(GatModule, "on_train_batch_end", lambda *a: steps.append(a[-1]), raising=False)
        NormalTrainer(auto.models.gat, auto.trainer, 1, "teacher", graphs, tmp_path / "gat").train()
        assert max(steps) + 1 in (4, 5, 6)

    def test_a_student_is_measured_with_its_teacher(self, auto, tmp_path, monkeypatch):
        graphs = write_graphs(tmp_path / "graphs", TRAIN, VAL)
        given = config("models.gat.sampling=none")
        NormalTrainer(given.models.gat, given.trainer, 1, "teacher", graphs, tmp_path / "teacher").train()
        measured = []
        fits = batch_optimizer.Trial.fits
        monkeypatch.setattr(batch_optimizer.Trial, "fits", lambda t, b: measured.append(t.module) or fits(t, b))
        record = self.measure(auto, graphs, tmp_path / "gat", "student", tmp_path / "teacher")
        assert record["teacher"] == str(tmp_path / "teacher")
        assert all(isinstance(module, DistilledGatModule) for module in measured)

    def test_what_was_not_measured_is_an_error(self, auto, tmp_path):
        graphs = write_graphs(tmp_path / "graphs", TRAIN, VAL)
        trainer = GatDistillationTrainer(auto.models.gat, auto.trainer, 1, graphs, tmp_path, tmp_path / "teacher")
        with pytest.raises(ArtifactError, match=r"batch_size\.json: there is no such file"):
            node_budget(trainer.settings, trainer.trainer, trainer.out)

    @pytest.mark.parametrize(("name", "value"), [("device", "NVIDIA H100"), ("precision", "bf16-mixed")])
    def test_what_was_measured_otherwise_is_an_error(self, auto, tmp_path, name, value):
        record = {"device": "cpu", "precision": "32-true", "node_budget": 100, name: value}
        (tmp_path / "batch_size.json").write_text(json.dumps(record))
        with pytest.raises(ArtifactError, match=f"measured with {name} {value}"):
            node_budget(auto.models.gat, auto.trainer, tmp_path)


class TestSetting:
    CONFIG = Path(__file__).parents[2] / "config"

    @pytest.mark.parametrize(("given", "value"), [("auto", "auto"), ("512", 512)])
    def test_a_budget_is_a_number_or_auto(self, given, value):
        loaded = load_config(self.CONFIG, [f"models.gat.node_budget={given}"])
        assert loaded.models.gat.node_budget == value

    @pytest.mark.parametrize("given", ["most", "10", "2048.5", "true", "null"])
    def test_anything_else_is_refused(self, given):
        with pytest.raises(ConfigError, match=r"models\.gat\.node_budget: .*256 to 1e\+07 or auto"):
            load_config(self.CONFIG, [f"models.gat.node_budget={given}"])
