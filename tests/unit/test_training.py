"""Training: which windows a batch holds, which state a fit keeps, what stops it, and what each loss is made of."""

from __future__ import annotations

from dataclasses import replace

import lightning
import pytest
import torch
from model_makers import config, node_columns_of, traffic
from torch.nn.functional import cross_entropy, kl_div, log_softmax, softmax

from canids.errors import CanidsError
from canids.graphs.batches import NODE_INPUTS_OF, GraphBatch, budget_batches, gather
from canids.graphs.placement import PlacedStore
from canids.graphs.store import GRAPH_COLUMNS, GraphStore
from canids.models.build import build_gat, build_vgae
from canids.models.scoring import over_store, score_gat
from canids.training.datamodules import BatchLoader, GraphDataModule, ShuffleSampler
from canids.training.fit import Fit, fit
from canids.training.lightning_modules import DistilledGatModule, DistilledVgaeModule, GatModule, VgaeModule
from canids.training.modes.curriculum import DifficultyRefresh

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore:.*LeafSpec.*")
NAN = float("nan")
CALM = ("models.{0}.dropout=0", "models.{0}.reading_dropout=0")  # nothing random but the latent sample
TRAIN = traffic(80, seed=1, attacked=slice(0, None, 4))
VAL = traffic(60, seed=2, attacked=slice(0, None, 4), role="select")


def calm(model: str, *overrides: str):
    return config(*(each.format(model) for each in CALM), *overrides).models[model]


