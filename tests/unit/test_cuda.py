"""On a CUDA device: what a CPU computes, without a step that waits for the host. Skipped where there is none."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest
import torch
from model_makers import config, traffic, write_graphs
from safetensors.torch import load_file
from training_makers import leave_nothing_to_chance, module_of, small_fit

from canids.graphs.batches import budget_batches, gather
from canids.graphs.placement import PlacedStore
from canids.models.build import build_gat, build_vgae
from canids.models.scoring import score_gat, score_vgae
from canids.training.batch_optimizer import BatchSizeOptimizer
from canids.training.captured import CapturedStep
from canids.training.datamodules import GraphDataModule, ShuffleSampler
from canids.training.lightning_modules import GatModule
from canids.training.modes import AutoencoderTrainer, GatDistillationTrainer, VgaeDistillationTrainer, gat_trainer
from canids.training.termination import Terminated

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore:.*LeafSpec.*"),
]
STORE = traffic(80, seed=1, attacked=slice(0, None, 4), blind=[5])
WINDOWS = torch.randperm(80, generator=torch.Generator().manual_seed(0))
KINDS = ["gat", "distilled gat", "vgae", "distilled vgae"]
ON_GPU = "trainer.accelerator=cuda"


@contextlib.contextmanager
def nothing_waits():
    """An operation that waits for the device, or copies from it, is an error."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_batch_on_the_device_is_that_of_the_host():
    placed = PlacedStore(STORE, "cuda")
    there = placed.gather(placed.plan([WINDOWS])[0])
    for name, here in vars(gather(STORE, WINDOWS)).items():
        torch.testing.assert_close(vars(there)[name].cpu(), here)


def test_a_store_that_does_not_fit_is_sent_batch_by_batch(monkeypatch):
    monkeypatch.setattr("canids.graphs.placement.MEMORY_SHARE", 0.0)
    placed = PlacedStore(STORE, "cuda")
    there = placed.gather(placed.plan([WINDOWS])[0])
    assert placed.placed is STORE and there.x.is_cuda
    torch.testing.assert_close(there.x.cpu(), gather(STORE, WINDOWS).x)


@pytest.mark.parametrize(("build", "score", "name"), [(build_gat, score_gat, "gat"), (build_vgae, score_vgae, "vgae")])
def test_scores_are_those_of_the_cpu(build, score, name):
    torch.manual_seed(0)
    model = build(config().models[name], "teacher").eval()
    here = score(model, STORE).score
    torch.testing.assert_close(score(model.cuda(), STORE).score, here, atol=1e-4, rtol=1e-3)


