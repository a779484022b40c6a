"""Training in two processes on a CPU, and how windows are shared among processes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from model_makers import config, write_graphs
from safetensors.torch import load_file

from canids.errors import CanidsError, ConfigError, DatasetError
from canids.training.modes import NormalTrainer
from canids.training.sharding import training_share, validation_share

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore:.*LeafSpec.*")
sizes_and_processes = (st.lists(st.integers(1, 5), min_size=1, max_size=20), st.integers(1, 5))


def batches_of(sizes: list[int]) -> list[torch.Tensor]:
    return list(torch.arange(sum(sizes)).split(sizes))


def windows_of(shares: list[list[torch.Tensor]]) -> list[int]:
    return [window for share in shares for batch in share for window in batch.tolist()]


class TestShares:
    @given(*sizes_and_processes)
    def test_no_window_is_trained_on_twice_in_an_epoch_and_all_processes_make_equally_many_steps(self, sizes, count):
        batches = batches_of(sizes)
        if sum(sizes) < count:
            return
        shares = [training_share(batches, rank, count) for rank in range(count)]
        windows = windows_of(shares)
        assert len({len(share) for share in shares}) == 1
        assert len(windows) == len(set(windows)) > sum(sizes) - count
        assert all(len(batch) for share in shares for batch in share)

    @given(*sizes_and_processes)
    def test_every_window_validates_once(self, sizes, count):
        batches = batches_of(sizes)
        if sum(sizes) < count:
            return
        shares = [validation_share(batches, rank, count) for rank in range(count)]
        assert sorted(windows_of(shares)) == list(range(sum(sizes))) and all(shares)

    @given(*sizes_and_processes)
    def test_a_process_alone_has_every_batch_as_it_is(self, sizes, _count):
        batches = batches_of(sizes)
        for share in (training_share, validation_share):
            assert all(one is other for one, other in zip(share(batches, 0, 1), batches, strict=True))

    @pytest.mark.parametrize("share", [training_share, validation_share])
    def test_fewer_windows_than_processes_are_refused(self, share):
        with pytest.raises(DatasetError, match="3 processes cannot share 2 windows"):
            share(batches_of([2]), 0, 3)


def trainer(graphs: Path, out: Path, *overrides: str) -> NormalTrainer:
    settings = config(
        "models.gat.teacher.epochs=4", "models.gat.dropout=0", "models.gat.reading_dropout=0", *overrides
    )  # fmt: skip
    return NormalTrainer(settings.models.gat, settings.trainer, 1, "teacher", graphs, out)


class TestTwoProcesses:
    """Two processes of half the batch each make the steps of one: their gradients are averaged."""

    @pytest.fixture(scope="class")
    def graphs(self, tmp_path_factory) -> Path:
        return write_graphs(tmp_path_factory.mktemp("graphs"))

    def test_they_end_where_one_does(self, graphs, tmp_path):
        alone = trainer(graphs, tmp_path / "alone", "models.gat.node_budget=128").train()
        two = trainer(graphs, tmp_path / "two", "models.gat.node_budget=64", "trainer.devices=2").train()
        assert two["val_loss"] == pytest.approx(alone["val_loss"], rel=0.03)
        assert two["val_auroc"] == pytest.approx(alone["val_auroc"], abs=0.03)
        assert two["epochs"] == alone["epochs"]
        assert {path.name for path in (tmp_path / "two").iterdir()} == {
            "model.safetensors", "config.yaml", "metrics.json", "history.csv"
        }  # fmt: skip
        one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("alone", "two"))
        assert max(float((one[name] - other[name]).abs().max()) for name in one) < 0.05

    def test_what_stops_one_of_them_is_the_message(self, graphs, tmp_path):
        with pytest.raises(CanidsError, match=r"^epoch 0, batch 0: the gradient explodes"):
            trainer(graphs, tmp_path / "out", "trainer.devices=2", "trainer.gradient_limit=1e-6").train()
        assert not (tmp_path / "out").exists()

    def test_several_machines_need_torchrun(self, graphs, tmp_path):
        with pytest.raises(ConfigError, match=r"trainer\.num_nodes: given 2; .* torchrun --nnodes 2"):
            trainer(graphs, tmp_path, "trainer.num_nodes=2").train()
