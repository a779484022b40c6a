"""VGAE and GAT as Lightning modules, and their distilled forms."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from omegaconf import DictConfig
from torch.nn.functional import cross_entropy, kl_div, log_softmax, logsigmoid, softmax

from canids.graphs.batches import GraphBatch, present_inputs, reading_draws, rows_of, without_readings
from canids.graphs.placement import Planned
from canids.graphs.store import GraphStore
from canids.models.gat import Gat
from canids.models.scoring import kl_divergence
from canids.models.vgae import Vgae, VgaeOutput, node_errors
from canids.training.active_units import active_units, latent_moments
from canids.training.captured import CapturedStep
from canids.training.losses import Loss
from canids.training.resume import of_rank, per_rank


class _GraphModule(lightning.LightningModule):
    """AdamW with a cosine schedule over the epochs, and losses logged by epoch.

    Training losses are summed here: Lightning's own sums would not be in a checkpoint within an epoch.
    """

    def __init__(self, settings: DictConfig, epochs: int, seed: int) -> None:
        super().__init__()
        self.settings, self.epochs, self.seed = settings, epochs, seed
        self.generator = torch.Generator().manual_seed(seed)
        self.sums: dict[str, torch.Tensor] = {}
        self.graphs = 0
        self.captured: CapturedStep | None = None

    def step(self, graphs: GraphBatch, draw: torch.Tensor) -> dict[str, torch.Tensor]:
        """The losses of a batch: ``loss``, and what else is recorded.

        It may be recorded once and repeated: what changes between steps has to be a tensor that is filled anew.

        Args:
            draw: (B,) which graphs lose readings.
        """
        raise NotImplementedError

    def training_step(self, batch: GraphBatch | Planned, _index: int) -> torch.Tensor:
        draw = reading_draws(batch.num_graphs, self.generator, self.device.type == "cuda")
        if isinstance(batch, Planned):
            parts = self._captured_for(batch)(self, batch, draw)
        else:
            parts = self.step(batch, draw.to(batch.x.device, non_blocking=True))
        return self._log_parts("train", parts, batch.num_graphs)

    def backward(self, loss: torch.Tensor, *_: Any, **__: Any) -> None:
        if loss.requires_grad:
            loss.backward()
        else:  # a captured step has gone the way back already
            self.captured.give_gradients()

    def _captured_for(self, planned: Planned) -> CapturedStep:
        if self.captured is None or not self.captured.holds(planned):
            self.captured = None  # gives its memory back before the next takes its own
            loader = self.trainer.train_dataloader
            self.captured = CapturedStep(self, loader.store.placed, loader.batches)
        return self.captured

    def on_fit_end(self) -> None:
        self.captured = None  # gives its memory back

    def configure_optimizers(self):
        scaled = self._trainer is not None and self._trainer.precision == "16-mixed"  # which a fused step cannot clip
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=self.settings.lr, weight_decay=self.settings.weight_decay, fused=not scaled
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.epochs)
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def setup(self, stage: str) -> None:
        if self.trainer.world_size > 1:  # each process its own draws, for the models are built by now
            own = self.seed + 1_000_003 * self.trainer.global_rank
            self.generator.manual_seed(own)
            torch.manual_seed(own)

    def on_train_epoch_end(self) -> None:
        means = {name: total / self.graphs for name, total in self.sums.items()}
        self.log_dict(means, batch_size=self.graphs, sync_dist=True)
        self.sums, self.graphs = {}, 0

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        state = {"generator": self.generator.get_state(), "sums": self.sums, "graphs": self.graphs}
        checkpoint["module"] = per_rank(state)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        state = of_rank(checkpoint["module"])
        self.generator.set_state(state["generator"])
        self.sums, self.graphs = state["sums"], state["graphs"]

    def _log_parts(self, stage: str, parts: dict[str, torch.Tensor], graphs: int) -> torch.Tensor:
        values = {f"{stage}_{name}": value for name, value in parts.items()}
        if stage == "val":
            self.log_dict(values, on_step=False, on_epoch=True, batch_size=graphs, sync_dist=True)
        else:
            for name, value in values.items():
                value = value.detach().double()
                total = self.sums[name].to(value.device) if name in self.sums else torch.zeros_like(value)
                self.sums[name] = torch.add(total, value, alpha=graphs)
            self.graphs += graphs
        return parts["loss"]


class VgaeModule(_GraphModule):
    """Trains a VGAE: node, edge and neighbourhood reconstruction, and KL with a warm-up of its weight.

    The warm-up keeps the posterior from collapsing onto the prior before the decoders use it; the number of latent
    units in use is logged (``val_active_units``).
    """

    def __init__(self, model: Vgae, settings: DictConfig, epochs: int, seed: int) -> None:
        super().__init__(settings, epochs, seed)
        self.model = model
        self.moments = torch.zeros((), dtype=torch.float64)  # of the posterior means of an epoch's validation
        self.register_buffer("warmth", torch.ones(()), persistent=False)  # of the divergence's weight

    def training_step(self, batch: GraphBatch | Planned, index: int) -> torch.Tensor:
        if self.settings.beta_warmup:
            self.warmth.fill_(min(1.0, self.current_epoch / self.settings.beta_warmup))
        return super().training_step(batch, index)

    def step(self, graphs: GraphBatch, draw: torch.Tensor) -> dict[str, torch.Tensor]:
        graphs = without_readings(graphs, self.settings.reading_dropout, draw)
        return self._losses(self.model(graphs), graphs)

    def on_validation_epoch_start(self) -> None:
        self.moments = torch.zeros((), dtype=torch.float64, device=self.device)

    def validation_step(self, graphs: GraphBatch, _index: int) -> None:
        output = self.model(graphs)
        self.moments = self.moments + latent_moments(output.mean)
        # The same pairs for a batch in every epoch, on whichever process it is: so that losses can be compared.
        pairs = torch.Generator().manual_seed(int(graphs.windows[0]))
        self._log_parts("val", self._losses(output, graphs, pairs), graphs.num_graphs)

    def on_validation_epoch_end(self) -> None:
        moments = self.trainer.strategy.reduce(self.moments, reduce_op="sum")
        self.log("val_active_units", active_units(moments).float())

    def _losses(
        self, output: VgaeOutput, graphs: GraphBatch, generator: torch.Generator | None = None
    ) -> dict[str, torch.Tensor]:
        nodes, neighbourhood = map(graphs.mean_of_nodes, node_errors(self.model, output, graphs))
        edges = self._edge_loss(output, graphs, generator)
        divergence = graphs.mean_of_nodes(kl_divergence(output))
        loss = (
            nodes
            + self.settings.edge_weight * edges
            + self.settings.neighbourhood_weight * neighbourhood
            + self.settings.beta * (self.warmth if self.training else 1.0) * divergence
        )
        return {"loss": loss, "nodes": nodes, "edges": edges, "neighbourhood": neighbourhood, "kl": divergence}

    def _edge_loss(self, output: VgaeOutput, graphs: GraphBatch, generator: torch.Generator | None) -> torch.Tensor:
        """Edges against as many random pairs of the same window (few of which are edges themselves)."""
        source = graphs.edge_index[0]
        graph = graphs.batch[source]
        first, count = graphs.node_start[graph], graphs.node_start.diff()[graph]
        device = count.device if generator is None else generator.device
        draws = torch.rand(2, len(count), generator=generator, device=device).to(count.device)
        pairs = first + (draws * count).long()
        present = self.model.edge_logits(output.latent, graphs.edge_index)
        absent = self.model.edge_logits(output.latent, pairs)
        return -graphs.mean_of_edges(logsigmoid(present) + logsigmoid(-absent)) / 2


class DistilledVgaeModule(VgaeModule):
    """A student VGAE that also matches its teacher's latent means, through a learned projection, and reconstruction.

    The teacher has seen each window whole, once; the student sees it with readings dropped.

    Args:
        teacher_mean, teacher_nodes: (N, ·) float16, the teacher's latent means and reconstructions, for the nodes of
            ``train``.
    """

    def __init__(
        self,
        model: Vgae,
        settings: DictConfig,
        epochs: int,
        seed: int,
        train: GraphStore,
        teacher_mean: torch.Tensor,
        teacher_nodes: torch.Tensor,
    ) -> None:
        super().__init__(model, settings, epochs, seed)
        given = {"node_start": train.node_start, "teacher_mean": teacher_mean, "teacher_nodes": teacher_nodes}
        for name, tensor in given.items():
            self.register_buffer(name, tensor, persistent=False)
        self.project = torch.nn.Linear(model.mean.out_features, teacher_mean.shape[1])

    def step(self, graphs: GraphBatch, draw: torch.Tensor) -> dict[str, torch.Tensor]:
        # Of inputs whose reading the teacher lacked, it made up a reconstruction: nothing to learn from.
        present = present_inputs(graphs.x)
        graphs = without_readings(graphs, self.settings.reading_dropout, draw)
        output = self.model(graphs)
        losses = self._losses(output, graphs)
        index, _, _ = rows_of(self.node_start, graphs.windows, len(graphs.x), graphs.real)
        mean, nodes = self.teacher_mean[index].float(), self.teacher_nodes[index].float()
        losses["latent"] = graphs.mean_of_nodes((self.project(output.mean) - mean).square().mean(dim=1))
        missed = graphs.mean_of_nodes(((output.nodes - nodes).square() * present).sum(dim=1))
        losses["reconstruction"] = missed / graphs.mean_of_nodes(present.sum(dim=1))
        weights = self.settings.distillation
        losses["loss"] = (
            losses["loss"]
            + weights.latent_weight * losses["latent"]
            + weights.reconstruction_weight * losses["reconstruction"]
        )
        return losses


class GatModule(_GraphModule):
    """Trains a GAT on labels; training windows lose one of their readings now and then.

    Args:
        loss: of the training windows. Those that validate are always judged by plain cross-entropy.
    """

    def __init__(self, model: Gat, settings: DictConfig, epochs: int, seed: int, loss: Loss = cross_entropy) -> None:
        super().__init__(settings, epochs, seed)
        self.model, self.loss = model, loss

    def step(self, graphs: GraphBatch, draw: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = self.model(without_readings(graphs, self.settings.reading_dropout, draw)).logits
        return self._losses(logits, graphs)

    def validation_step(self, graphs: GraphBatch, _index: int) -> None:
        logits = self.model(graphs).logits
        accuracy = (logits.argmax(dim=1) == graphs.y).float().mean()
        self._log_parts("val", {"loss": cross_entropy(logits, graphs.y), "accuracy": accuracy}, graphs.num_graphs)

    def _losses(self, logits: torch.Tensor, graphs: GraphBatch) -> dict[str, torch.Tensor]:
        return {"loss": self.loss(logits, graphs.y)}


class DistilledGatModule(GatModule):
    """A student GAT: (1 - λ) CE + λ T² KL(teacher ‖ student at temperature T) (Hinton et al., 2015).

    The teacher has seen each window whole, once; the student sees it with readings dropped.

    Args:
        teacher_logits: (w, 2) the teacher's logits of the training store's windows.
    """

    def __init__(self, model: Gat, settings: DictConfig, epochs: int, seed: int, teacher_logits: torch.Tensor) -> None:
        super().__init__(model, settings, epochs, seed)
        self.register_buffer("teacher_logits", teacher_logits, persistent=False)

    def _losses(self, logits: torch.Tensor, graphs: GraphBatch) -> dict[str, torch.Tensor]:
        weight, temperature = self.settings.distillation.weight, self.settings.distillation.temperature
        teacher = self.teacher_logits[graphs.windows]
        labels = cross_entropy(logits, graphs.y)
        distance = kl_div(
            log_softmax(logits / temperature, dim=1), softmax(teacher / temperature, dim=1), reduction="none"
        )
        distance = graphs.mean_of_graphs(distance.sum(dim=1))
        loss = (1 - weight) * labels + weight * temperature**2 * distance
        return {"loss": loss, "labels": labels, "distillation": distance}