class EpochOrders:
    """A sampler that tells for which epochs it was asked, and gives each its own windows."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def order(self, epoch: int) -> torch.Tensor:
        self.asked.append(epoch)
        return torch.arange(10 * epoch, 10 * epoch + 8).flip(0)

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        pass


class Scripted(lightning.LightningModule):
    """A module whose only weight is the epoch it was last trained in, with losses as told for each epoch."""

    def __init__(self, val_losses: list[float], train_losses: list[float] | None = None) -> None:
        super().__init__()
        self.model = torch.nn.Linear(1, 1)
        self.val_losses, self.train_losses = val_losses, train_losses
        self.trained_on: list[list[int]] = []
        self.validated_on: list[list[int]] = []

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)

    def training_step(self, graphs: GraphBatch, _index: int) -> torch.Tensor:
        self.trained_on.append(graphs.windows.tolist())
        torch.nn.init.constant_(self.model.weight, float(self.current_epoch))
        loss = self.train_losses[self.current_epoch] if self.train_losses else 1.0
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=graphs.num_graphs)
        return (0 * self.model.weight).sum()

    def validation_step(self, graphs: GraphBatch, _index: int) -> None:
        self.validated_on.append(graphs.windows.tolist())
        self.log("val_loss", self.val_losses[self.current_epoch], batch_size=graphs.num_graphs)


def run(
    module: Scripted,
    patience: int = 100,
    sampler=None,
    budget: int = 10_000,
    callbacks: tuple = (),
    epoch_windows: int | None = None,
) -> Fit:
    data = GraphDataModule(TRAIN, VAL, sampler or EpochOrders(), torch.tensor([3, 1, 2]), budget, epoch_windows)
    return fit(module, data, len(module.val_losses), patience, config().trainer, callbacks)


class TestDataModule:
    def test_the_sampler_is_asked_once_for_every_epoch(self):
        sampler = EpochOrders()
        run(Scripted([1.0] * 4), sampler=sampler)
        assert sampler.asked == [0, 1, 2, 3]

    def test_an_epoch_trains_on_its_order_of_windows(self):
        module = Scripted([1.0] * 3)
        run(module)
        assert module.trained_on == [list(range(10 * epoch + 7, 10 * epoch - 1, -1)) for epoch in range(3)]

    def test_an_epoch_has_no_more_windows_than_it_may(self):
        module = Scripted([1.0] * 3)
        run(module, epoch_windows=5)
        assert module.trained_on == [list(range(10 * epoch + 7, 10 * epoch + 2, -1)) for epoch in range(3)]

    def test_batches_together_are_the_order(self):
        module = Scripted([1.0])
        run(module, budget=8)
        assert len(module.trained_on) > 1 and [w for batch in module.trained_on for w in batch] == list(
            range(7, -1, -1)
        )

    def test_validation_sees_the_windows_it_was_told_in_their_order(self):
        module = Scripted([1.0] * 2)
        run(module)
        assert module.validated_on == [[3, 1, 2]] * 2

    def test_a_loader_tells_how_many_batches_it_gives(self):
        loader = BatchLoader(PlacedStore(TRAIN, "cpu"), list(torch.arange(80).split(7)))
        assert len(loader) == len(list(loader))


class TestFit:
    @pytest.mark.parametrize(("losses", "best"), [([3, 1, 2], 1), ([3, 2, 1], 2), ([1, 2, 3], 0), ([2, 1, 1], 1)])
    def test_the_state_of_the_epoch_with_the_lowest_validation_loss_is_kept(self, losses, best):
        module = Scripted(losses)
        result = run(module)
        assert (result.best_epoch, module.model.weight.item()) == (best, best)

    def test_each_epochs_losses_are_recorded(self):
        result = run(Scripted([3.0, 1.0, 2.0], [6.0, 5.0, 4.0]))
        got = [(each["epoch"], each["val_loss"], each["train_loss"]) for each in result.history]
        assert got == [(0, 3.0, 6.0), (1, 1.0, 5.0), (2, 2.0, 4.0)]

    def test_it_stops_after_so_many_epochs_without_a_better_loss(self):
        assert len(run(Scripted([3, 1, 2, 2, 2, 0, 0]), patience=3).history) == 5

    def test_a_better_loss_in_time_lets_it_go_on(self):
        assert len(run(Scripted([3, 1, 2, 2, 0.5, 1, 1, 1, 1]), patience=3).history) == 8

    @pytest.mark.parametrize("bad", [NAN, float("inf")])
    @pytest.mark.parametrize("where", ["val", "train"])
    def test_a_loss_that_is_not_finite_stops_it_and_names_the_epoch(self, where, bad):
        losses = {"val": [1.0] * 4, "train": [1.0] * 4}
        losses[where][2] = bad
        with pytest.raises(CanidsError, match="epoch 2: a loss is not finite"):
            run(Scripted(losses["val"], losses["train"]))

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
    def test_cuda_without_a_device_is_an_error_and_no_fallback(self):
        with pytest.raises(CanidsError, match=r"trainer\.accelerator: given 'cuda'"):
            fit(Scripted([1.0]), None, 1, 1, config("trainer.accelerator=cuda").trainer)

    def test_nothing_is_left_in_the_working_folder(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        run(Scripted([2.0, 1.0]))
        assert list(tmp_path.iterdir()) == []


def seen_by(module: lightning.LightningModule, step: str) -> GraphBatch:
    """The batch that a module gives to its model."""
    given = []
    module.model.register_forward_pre_hook(lambda _model, arguments: given.append(arguments[0]))
    getattr(module, step)(gather(TRAIN, torch.arange(80)), 0)
    return given[0]


@pytest.mark.parametrize(("name", "module", "build"), [("gat", GatModule, build_gat), ("vgae", VgaeModule, build_vgae)])
class TestReadingDropout:
    def module(self, name, module, build, seed=0):
        settings = config(f"models.{name}.reading_dropout=0.6").models[name]
        return module(build(settings, "teacher"), settings, 2, seed)

    def test_training_loses_readings(self, name, module, build):
        seen = seen_by(self.module(name, module, build), "training_step")
        assert not torch.equal(seen.x, gather(TRAIN, torch.arange(80)).x)

    def test_validation_loses_none(self, name, module, build):
        seen = seen_by(self.module(name, module, build), "validation_step")
        assert torch.equal(seen.x, gather(TRAIN, torch.arange(80)).x)

    def test_which_are_lost_depends_on_the_seed(self, name, module, build):
        one, other = (seen_by(self.module(name, module, build, seed), "training_step") for seed in (1, 2))
        assert not torch.equal(one.x, other.x)


SHUFFLED = torch.randperm(80, generator=torch.Generator().manual_seed(5))[:30]


class TestDistilledGat:
    def loss(self, weight: float, temperature: float, teacher: torch.Tensor, windows=SHUFFLED) -> torch.Tensor:
        settings = calm(
            "gat", f"models.gat.distillation.weight={weight}", f"models.gat.distillation.temperature={temperature}"
        )
        module = DistilledGatModule(self.student(), settings, 2, 0, teacher)
        return module.training_step(gather(TRAIN, windows), 0).detach()

    def student(self) -> torch.nn.Module:
        torch.manual_seed(0)
        return build_gat(calm("gat"), "student")

    def logits(self) -> torch.Tensor:
        return score_gat(self.student(), TRAIN).logits

    @property
    def teacher(self) -> torch.Tensor:
        return 3 * torch.randn(80, 2, generator=torch.Generator().manual_seed(1))

    def test_without_a_weight_the_loss_is_that_of_the_labels(self):
        wanted = cross_entropy(self.logits()[SHUFFLED], TRAIN.label[SHUFFLED])
        torch.testing.assert_close(self.loss(0.0, 3.0, self.teacher), wanted)

    @pytest.mark.parametrize("temperature", [1.0, 4.0])
    def test_with_the_whole_weight_it_is_the_distance_from_the_teacher(self, temperature):
        student, teacher = self.logits()[SHUFFLED] / temperature, self.teacher[SHUFFLED] / temperature
        distance = kl_div(log_softmax(student, 1), softmax(teacher, 1), reduction="batchmean")
        torch.testing.assert_close(self.loss(1.0, temperature, self.teacher), temperature**2 * distance)

    def test_in_between_both_are_mixed(self):
        labels, teacher = (self.loss(weight, 3.0, self.teacher) for weight in (0.0, 1.0))
        torch.testing.assert_close(self.loss(0.7, 3.0, self.teacher), 0.3 * labels + 0.7 * teacher)

    @pytest.mark.parametrize("windows", [SHUFFLED, torch.arange(80), torch.tensor([79, 0])])
    def test_a_teacher_that_says_the_same_of_each_window_is_at_no_distance(self, windows):
        assert self.loss(1.0, 2.0, self.logits(), windows).item() == pytest.approx(0, abs=1e-6)


class TestDistilledVgae:
    """The student is its own teacher here, so that it is at no distance if each node meets its own outputs."""

    def module(self, latent: float, reconstruction: float, shift: float = 0.0) -> DistilledVgaeModule:
        where = "models.vgae.distillation."
        weights = (f"{where}latent_weight={latent}", f"{where}reconstruction_weight={reconstruction}")
        torch.manual_seed(0)
        settings = calm("vgae", "models.vgae.beta=0", *weights)
        model = build_vgae(settings, "student")
        torch.nn.init.zeros_(model.log_variance.weight)
        torch.nn.init.constant_(model.log_variance.bias, -10.0)  # samples lie next to the mean
        mean, nodes = over_store(model, TRAIN, lambda graphs: ((out := model(graphs)).mean, out.nodes))
        module = DistilledVgaeModule(model, settings, 2, 0, TRAIN, mean + shift, nodes + shift)
        torch.nn.init.eye_(module.project.weight)
        torch.nn.init.zeros_(module.project.bias)
        return module.train()

    def part(self, latent: float, reconstruction: float, windows: torch.Tensor, shift: float = 0.0) -> float:
        """What the teacher adds to the loss."""
        losses = []
        for weights in ((latent, reconstruction), (0.0, 0.0)):
            module = self.module(*weights, shift)
            torch.manual_seed(1)
            losses.append(module.training_step(gather(TRAIN, windows), 0).item())
        return losses[0] - losses[1]

    @pytest.mark.parametrize("windows", [SHUFFLED, torch.arange(80), torch.tensor([79, 0])])
    @pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0)])
    def test_each_node_meets_its_own_teacher_outputs_in_any_order(self, weights, windows):
        assert self.part(*weights, windows) == pytest.approx(0, abs=1e-3)

    @pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0)])
    def test_a_teacher_that_says_otherwise_adds_the_squared_distance(self, weights):
        assert self.part(*weights, SHUFFLED, shift=2.0) == pytest.approx(4.0, abs=0.05)

    def test_a_weight_scales_its_part(self):
        once, thrice = (self.part(weight, 0.0, SHUFFLED, shift=2.0) for weight in (1.0, 3.0))
        assert thrice == pytest.approx(3 * once, rel=1e-3)

    def test_inputs_of_a_reading_that_the_teacher_lacked_are_not_matched(self):
        whole = traffic(20, seed=1)
        half = replace(whole, nodes=whole.nodes.clone(), graph_features=whole.graph_features.clone())
        half.nodes[:, node_columns_of("known")] = 0
        half.graph_features[:, [i for i, name in enumerate(GRAPH_COLUMNS) if name.startswith("known_")]] = 0
        settings = calm("vgae", "models.vgae.distillation.latent_weight=0")
        inputs = NODE_INPUTS_OF["known"]

        def loss(store: GraphStore) -> float:
            """Of a teacher that is off by 3 in the inputs of the known reading, less that of one that is not."""
            losses = []
            for shift in (3.0, 0.0):
                torch.manual_seed(0)
                model = build_vgae(settings, "student")
                mean, nodes = over_store(model, store, lambda g, m=model: ((out := m(g)).mean, out.nodes))
                nodes[:, inputs] += shift
                module = DistilledVgaeModule(model, settings, 2, 0, store, mean, nodes).train()
                torch.manual_seed(1)
                losses.append(module.training_step(gather(store, torch.arange(20)), 0).item())
            return losses[0] - losses[1]

        assert loss(half) == pytest.approx(0, abs=1e-5) and loss(whole) > 0.5

    def test_the_projection_learns_too(self):
        module = self.module(1.0, 0.0, shift=1.0)
        module.training_step(gather(TRAIN, SHUFFLED), 0).backward()
        assert module.project.weight.grad.any()


class TestVgaeLoss:
    def loss(self, training: bool, *overrides: str) -> float:
        settings = calm("vgae", *(f"models.vgae.{each}" for each in overrides))
        torch.manual_seed(0)
        module = VgaeModule(build_vgae(settings, "teacher"), settings, 9, 0).train(training)
        logged = {}
        module.log_dict = lambda values, **_: logged.update(values)
        torch.manual_seed(1)
        step = module.training_step if training else module.validation_step
        step(gather(TRAIN, SHUFFLED), 0)
        if training:
            module.on_train_epoch_end()
        return float(logged["train_loss" if training else "val_loss"])

    def test_the_kl_term_weighs_nothing_when_its_warm_up_begins(self):
        assert self.loss(True, "beta_warmup=5", "beta=9") == self.loss(True, "beta_warmup=5", "beta=0")

    def test_without_a_warm_up_the_kl_term_weighs_at_once(self):
        assert self.loss(True, "beta_warmup=0", "beta=9") > self.loss(True, "beta_warmup=0", "beta=0") + 0.1

    def test_validation_losses_of_all_epochs_can_be_compared(self):
        assert self.loss(False, "beta_warmup=5", "beta=9") == self.loss(False, "beta_warmup=0", "beta=9")

    @pytest.mark.parametrize("term", ["edge_weight", "neighbourhood_weight"])
    def test_a_term_adds_in_proportion_to_its_weight(self, term):
        none, once, twice = (self.loss(True, f"{term}={weight}") for weight in (0, 1, 2))
        assert twice - none == pytest.approx(2 * (once - none), rel=1e-3) and once > none

    def test_pairs_that_are_no_edges_are_of_one_window(self):
        settings = calm("vgae")
        module = VgaeModule(build_vgae(settings, "teacher"), settings, 2, 0)
        graphs, asked = gather(TRAIN, torch.arange(80)), []
        of_model = module.model.edge_logits
        module.model.edge_logits = lambda latent, pairs: asked.append(pairs) or of_model(latent, pairs)
        module.training_step(graphs, 0)
        assert all(torch.equal(graphs.batch[pairs[0]], graphs.batch[pairs[1]]) for pairs in asked)


class TestRefresh:
    def test_difficulty_is_refreshed_at_every_so_many_epochs_but_the_last(self):
        at = []

        class Sampler(EpochOrders):
            def refresh(self, _loss: torch.Tensor) -> None:
                at.append(module.current_epoch)

        module = Scripted([1.0] * 6)
        sampler = Sampler()
        module.model = build_gat(config().models.gat, "teacher")
        module.model.weight = torch.nn.Parameter(torch.zeros(1))
        run(module, sampler=sampler, callbacks=(DifficultyRefresh(sampler, TRAIN, 2),))
        assert at == [1, 3]

    def test_difficulty_is_the_gats_loss_on_each_attack_free_window(self):
        given = []

        class Sampler(EpochOrders):
            def refresh(self, loss: torch.Tensor) -> None:
                given.append(loss)

        module = Scripted([1.0] * 2)
        module.model = model = build_gat(config().models.gat, "teacher")
        model.weight = torch.nn.Parameter(torch.zeros(1))
        sampler = Sampler()
        run(module, sampler=sampler, callbacks=(DifficultyRefresh(sampler, TRAIN, 1),))
        logits = score_gat(model, TRAIN).logits
        loss = cross_entropy(logits, TRAIN.label, reduction="none") * (TRAIN.label == 0)
        torch.testing.assert_close(given[0], loss)


def test_an_epoch_of_shuffled_windows_leaves_none_out():
    loader = BatchLoader(
        PlacedStore(TRAIN, "cpu"), list(budget_batches(TRAIN, ShuffleSampler(torch.arange(80), 3).order(1), 50))
    )
    assert sorted(torch.cat([batch.windows for batch in loader]).tolist()) == list(range(80))
