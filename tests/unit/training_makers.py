"""Lightning modules of every kind, and short fits of them, for tests of training steps."""

import lightning
import pytest
import torch
from model_makers import config, traffic

from canids.graphs.batches import NODE_INPUTS
from canids.graphs.store import GraphStore
from canids.models.build import build_gat, build_vgae
from canids.training.datamodules import GraphDataModule, ShuffleSampler
from canids.training.fit import Fit, fit
from canids.training.lightning_modules import DistilledGatModule, DistilledVgaeModule, GatModule, VgaeModule
from canids.training.losses import classification_loss


def module_of(kind: str, store: GraphStore, *overrides: str) -> lightning.LightningModule:
    """A student's module without dropout: ``gat`` (maybe after a sampling strategy), ``vgae``, either ``distilled``."""
    *how, name = kind.split()
    sampling = how[0] if how and how != ["distilled"] else "none"
    settings = config(f"models.{name}.dropout=0", f"models.gat.sampling={sampling}", *overrides).models[name]
    torch.manual_seed(0)
    model = {"gat": build_gat, "vgae": build_vgae}[name](settings, "student")
    random = torch.Generator().manual_seed(3)
    if kind == "distilled gat":
        return DistilledGatModule(model, settings, 2, 0, torch.randn(len(store), 2, generator=random))
    if kind == "distilled vgae":
        teacher = (torch.randn(len(store.nodes), width, generator=random).half() for width in (4, NODE_INPUTS))
        return DistilledVgaeModule(model, settings, 2, 0, store, *teacher)
    if name == "vgae":
        return VgaeModule(model, settings, 2, 0)
    return GatModule(model, settings, 2, 0, classification_loss(settings, store.label))


def small_fit(
    module: lightning.LightningModule, store: GraphStore, *overrides: str, epochs: int = 2, budget: int = 100
) -> Fit:
    """A fit on all windows of a store, in batches of different sizes."""
    val = traffic(60, seed=2, attacked=slice(0, None, 4), role="select")
    data = GraphDataModule(store, val, ShuffleSampler(torch.arange(len(store)), 1), torch.arange(60), budget)
    return fit(module, data, epochs, epochs, config(*overrides).trainer)


def leave_nothing_to_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Latent samples are the means, and whatever is drawn from 0 to 1 is 0.4."""

    def drawn(*shape: int, device: torch.device | None = None, pin_memory: bool = False, **_: object) -> torch.Tensor:
        return torch.full(shape, 0.4, device=device, pin_memory=pin_memory)

    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
    monkeypatch.setattr(torch, "rand", drawn)
