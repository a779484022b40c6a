"""On a CUDA device: what a CPU computes, without a step that waits for the host. Skipped where there is none."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import torch
from model_makers import config, traffic, write_graphs
from safetensors.torch import load_file

from canids.graphs.batches import budget_batches, drop_readings, gather
from canids.graphs.placement import PlacedStore
from canids.models.build import build_gat, build_vgae
from canids.models.scoring import score_gat, score_vgae
from canids.training.batch_optimizer import BatchSizeOptimizer
from canids.training.datamodules import GraphDataModule, ShuffleSampler
from canids.training.lightning_modules import GatModule
from canids.training.modes import AutoencoderTrainer, GatDistillationTrainer, VgaeDistillationTrainer, gat_trainer

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore:.*LeafSpec.*"),
]
STORE = traffic(80, seed=1, attacked=slice(0, None, 4), blind=[5])
WINDOWS = torch.randperm(80, generator=torch.Generator().manual_seed(0))
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


@pytest.mark.parametrize(("build", "name"), [(build_gat, "gat"), (build_vgae, "vgae")])
def test_no_step_waits_for_the_device(build, name):
    model = build(config().models[name], "teacher").cuda()
    placed = PlacedStore(STORE, "cuda")
    planned = placed.plan(budget_batches(STORE, WINDOWS, 100))
    generator = torch.Generator()
    drop_readings(placed.gather(planned[0]), 0.5, generator)  # sends its constants once
    with nothing_waits():
        for each in planned:
            output = model(drop_readings(placed.gather(each), 0.5, generator))
            sum(part.sum() for part in vars(output).values()).backward()
    assert all(p.grad is None or p.grad.is_cuda for p in model.parameters())


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
