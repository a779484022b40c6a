"""What a training is stopped by, what it says then, and what Lightning is told."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from types import SimpleNamespace

import lightning
import pytest
import torch
from lightning.pytorch.plugins.environments import LightningEnvironment, SLURMEnvironment
from lightning.pytorch.strategies import DDPStrategy
from model_makers import config, traffic, write_graphs

from canids.errors import CanidsError, DatasetError
from canids.training.callbacks import FiniteGuard, LastGood
from canids.training.fit import lightning_trainer
from canids.training.modes import AutoencoderTrainer, NormalTrainer
from canids.training.resume import RESUME

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore:.*LeafSpec.*")
SMALL = ("models.gat.node_budget=64", "models.gat.teacher.epochs=4")


@pytest.fixture(scope="module")
def graphs(tmp_path_factory) -> Path:
    return write_graphs(tmp_path_factory.mktemp("graphs"))


def trainer(graphs: Path, out: Path, *overrides: str) -> NormalTrainer:
    settings = config(*SMALL, *overrides)
    return NormalTrainer(settings.models.gat, settings.trainer, 1, "teacher", graphs, out)


def spoilt(made: NormalTrainer, at: int, spoil) -> NormalTrainer:
    """The trainer, with ``spoil`` called with its model before the training step ``at``."""
    prepare, steps = made.prepare, iter(range(10**6))

    def watched():
        stores, model, prepared = prepare()
        model.register_forward_pre_hook(lambda model, _: spoil(model) if model.training and next(steps) == at else None)
        return stores, model, prepared

    made.prepare = watched
    return made


def poison(model: torch.nn.Module) -> None:
    next(model.parameters()).data.fill_(float("nan"))


def poison_the_gradient(model: torch.nn.Module) -> None:
    next(model.parameters()).register_hook(lambda gradient: gradient * float("nan"))


def explode(model: torch.nn.Module) -> None:
    next(model.parameters()).register_hook(lambda gradient: gradient + 1e9)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(poison, "the loss is not finite"), (poison_the_gradient, "the gradient is not finite"),
     (explode, r"the gradient explodes \(norm .*trainer\.gradient_limit 1e\+06\)")],
)  # fmt: skip
class TestStops:
    @pytest.mark.parametrize(("at", "where"), [(2, "epoch 0, batch 2"), (8, "epoch 1, batch 2")])
    def test_epoch_and_batch_are_named(self, spoil, words, at, where, graphs, tmp_path):
        with pytest.raises(CanidsError, match=f"^{where}: {words}"):
            spoilt(trainer(graphs, tmp_path), at, spoil).train()

    def test_the_last_good_checkpoint_is_named_and_is_good(self, spoil, words, graphs, tmp_path):
        with pytest.raises(CanidsError, match=rf"last good checkpoint: {tmp_path / RESUME}, epoch 1"):
            spoilt(trainer(graphs, tmp_path), 14, spoil).train()
        state = torch.load(tmp_path / RESUME, weights_only=True)["state_dict"]
        assert all(torch.isfinite(tensor).all() for tensor in state.values())

    def test_without_one_it_says_so(self, spoil, words, graphs, tmp_path):
        with pytest.raises(CanidsError, match="last good checkpoint: no epoch was finished"):
            spoilt(trainer(graphs, tmp_path / "out"), 1, spoil).train()
        assert not (tmp_path / "out").exists()


class TestGradient:
    def test_a_limit_of_ones_own_stops(self, graphs, tmp_path):
        with pytest.raises(CanidsError, match="epoch 0, batch 0: the gradient explodes"):
            trainer(graphs, tmp_path, "trainer.gradient_limit=1e-6").train()

    @pytest.mark.parametrize(("precision", "stops"), [("16-mixed", False), ("bf16-mixed", True), ("32-true", True)])
    def test_an_overflow_in_half_precision_is_the_loss_scalers_business(self, precision, stops):
        """Which takes a GPU: on a CPU, Lightning trains in bfloat16 instead."""
        guard = FiniteGuard(1.0, 1e6, LastGood())
        guard.norm = torch.tensor(float("inf"))
        loop = SimpleNamespace(precision=precision, current_epoch=0)
        with pytest.raises(CanidsError) if stops else contextlib.nullcontext():
            guard.on_train_batch_end(loop, None, {"loss": torch.tensor(1.0)}, None, 0)

    @pytest.mark.parametrize(("clip", "largest"), [(0.5, 0.5), (0.0, float("inf"))])
    def test_it_is_clipped_as_the_settings_say(self, clip, largest, graphs, tmp_path):
        made, norms = trainer(graphs, tmp_path, f"trainer.gradient_clip={clip}", "models.gat.lr=0.1"), []
        prepare = made.prepare

        def watched():
            stores, model, prepared = prepare()
            module = prepared.module
            step = module.optimizer_step

            def optimizer_step(epoch, batch_idx, optimizer, closure=None):
                step(epoch, batch_idx, optimizer, closure)
                norms.append(torch.nn.utils.get_total_norm([p.grad for p in module.parameters()]).item())

            module.optimizer_step = optimizer_step
            return stores, model, prepared

        made.prepare = watched
        made.train()
        assert max(norms) <= largest + 1e-5 and (max(norms) > 0.5) == (clip == 0.0)


def lightnings(*overrides: str) -> lightning.Trainer:
    return lightning_trainer(config(*overrides).trainer, 7, [], [])


class TestLightning:
    def test_it_is_told_the_precision(self):
        assert lightnings("trainer.precision=bf16-mixed").precision == "bf16-mixed"

    @pytest.mark.parametrize("deterministic", [True, False])
    def test_it_is_told_whether_to_be_deterministic(self, deterministic):
        lightnings(f"trainer.deterministic={deterministic}")
        assert torch.are_deterministic_algorithms_enabled() == deterministic

    def test_it_is_told_the_devices_and_machines(self):
        made = lightnings("trainer.devices=2", "trainer.num_nodes=3")
        assert (made.num_devices, made.num_nodes) == (2, 3)

    @pytest.mark.parametrize(
        ("overrides", "ddp"), [((), False), (("trainer.strategy=ddp",), True), (("trainer.devices=2",), True)]
    )
    def test_it_is_told_the_strategy(self, overrides, ddp):
        assert isinstance(lightnings(*overrides).strategy, DDPStrategy) == ddp


class TestSlurm:
    @pytest.fixture(autouse=True)
    def allocation(self, monkeypatch, tmp_path):
        """The variables of a job of one task."""
        monkeypatch.chdir(tmp_path)
        for name, value in {"JOB_ID": "7", "JOB_NAME": "train", "NTASKS": "1", "PROCID": "0", "LOCALID": "0",
                            "NODEID": "0", "NODELIST": "n1", "JOB_NODELIST": "n1"}.items():  # fmt: skip
            monkeypatch.setenv(f"SLURM_{name}", value)
        assert SLURMEnvironment.detect()

    def test_lightning_does_not_see_the_scheduler(self):
        made = lightnings()
        assert isinstance(made._accelerator_connector.cluster_environment, LightningEnvironment)

    def test_nothing_requeues_the_job(self, graphs, tmp_path):
        handlers = []
        made = spoilt(trainer(graphs, tmp_path / "out"), 3, lambda _: handlers.append(signal.getsignal(signal.SIGUSR1)))
        made.train()
        assert handlers == [signal.SIG_DFL]
        assert [path.name for path in tmp_path.iterdir()] == ["out"]


class TestTooFewWindows:
    def test_a_single_attack_free_window_to_train_on_is_refused(self, tmp_path):
        single = write_graphs(tmp_path / "graphs", traffic(5, attacked=[0, 1, 2, 3]))
        with pytest.raises(DatasetError, match="a single attack-free window in train, 2 at least are needed"):
            trainer(single, tmp_path / "out").train()

    def test_a_single_attack_free_window_to_select_on_is_refused(self, tmp_path):
        val = traffic(6, attacked=[0, 1], role=["select"] * 3 + ["fuse"] * 3)
        with pytest.raises(DatasetError, match=r"a single attack-free window in val \(select\)"):
            trainer(write_graphs(tmp_path / "graphs", val=val), tmp_path / "out").train()

    def test_two_attack_free_windows_and_no_attack_are_enough_for_the_vgae(self, tmp_path):
        few = write_graphs(tmp_path / "graphs", traffic(2), traffic(2, role="select"))
        settings = config()
        made = AutoencoderTrainer(settings.models.vgae, settings.trainer, 1, "teacher", few, tmp_path / "out")
        assert made.train()["val_auroc"] is None

    def test_one_attacked_window_in_each_part_is_enough_for_the_gat(self, tmp_path):
        few = write_graphs(tmp_path / "graphs", traffic(3, attacked=[0]), traffic(3, attacked=[0], role="select"))
        assert trainer(few, tmp_path / "out").train()["val_auroc"] is not None
