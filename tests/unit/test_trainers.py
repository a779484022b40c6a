"""The trainers, mode by mode: reproducible, blind to what they must not see, and stopped by what is not finite."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from model_makers import config, traffic, write_graphs
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score

from canids.errors import CanidsError, DatasetError
from canids.graphs.batches import gather
from canids.graphs.store import GraphStore
from canids.models.build import build_vgae
from canids.models.scoring import score_gat, score_vgae
from canids.schema import Gat
from canids.training.model_folder import load_gat, load_vgae
from canids.training.modes import (
    AutoencoderTrainer,
    CurriculumTrainer,
    GatDistillationTrainer,
    NormalTrainer,
    VgaeDistillationTrainer,
    gat_trainer,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore:.*LeafSpec.*")
TRAIN = traffic(80, seed=1, attacked=slice(0, None, 4))
VAL_ROLES = ["select"] * 20 + ["fuse"] * 20 + ["calibrate"] * 20
VAL = traffic(60, seed=2, attacked=slice(0, None, 4), role=VAL_ROLES)


@pytest.fixture(scope="module")
def graphs(tmp_path_factory) -> Path:
    return write_graphs(tmp_path_factory.mktemp("graphs"), TRAIN, VAL)


@pytest.fixture(scope="module")
def teachers(graphs, tmp_path_factory) -> Path:
    """Folders ``vgae`` and ``gat`` of trained teachers."""
    folder = tmp_path_factory.mktemp("teachers")
    AutoencoderTrainer(config().models.vgae, config().trainer, 1, "teacher", graphs, folder / "vgae").train()
    NormalTrainer(config().models.gat, config().trainer, 1, "teacher", graphs, folder / "gat").train()
    return folder


def train(mode: str, graphs: Path, out: Path, teachers: Path | None = None, seed: int = 1, *overrides: str) -> dict:
    """Train in a mode; returns the metrics."""
    settings = config(*overrides)
    vgae, gat, trainer = settings.models.vgae, settings.models.gat, settings.trainer
    if mode == "autoencoder":
        return AutoencoderTrainer(vgae, trainer, seed, "teacher", graphs, out).train()
    if mode == "normal":
        return NormalTrainer(gat, trainer, seed, "teacher", graphs, out).train()
    if mode == "curriculum":
        return CurriculumTrainer(gat, trainer, seed, "teacher", graphs, out, teachers / "vgae").train()
    if mode == "distilled gat":
        return GatDistillationTrainer(gat, trainer, seed, graphs, out, teachers / "gat").train()
    return VgaeDistillationTrainer(vgae, trainer, seed, graphs, out, teachers / "vgae").train()


MODES = ("autoencoder", "normal", "curriculum", "distilled gat", "distilled vgae")
every_mode = pytest.mark.parametrize("mode", MODES)


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def spoilt(store: GraphStore, windows: torch.Tensor) -> GraphStore:
    """The store with NaN in every node feature of some windows."""
    of_windows = torch.isin(torch.repeat_interleave(torch.arange(len(store)), store.nodes_per_window()), windows)
    return replace(store, nodes=store.nodes.masked_fill(of_windows[:, None], torch.nan))


@every_mode
class TestEveryMode:
    def test_the_same_seed_gives_the_same_weights(self, mode, graphs, teachers, tmp_path):
        for name in "ab":
            train(mode, graphs, tmp_path / name, teachers)
        assert weights(tmp_path / "a") == weights(tmp_path / "b")

    def test_another_seed_gives_other_weights(self, mode, graphs, teachers, tmp_path):
        for seed in (1, 2):
            train(mode, graphs, tmp_path / str(seed), teachers, seed)
        assert weights(tmp_path / "1") != weights(tmp_path / "2")

    def test_training_before_in_the_same_process_does_not_matter(self, mode, graphs, teachers, tmp_path):
        train(mode, graphs, tmp_path / "a", teachers)
        train("normal", graphs, tmp_path / "other", teachers, 7)
        torch.rand(5)
        train(mode, graphs, tmp_path / "b", teachers)
        assert weights(tmp_path / "a") == weights(tmp_path / "b")

    def test_a_loss_that_is_not_finite_stops_it(self, mode, teachers, tmp_path):
        bad = write_graphs(tmp_path / "graphs", spoilt(TRAIN, torch.arange(80)), VAL)
        with pytest.raises(CanidsError, match="not finite"):
            train(mode, bad, tmp_path / "out", teachers)

    def test_of_a_stopped_training_nothing_is_written(self, mode, teachers, tmp_path):
        bad = write_graphs(tmp_path / "graphs", spoilt(TRAIN, torch.arange(80)), VAL)
        with pytest.raises(CanidsError):
            train(mode, bad, tmp_path / "out", teachers)
        assert not (tmp_path / "out").exists()

    def test_windows_that_fuse_or_calibrate_change_nothing(self, mode, graphs, teachers, tmp_path):
        other = write_graphs(tmp_path / "graphs", TRAIN, spoilt(VAL, torch.arange(20, 60)))
        train(mode, graphs, tmp_path / "a", teachers)
        train(mode, other, tmp_path / "b", teachers)
        assert weights(tmp_path / "a") == weights(tmp_path / "b")

    def test_the_best_epochs_validation_loss_is_reported(self, mode, graphs, teachers, tmp_path):
        metrics = train(mode, graphs, tmp_path, teachers)
        rows = [line.split(",") for line in (tmp_path / "history.csv").read_text().splitlines()]
        losses = [float(row[rows[0].index("val_loss")]) for row in rows[1:]]
        assert metrics["val_loss"] == pytest.approx(min(losses))

    @pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
    def test_weights_of_a_training_in_mixed_precision_are_kept_whole(self, mode, graphs, teachers, tmp_path, precision):
        train(mode, graphs, tmp_path, teachers, 1, f"trainer.precision={precision}")
        assert {tensor.dtype for tensor in load_file(tmp_path / "model.safetensors").values()} == {torch.float32}

    def test_without_an_attack_free_window_it_says_so(self, mode, teachers, tmp_path):
        attacked = traffic(20, attacked=slice(None))
        with pytest.raises(DatasetError, match="no attack-free window"):
            train(mode, write_graphs(tmp_path / "graphs", attacked, VAL), tmp_path / "out", teachers)


@pytest.mark.parametrize("mode", ["normal", "curriculum", "distilled gat"])
class TestClassifiers:
    @pytest.mark.parametrize("part", ["train", "val"])
    def test_without_an_attacked_window_it_names_the_part_that_lacks_one(self, mode, part, teachers, tmp_path):
        stores = {"train": TRAIN, "val": VAL, part: traffic(60, role=VAL_ROLES if part == "val" else "train")}
        with pytest.raises(DatasetError, match=f"no attacked window in {part}"):
            train(mode, write_graphs(tmp_path / "graphs", **stores), tmp_path / "out", teachers)

    def test_attacks_are_told_from_the_rest(self, mode, graphs, teachers, tmp_path):
        many = [f"models.gat.{scale}.epochs=12" for scale in ("teacher", "student")]
        train(mode, graphs, tmp_path, teachers, 1, "models.gat.lr=0.01", *many)
        fresh = traffic(100, seed=5, attacked=slice(0, 50))
        assert roc_auc_score(fresh.label, score_gat(load_gat(tmp_path), fresh).score) > 0.97


@pytest.mark.parametrize("mode", ["autoencoder", "distilled vgae"])
class TestAutoencoders:
    def test_attacked_training_windows_are_never_learnt(self, mode, teachers, tmp_path):
        changed = replace(TRAIN, nodes=TRAIN.nodes.clone())
        of_attacked = TRAIN.label[torch.repeat_interleave(torch.arange(80), TRAIN.nodes_per_window())] == 1
        changed.nodes[of_attacked] *= 3
        for name, store in (("a", TRAIN), ("b", changed)):
            train(mode, write_graphs(tmp_path / f"graphs {name}", store, VAL), tmp_path / name, teachers)
        assert weights(tmp_path / "a") == weights(tmp_path / "b")

    def test_attacked_validation_windows_neither_select_nor_set_the_scale(self, mode, teachers, tmp_path):
        changed = replace(VAL, nodes=VAL.nodes.clone())
        of_attacked = VAL.label[torch.repeat_interleave(torch.arange(60), VAL.nodes_per_window())] == 1
        changed.nodes[of_attacked] *= 3
        for name, store in (("a", VAL), ("b", changed)):
            train(mode, write_graphs(tmp_path / f"graphs {name}", TRAIN, store), tmp_path / name, teachers)
        assert weights(tmp_path / "a") == weights(tmp_path / "b")

    def test_without_an_attack_to_rank_its_auroc_is_undefined(self, mode, teachers, tmp_path):
        quiet = write_graphs(tmp_path / "graphs", TRAIN, traffic(60, role=VAL_ROLES))
        assert train(mode, quiet, tmp_path / "out", teachers)["val_auroc"] is None


def test_latent_units_in_use_are_counted_in_history_and_metrics(graphs, tmp_path):
    metrics = train("autoencoder", graphs, tmp_path)
    rows = (tmp_path / "history.csv").read_text().splitlines()
    column = rows[0].split(",").index("val_active_units")
    assert metrics["active_units"] == float(rows[1 + metrics["best_epoch"]].split(",")[column])
    assert metrics["latent_units"] == 4


class TestStandardisation:
    def test_inputs_have_the_centre_and_spread_of_attack_free_training_windows(self, teachers):
        x = gather(TRAIN, (TRAIN.label == 0).nonzero().ravel()).x
        model = load_vgae(teachers / "vgae")
        torch.testing.assert_close(model.input_centre, x.mean(dim=0), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(model.input_spread, x.std(dim=0, correction=0).clamp_min(0.1), atol=1e-4, rtol=1e-4)

    def test_windows_that_miss_a_reading_do_not_pull_its_centre_to_zero(self, tmp_path):
        half = traffic(80, seed=1, attacked=[0], blind=range(1, 40))
        half.nodes[:, 5] += (half.nodes[:, 5] != 0) * 3.0
        train("autoencoder", write_graphs(tmp_path / "graphs", half, VAL), tmp_path / "out")
        assert load_vgae(tmp_path / "out").input_centre[5].item() == pytest.approx(3.0, abs=0.2)

    def test_errors_are_centred_on_the_attack_free_windows_that_select(self, teachers):
        model = load_vgae(teachers / "vgae")
        chosen = VAL.select(torch.tensor([w for w in range(20) if VAL.label[w] == 0]))
        torch.testing.assert_close(model.error_centre, score_vgae(model, chosen).errors.median(dim=0).values)


class TestStudents:
    def test_a_student_keeps_nothing_of_its_training(self, graphs, teachers, tmp_path):
        train("distilled vgae", graphs, tmp_path, teachers)
        assert set(load_file(tmp_path / "model.safetensors")) == set(
            build_vgae(config().models.vgae, "student").state_dict()
        )

    def test_a_student_with_the_whole_weight_on_its_teacher_needs_no_label(self, graphs, teachers, tmp_path):
        flipped = write_graphs(tmp_path / "graphs", replace(TRAIN, label=1 - TRAIN.label), VAL)
        for name, folder in (("a", graphs), ("b", flipped)):
            train("distilled gat", folder, tmp_path / name, teachers, 1, "models.gat.distillation.weight=1")
        assert weights(tmp_path / "a") == weights(tmp_path / "b")


class TestSamplingStrategies:
    @pytest.mark.parametrize("strategy", ["none", "undersampling-random", "undersampling-vgae", "curriculum-random"])
    def test_the_settings_name_the_strategy(self, graphs, teachers, tmp_path, strategy):
        settings = config(f"models.gat.sampling={strategy}")
        made = gat_trainer(settings.models.gat, settings.trainer, 1, graphs, tmp_path, teachers / "vgae")
        assert type(made) is (CurriculumTrainer if "curriculum" in strategy else NormalTrainer)

    def test_each_gives_other_weights(self, graphs, teachers, tmp_path):
        """An undersampling of 1:1 and a curriculum's first epoch leave windows out, the losses weigh them otherwise."""
        strategies = next(entry for entry in fields(Gat) if entry.name == "sampling").metadata["choices"]
        found = set()
        for strategy in strategies:
            settings = config(f"models.gat.sampling={strategy}", "models.gat.undersampling.ratio=1")
            out = tmp_path / strategy
            gat_trainer(settings.models.gat, settings.trainer, 1, graphs, out, teachers / "vgae").train()
            found.add(weights(out))
        assert len(found) == len(strategies) == 7

    @pytest.mark.parametrize(
        "strategy", ["none", "class-weighted", "focal", "undersampling-random", "curriculum-random"]
    )
    def test_without_the_vgae_in_its_name_it_needs_none(self, graphs, tmp_path, strategy):
        settings = config(f"models.gat.sampling={strategy}")
        gat_trainer(settings.models.gat, settings.trainer, 1, graphs, tmp_path, None).train()
        assert weights(tmp_path)