@pytest.fixture(params=[True, False], ids=["deterministic", "any algorithms"])
def algorithms(request, monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(request.param)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("kind", KINDS)
def test_no_step_waits_for_the_device(kind, algorithms):
    module = module_of(kind, STORE).cuda()
    placed = PlacedStore(STORE, "cuda")
    planned = placed.plan(budget_batches(STORE, WINDOWS, 100))
    module.training_step(placed.gather(planned[0]), 0)  # sends its constants once
    with nothing_waits():
        for each in planned:
            module.training_step(placed.gather(each), 0).backward()
    assert all(p.grad.is_cuda for p in module.parameters())


@pytest.mark.parametrize("kind", KINDS)
class TestRecordedStep:
    def recorded(self, kind: str, *overrides: str):
        """A module in training, its recorded step, and the batches that it was made for."""
        module = module_of(kind, STORE, *overrides).cuda().train()
        placed = PlacedStore(STORE, "cuda")
        planned = placed.plan(budget_batches(STORE, WINDOWS, 100))
        return module, CapturedStep(module, placed.placed, planned), placed, planned

    def test_it_gives_what_an_unrecorded_one_gives(self, kind, algorithms, monkeypatch):
        leave_nothing_to_chance(monkeypatch)
        module, captured, placed, planned = self.recorded(kind)
        assert captured.graph is not None
        for each in [*planned, planned[0]]:
            draw = torch.linspace(0, 1, each.num_graphs).pin_memory()
            found = {name: float(value) for name, value in captured(module, each, draw).items()}
            module.zero_grad()
            captured.give_gradients()
            gradients = [p.grad.clone() for p in module.parameters()]
            module.zero_grad()
            parts = module.step(placed.gather(each), draw.cuda())
            parts["loss"].backward()
            assert found == pytest.approx({name: float(value) for name, value in parts.items()}, rel=1e-3, abs=1e-5)
            torch.testing.assert_close(gradients, [p.grad for p in module.parameters()], atol=1e-4, rtol=1e-2)

    def test_it_does_not_wait_for_the_device(self, kind):
        module, captured, _, planned = self.recorded(kind)
        with nothing_waits():
            for each in planned:
                captured(module, each, torch.rand(each.num_graphs, pin_memory=True))

    def test_what_is_dropped_is_drawn_anew(self, kind):
        module, captured, _, planned = self.recorded(kind, f"models.{kind.split()[-1]}.dropout=0.5")
        draw = torch.full((planned[0].num_graphs,), 0.5, pin_memory=True)
        assert len({float(captured(module, planned[0], draw)["loss"]) for _ in range(5)}) == 5

    def test_a_fit_ends_where_one_of_unrecorded_steps_ends(self, kind, monkeypatch):
        leave_nothing_to_chance(monkeypatch)
        replays, modules = [], [module_of(kind, STORE) for _ in range(2)]
        replay = torch.cuda.CUDAGraph.replay
        monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", lambda graph: replays.append(1) or replay(graph))
        there = small_fit(modules[0], STORE, ON_GPU)
        monkeypatch.setattr("canids.training.datamodules.can_capture", lambda *_: False)
        here = small_fit(modules[1], STORE, ON_GPU)
        assert replays
        for mine, theirs in zip(there.history, here.history, strict=True):
            assert mine == pytest.approx(theirs, rel=1e-2)

    def test_a_fit_in_half_precision_ends_near_one_in_full(self, kind, monkeypatch):
        leave_nothing_to_chance(monkeypatch)
        losses = [
            small_fit(module_of(kind, STORE), STORE, ON_GPU, f"trainer.precision={precision}").history[-1]["val_loss"]
            for precision in ("bf16-mixed", "32-true")
        ]
        assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_a_training_that_was_ended_goes_on(graphs, tmp_path, monkeypatch):
    settings = config(ON_GPU, "models.gat.sampling=none", "models.gat.node_budget=64", "models.gat.teacher.epochs=4")
    made = gat_trainer(settings.models.gat, settings.trainer, 1, graphs, tmp_path, None)
    call, calls = CapturedStep.__call__, []

    def ended(*given):
        calls.append(given)
        if len(calls) == 8:
            os.kill(os.getpid(), signal.SIGTERM)
        return call(*given)

    monkeypatch.setattr(CapturedStep, "__call__", ended)
    with pytest.raises(Terminated):
        made.train()
    metrics = gat_trainer(settings.models.gat, settings.trainer, 1, graphs, tmp_path, None).train()
    assert metrics["epochs"] == 4
    epochs = len(list(budget_batches(STORE, WINDOWS, 64)))
    assert abs(len(calls) - 4 * epochs) <= 4  # none of them was made twice


@pytest.fixture(scope="module")
def graphs(tmp_path_factory) -> Path:
    return write_graphs(tmp_path_factory.mktemp("graphs"))


@pytest.mark.parametrize("precision", ["32", "bf16-mixed", "16-mixed"])
def test_the_cascade_trains(precision, graphs, tmp_path):
    settings = config(ON_GPU, f"trainer.precision={precision}")
    vgae, gat, trainer = settings.models.vgae, settings.models.gat, settings.trainer
    metrics = [
        AutoencoderTrainer(vgae, trainer, 1, "teacher", graphs, tmp_path / "vgae").train(),
        gat_trainer(gat, trainer, 1, graphs, tmp_path / "gat", tmp_path / "vgae").train(),
        VgaeDistillationTrainer(vgae, trainer, 1, graphs, tmp_path / "small-vgae", tmp_path / "vgae").train(),
        GatDistillationTrainer(gat, trainer, 1, graphs, tmp_path / "small-gat", tmp_path / "gat").train(),
    ]
    assert all(0 <= each["val_auroc"] <= 1 for each in metrics)
    for folder in ("vgae", "gat", "small-vgae", "small-gat"):
        weights = load_file(tmp_path / folder / "model.safetensors")
        assert all(torch.isfinite(tensor).all() for tensor in weights.values())


def test_a_training_in_full_precision_ends_near_that_of_the_cpu(graphs, tmp_path):
    losses = {}
    for accelerator in ("cpu", "cuda"):
        settings = config(f"trainer.accelerator={accelerator}", "models.gat.dropout=0", "models.gat.sampling=none")
        made = gat_trainer(settings.models.gat, settings.trainer, 1, graphs, tmp_path / accelerator, None)
        losses[accelerator] = made.train()["val_loss"]
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=1e-3)


def test_memory_that_runs_out_limits_the_batches():
    settings = config(ON_GPU, "batch_size.least_steps=1")
    store = traffic(4000, seed=3, attacked=slice(0, None, 4))
    module = GatModule(
        build_gat(config("models.gat.teacher.hidden=256").models.gat, "teacher"), settings.models.gat, 1, 0
    )
    data = GraphDataModule(store, store, ShuffleSampler(torch.arange(4000), 1), torch.arange(10))
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(0.2 * 2**30 / total)
    try:
        found = BatchSizeOptimizer(settings.batch_size, settings.trainer).optimize_with_datamodule(module, data)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert found.limited_by == "memory" and found.fits < found.fails
    assert found.device == torch.cuda.get_device_name()
