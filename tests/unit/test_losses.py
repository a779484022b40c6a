"""The classifier's losses, and the count of latent units in use."""

import pytest
import torch
from model_makers import config
from torch.nn.functional import cross_entropy

from canids.training.active_units import active_units, latent_moments
from canids.training.losses import class_weights, classification_loss, focal_loss

LOGITS = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
LABEL = torch.tensor([1] * 10 + [0] * 40)


class TestFocal:
    def test_a_gamma_of_zero_leaves_the_cross_entropy(self):
        torch.testing.assert_close(focal_loss(LOGITS, LABEL, 0.0), cross_entropy(LOGITS, LABEL))

    def test_each_window_weighs_by_how_far_its_probability_is_from_1(self):
        each = cross_entropy(LOGITS, LABEL, reduction="none")
        wrong = 1 - LOGITS.softmax(dim=1)[torch.arange(50), LABEL]
        torch.testing.assert_close(focal_loss(LOGITS, LABEL, 2.0), (wrong**2 * each).mean())

    def test_a_window_that_is_certain_leaves_the_gradient_finite(self):
        logits = torch.tensor([[100.0, -100.0]], requires_grad=True)
        focal_loss(logits, torch.tensor([0]), 0.5).backward()
        assert torch.isfinite(logits.grad).all()


class TestClassWeights:
    def test_both_classes_weigh_the_same_in_all(self):
        weights = class_weights(LABEL)
        assert (10 * weights[1]).item() == pytest.approx((40 * weights[0]).item()) == 25

    def test_a_loss_is_chosen_by_the_strategy(self):
        losses = {
            name: classification_loss(config(f"models.gat.sampling={name}").models.gat, LABEL)(LOGITS, LABEL).item()
            for name in ("none", "class-weighted", "focal", "curriculum-vgae")
        }
        assert losses["none"] == losses["curriculum-vgae"] == pytest.approx(cross_entropy(LOGITS, LABEL).item())
        assert losses["class-weighted"] == pytest.approx(
            cross_entropy(LOGITS, LABEL, torch.tensor([0.625, 2.5])).item()
        )
        assert losses["focal"] == pytest.approx(focal_loss(LOGITS, LABEL, 2.0).item())


class TestActiveUnits:
    def test_units_whose_mean_hardly_varies_are_not_in_use(self):
        mean = torch.randn(2000, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([1, 0.2, 0.05, 0.0])
        assert active_units(latent_moments(mean + 5)).item() == 2  # variances 1, 0.04, 0.0025, 0

    def test_moments_of_parts_add_up(self):
        mean = torch.randn(30, 3)
        parts = latent_moments(mean[:7]) + latent_moments(mean[7:])
        torch.testing.assert_close(parts, latent_moments(mean))
