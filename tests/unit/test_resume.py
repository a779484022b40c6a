"""A training that is killed or ended within an epoch goes on and ends with the very weights of an uninterrupted one."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import random
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from model_makers import config, fusion_states_of, traffic, write_graphs
from safetensors.torch import load_file

from canids.errors import CanidsError
from canids.fusion.agent import DoubleDqn
from canids.fusion.states import save_states
from canids.training.modes import (
    AutoencoderTrainer,
    CurriculumTrainer,
    FusionTrainer,
    GatDistillationTrainer,
    NormalTrainer,
    VgaeDistillationTrainer,
)
from canids.training.modes.trainer import ModelTrainer
from canids.training.resume import RESUME, ResumeCheckpoint, random_states, set_random_states
from canids.training.termination import Terminated

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore:.*LeafSpec.*")
MODES = {
    "autoencoder": AutoencoderTrainer,
    "normal": NormalTrainer,
    "curriculum": CurriculumTrainer,
    "distilled gat": GatDistillationTrainer,
    "distilled vgae": VgaeDistillationTrainer,
}
EPOCHS = 4
SETTINGS = (
    *(f"models.{model}.{scale}.epochs={EPOCHS}" for model in ("vgae", "gat") for scale in ("teacher", "student")),
    "models.vgae.node_budget=64", "models.gat.node_budget=64", "models.gat.curriculum.refresh=1",
)  # fmt: skip


@pytest.fixture(scope="module")
def graphs(tmp_path_factory) -> Path:
    return write_graphs(tmp_path_factory.mktemp("graphs"))


@pytest.fixture(scope="module")
def teachers(graphs, tmp_path_factory) -> Path:
    """Folders ``vgae`` and ``gat`` of trained teachers."""
    folder = tmp_path_factory.mktemp("teachers")
    for mode, name in (("autoencoder", "vgae"), ("normal", "gat")):
        trainer(mode, graphs, folder / name, folder).train()
    return folder


def trainer(mode: str, graphs: Path, out: Path, teachers: Path, *overrides: str) -> ModelTrainer:
    settings = config(*SETTINGS, *overrides)
    model = "vgae" if mode in ("autoencoder", "distilled vgae") else "gat"
    arguments = {"settings": settings.models[model], "trainer": settings.trainer, "seed": 1, "graphs": graphs}
    if mode.startswith("distilled"):
        arguments["teacher"] = teachers / model
    else:
        arguments["scale"] = "teacher"
    if mode == "curriculum":
        arguments["vgae"] = teachers / "vgae"
    return MODES[mode](**arguments, out=out)


def steps_of(made: ModelTrainer, then) -> ModelTrainer:
    """The trainer, with ``then`` called with the number of each training step before it is made."""
    prepare, steps = made.prepare, iter(range(10**6))

    def watched():
        stores, model, prepared = prepare()
        model.register_forward_pre_hook(lambda model, _: then(next(steps)) if model.training else None)
        return stores, model, prepared

    made.prepare = watched
    return made


def interrupted(made: ModelTrainer, number: signal.Signals, at: int) -> int:
    """Run a training in a process that gets a signal in its step ``at``; returns how it ended."""

    return ended(steps_of(made, lambda step: os.kill(os.getpid(), number) if step == at else None).train)


def ended(train) -> int:
    """How a process ends that does this."""

    def run() -> None:
        try:
            train()
        except Terminated as error:
            os._exit(error.exit_code)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join()
    return process.exitcode


def state(folder: Path) -> tuple[dict, str, dict]:
    """Weights, history and metrics (without the seconds) of a model folder."""
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics.pop("training_seconds")
    metrics.pop("record")
    return load_file(folder / "model.safetensors"), (folder / "history.csv").read_text(), metrics


def assert_equal(one: Path, other: Path) -> None:
    (weights, *rest), (other_weights, *other_rest) = state(one), state(other)
    assert all(torch.equal(tensor, other_weights[name]) for name, tensor in weights.items())
    assert rest == other_rest


@pytest.fixture(scope="module")
def whole(graphs, teachers, tmp_path_factory) -> Path:
    """Folders of uninterrupted trainings, by mode."""
    folder = tmp_path_factory.mktemp("whole")
    for mode in MODES:
        trainer(mode, graphs, folder / mode, teachers).train()
    return folder


@pytest.mark.parametrize("mode", MODES)
class TestEveryMode:
    def test_killed_within_an_epoch_it_ends_as_if_it_had_not_been(self, mode, graphs, teachers, whole, tmp_path):
        made = trainer(mode, graphs, tmp_path / "out", teachers)
        assert interrupted(made, signal.SIGKILL, 9) == -signal.SIGKILL
        assert [path.name for path in (tmp_path / "out").iterdir()] == [RESUME]
        trainer(mode, graphs, tmp_path / "out", teachers).train()
        assert_equal(tmp_path / "out", whole / mode)

    def test_ended_by_sigterm_it_goes_on_at_the_next_batch(self, mode, graphs, teachers, whole, tmp_path):
        made = trainer(mode, graphs, tmp_path / "out", teachers)
        assert interrupted(made, signal.SIGTERM, 9) == Terminated.exit_code
        left, all_steps = [], []
        steps_of(trainer(mode, graphs, tmp_path / "out", teachers), left.append).train()
        steps_of(trainer(mode, graphs, tmp_path / "again", teachers), all_steps.append).train()
        assert len(left) == len(all_steps) - 10
        assert_equal(tmp_path / "out", whole / mode)

    def test_the_checkpoint_is_gone_once_the_model_is_written(self, mode, whole):
        assert not (whole / mode / RESUME).exists()


class TestWhere:
    """In each step of the mode ``normal``, the first of an epoch and the last among them."""

    @pytest.mark.parametrize("at", range(1, 13, 2))
    def test_sigterm_in_any_step_changes_nothing_of_what_comes_out(self, at, graphs, teachers, whole, tmp_path):
        made = trainer("normal", graphs, tmp_path, teachers)
        assert interrupted(made, signal.SIGTERM, at) == Terminated.exit_code
        trainer("normal", graphs, tmp_path, teachers).train()
        assert_equal(tmp_path, whole / "normal")

    def test_killed_after_the_last_epoch_nothing_is_trained_again(self, graphs, teachers, whole, tmp_path, monkeypatch):
        made = trainer("normal", graphs, tmp_path, teachers)
        monkeypatch.setattr(made, "_measure", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        assert interrupted(made, signal.SIGKILL, 10**6 - 1) == -signal.SIGKILL
        steps = []
        steps_of(trainer("normal", graphs, tmp_path, teachers), steps.append).train()
        assert steps == []
        assert_equal(tmp_path, whole / "normal")

    def test_a_training_that_had_stopped_early_does_not_go_on(self, graphs, teachers, tmp_path, monkeypatch):
        early = ("models.gat.patience=1", "models.gat.lr=0.000001", "models.gat.teacher.epochs=9")
        trainer("normal", graphs, tmp_path / "whole", teachers, *early).train()
        made = trainer("normal", graphs, tmp_path / "out", teachers, *early)
        monkeypatch.setattr(made, "_measure", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        interrupted(made, signal.SIGKILL, 10**6 - 1)
        trainer("normal", graphs, tmp_path / "out", teachers, *early).train()
        assert_equal(tmp_path / "out", tmp_path / "whole")

    def test_killed_twice_it_still_ends_the_same(self, graphs, teachers, whole, tmp_path):
        for at in (9, 5):
            interrupted(trainer("normal", graphs, tmp_path, teachers), signal.SIGKILL, at)
        trainer("normal", graphs, tmp_path, teachers).train()
        assert_equal(tmp_path, whole / "normal")


class TestFusion:
    """Looks at every 20 of 110 steps; the replay holds the transitions of 50."""

    @pytest.fixture(scope="class")
    def states(self, tmp_path_factory) -> Path:
        path, random_numbers = tmp_path_factory.mktemp("states") / "states.safetensors", np.random.default_rng(1)
        label = random_numbers.integers(0, 2, 120)
        made = fusion_states_of(
            label, random_numbers.random(120), 0.8 * label + 0.2 * random_numbers.random(120),
            role=["fuse"] * 60 + ["select"] * 60,
        )  # fmt: skip
        save_states(path, made)
        return path

    def trainer(self, states: Path, out: Path) -> FusionTrainer:
        settings = config("fusion.steps=110", "fusion.selection_interval=20", "fusion.replay=400", "fusion.lr=0.01")
        return FusionTrainer(settings.fusion, 1, "student", states, out, settings.trainer.tracking)

    def interrupted(self, made: FusionTrainer, number: signal.Signals, at: int, monkeypatch) -> int:
        update, steps = DoubleDqn._update, iter(range(1, 10**6))

        def watched(agent, replay):
            if next(steps) == at:
                os.kill(os.getpid(), number)
            return update(agent, replay)

        with monkeypatch.context() as patch:
            patch.setattr(DoubleDqn, "_update", watched)
            return ended(made.train)

    @pytest.mark.parametrize(
        ("number", "code", "left"),
        [(signal.SIGKILL, -signal.SIGKILL, 110 - 60), (signal.SIGTERM, Terminated.exit_code, 110 - 75)],
    )
    def test_interrupted_it_ends_as_if_it_had_not_been(self, number, code, left, states, tmp_path, monkeypatch):
        self.trainer(states, tmp_path / "whole").train()
        assert self.interrupted(self.trainer(states, tmp_path / "out"), number, 75, monkeypatch) == code
        update, steps = DoubleDqn._update, []
        monkeypatch.setattr(DoubleDqn, "_update", lambda agent, replay: steps.append(1) or update(agent, replay))
        self.trainer(states, tmp_path / "out").train()
        assert len(steps) == left
        for folder in ("whole", "out"):
            metrics = json.loads((tmp_path / folder / "metrics.json").read_text())
            metrics.pop("alternatives_seconds")
            (tmp_path / folder / "metrics.json").write_text(json.dumps(metrics))
        assert_equal(tmp_path / "out", tmp_path / "whole")
        assert not (tmp_path / "out" / RESUME).exists()

    def test_a_loss_that_is_not_finite_names_step_and_last_good_checkpoint(self, states, tmp_path, monkeypatch):
        update, steps = DoubleDqn._update, iter(range(1, 10**6))
        monkeypatch.setattr(
            DoubleDqn, "_update", lambda *given: (float("nan"), 1.0) if next(steps) == 75 else update(*given)
        )
        with pytest.raises(CanidsError, match=rf"^step 75: .*loss is not finite.*{tmp_path / RESUME}, step 60"):
            self.trainer(states, tmp_path).train()


class TestDiscarded:
    """A checkpoint of another training is no help; it is said that it is not used."""

    @pytest.fixture
    def half(self, graphs, teachers, tmp_path) -> Path:
        """The folder of a training that was killed."""
        interrupted(trainer("distilled gat", graphs, tmp_path / "out", teachers), signal.SIGKILL, 9)
        return tmp_path / "out"

    def trains_anew(self, made: ModelTrainer, caplog) -> bool:
        with caplog.at_level(logging.INFO):
            made.train()
        anew = "epoch 0: " in caplog.text
        assert anew == (f"{RESUME} is discarded, training starts anew" in caplog.text)
        return anew

    def test_the_same_training_resumes_and_says_so(self, half, graphs, teachers, caplog):
        assert not self.trains_anew(trainer("distilled gat", graphs, half, teachers), caplog)
        assert f"resuming from {half / RESUME}" in caplog.text

    @pytest.mark.parametrize("override", ["models.gat.lr=0.001", "trainer.gradient_clip=2", "models.gat.patience=7"])
    def test_other_settings(self, override, half, graphs, teachers, caplog):
        assert self.trains_anew(trainer("distilled gat", graphs, half, teachers, override), caplog)

    def test_another_seed(self, half, graphs, teachers, caplog):
        made = trainer("distilled gat", graphs, half, teachers)
        made.seed = 2
        assert self.trains_anew(made, caplog)

    def test_other_windows(self, half, teachers, caplog, tmp_path):
        other = write_graphs(tmp_path / "graphs", traffic(80, seed=3, attacked=slice(0, None, 4)))
        assert self.trains_anew(trainer("distilled gat", other, half, teachers), caplog)

    def test_another_teacher(self, half, graphs, teachers, caplog, tmp_path):
        trainer("normal", graphs, tmp_path / "gat", teachers, "models.gat.lr=0.01").train()
        assert self.trains_anew(trainer("distilled gat", graphs, half, tmp_path), caplog)

    def test_other_code(self, half, graphs, teachers, caplog, monkeypatch):
        monkeypatch.setattr("canids.training.run.code_digest", lambda _: "other")
        assert self.trains_anew(trainer("distilled gat", graphs, half, teachers), caplog)

    def test_a_damaged_one(self, half, graphs, teachers, caplog):
        (half / RESUME).write_bytes((half / RESUME).read_bytes()[:1000])
        assert self.trains_anew(trainer("distilled gat", graphs, half, teachers), caplog)

    def test_where_it_is_tracked_is_no_other_training(self, half, graphs, teachers, caplog, tmp_path):
        tracked = f"trainer.tracking.tensorboard={tmp_path / 'tensorboard'}"
        assert not self.trains_anew(trainer("distilled gat", graphs, half, teachers, tracked), caplog)


class TestCheckpoint:
    def test_code_in_it_is_not_run(self, tmp_path):
        class Evil:
            def __reduce__(self):
                return (Path.touch, (tmp_path / "ran",))

        torch.save({"x": Evil()}, tmp_path / RESUME)
        assert ResumeCheckpoint(tmp_path, "key").load() is None
        assert not (tmp_path / "ran").exists()

    def test_random_generators_go_on_where_they_were(self):
        def draws():
            return torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random(), random.gauss(0, 1)

        torch.manual_seed(1), np.random.seed(2), random.seed(3)
        draws()
        states = random_states()
        drawn = draws()
        set_random_states(states)
        assert draws() == drawn
