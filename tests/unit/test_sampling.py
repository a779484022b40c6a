"""The curriculum's choice of training windows."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_makers import config

from canids.training.datamodules import ShuffleSampler
from canids.training.sampling import CurriculumSampler, undersampled

fast = settings(max_examples=50, deadline=None)
LABEL = torch.tensor([1] * 20 + [0] * 180)[torch.randperm(200, generator=torch.Generator().manual_seed(0))]
FREE, ATTACKED = (set((label == LABEL).nonzero().ravel().tolist()) for label in (0, 1))
SCORE = torch.randn(200, generator=torch.Generator().manual_seed(1))


def sampler(*overrides: str, label=LABEL, score=SCORE, seed=0) -> CurriculumSampler:
    chosen = config(*(f"models.gat.curriculum.{each}" for each in overrides)).models.gat.curriculum
    return CurriculumSampler(label, chosen, seed, score)


def free_windows(order: torch.Tensor) -> set[int]:
    return set(order.tolist()) & FREE


def hardest(difficulty: torch.Tensor, count: int) -> set[int]:
    free = sorted(FREE, key=lambda w: -float(difficulty[w]))
    return set(free[:count])


class TestCounts:
    @fast
    @given(epoch=st.integers(0, 60), tau=st.floats(0.5, 30))
    def test_attack_free_windows_follow_one_minus_exp(self, epoch, tau):
        share = 1 - math.exp(-epoch / tau)
        order = sampler(f"time_constant={tau}").order(epoch)
        assert abs(len(free_windows(order)) - (20 + share * 160)) <= 0.51

    def test_the_first_epoch_is_balanced(self):
        assert len(free_windows(sampler().order(0))) == len(ATTACKED)

    def test_the_mix_ends_at_the_natural_ratio(self):
        assert free_windows(sampler().order(1000)) == FREE

    def test_the_number_never_falls_and_never_jumps(self):
        counts = [len(sampler("time_constant=5").order(epoch)) for epoch in range(40)]
        steps = [after - before for before, after in itertools.pairwise(counts)]
        assert min(steps) >= 0 and max(steps) == steps[0]

    @fast
    @given(epoch=st.integers(0, 60), hard=st.floats(0, 1))
    def test_every_attacked_window_comes_every_epoch(self, epoch, hard):
        assert set(sampler(f"hard_share={hard}").order(epoch).tolist()) >= ATTACKED

    @fast
    @given(epoch=st.integers(0, 60), hard=st.floats(0, 1))
    def test_no_window_comes_twice_in_an_epoch(self, epoch, hard):
        order = sampler(f"hard_share={hard}").order(epoch)
        assert len(set(order.tolist())) == len(order)

    def test_with_more_attacked_than_attack_free_windows_all_are_taken(self):
        label = torch.tensor([1, 1, 1, 0, 0])
        assert sorted(sampler(label=label, score=torch.rand(5)).order(0).tolist()) == [0, 1, 2, 3, 4]


class TestDifficulty:
    def test_the_hard_share_picks_what_the_vgae_scores_highest(self):
        assert free_windows(sampler("hard_share=1").order(0)) == hardest(SCORE, 20)

    @pytest.mark.parametrize("share", [0.25, 0.5])
    def test_a_part_of_a_share_is_picked_for_difficulty(self, share):
        assert free_windows(sampler(f"hard_share={share}").order(0)) >= hardest(SCORE, round(share * 20))

    def test_the_rest_is_picked_at_random(self):
        hard = hardest(SCORE, 10)
        drawn = [free_windows(sampler("hard_share=0.5", seed=seed).order(0)) - hard for seed in range(200)]
        assert set.union(*drawn) == FREE - hard

    def test_without_a_hard_share_difficulty_does_not_matter(self):
        one, other = (sampler("hard_share=0", score=score) for score in (SCORE, torch.arange(200.0)))
        seen = [sum(len(free_windows(each.order(e)) & hardest(SCORE, 90)) for e in range(5)) for each in (one, other)]
        total = sum(len(free_windows(one.order(e))) for e in range(5))
        assert all(0.3 < count / total < 0.7 for count in seen)

    def test_a_refresh_by_loss_alone_picks_the_largest_losses(self):
        each, loss = sampler("hard_share=1", "vgae_weight=0"), torch.rand(200)
        each.refresh(loss)
        assert free_windows(each.order(0)) == hardest(loss, 20)

    def test_with_the_vgaes_weight_alone_a_refresh_changes_nothing(self):
        each = sampler("hard_share=1", "vgae_weight=1")
        each.refresh(torch.rand(200))
        assert free_windows(each.order(0)) == hardest(SCORE, 20)

    def test_ranks_are_mixed_not_values(self):
        loss = torch.rand(200)
        small, large = sampler("hard_share=1"), sampler("hard_share=1")
        small.refresh(loss)
        large.refresh(1e6 * loss)
        assert free_windows(small.order(0)) == free_windows(large.order(0))

    def test_the_loss_of_attacked_windows_does_not_matter(self):
        loss = torch.rand(200)
        one, other = sampler("hard_share=1"), sampler("hard_share=1")
        one.refresh(loss)
        other.refresh(torch.where(LABEL == 1, 99.0, loss))
        assert torch.equal(one.difficulty, other.difficulty)

    def test_a_second_refresh_replaces_the_first(self):
        once, twice, loss = sampler("hard_share=1"), sampler("hard_share=1"), torch.rand(200)
        once.refresh(loss)
        twice.refresh(torch.rand(200))
        twice.refresh(loss)
        assert torch.equal(once.difficulty, twice.difficulty)


class TestRandomCurriculum:
    def test_without_a_vgae_no_window_is_hard(self):
        drawn = [free_windows(sampler("hard_share=1", score=None, seed=seed).order(0)) for seed in range(200)]
        assert set.union(*drawn) == FREE and all(len(each) == 20 for each in drawn)


class TestState:
    def test_a_sampler_that_goes_on_from_anothers_state_orders_as_that_one(self):
        before, after = sampler("hard_share=0.5"), sampler("hard_share=0.5")
        before.refresh(torch.rand(200))
        assert not torch.equal(before.order(3), after.order(3))
        after.load_state_dict(before.state_dict())
        assert torch.equal(before.order(3), after.order(3))

    def test_a_shuffled_order_has_no_state(self):
        assert ShuffleSampler(torch.arange(5), 0).state_dict() == {}


class TestUndersampling:
    @pytest.mark.parametrize("score", [None, SCORE])
    @pytest.mark.parametrize(("ratio", "free"), [(4.0, 80), (0.5, 10), (100.0, 180)])
    def test_attack_free_windows_are_as_many_times_the_attacked_as_the_ratio_says(self, ratio, free, score):
        kept = set(undersampled(LABEL, ratio, 0, score).tolist())
        assert len(kept & FREE) == free and kept >= ATTACKED

    def test_the_vgae_picks_those_that_it_scores_highest(self):
        assert free_windows(undersampled(LABEL, 2, 0, SCORE)) == hardest(SCORE, 40)

    def test_at_random_every_window_may_be_kept(self):
        assert set.union(*(free_windows(undersampled(LABEL, 1, seed)) for seed in range(200))) == FREE


def shuffle(seed: int = 0, epoch: int = 0) -> list[int]:
    return ShuffleSampler(torch.arange(10, 60), seed).order(epoch).tolist()


def curriculum(seed: int = 0, epoch: int = 0) -> list[int]:
    return sampler(seed=seed).order(epoch).tolist()


@pytest.mark.parametrize("order", [shuffle, curriculum])
class TestOrder:
    def test_it_is_the_same_for_equal_seed_and_epoch(self, order):
        assert order(3, 4) == order(3, 4)

    def test_it_differs_from_epoch_to_epoch(self, order):
        assert order(3, 4) != order(3, 5)

    def test_it_differs_from_seed_to_seed(self, order):
        assert order(3, 4) != order(4, 4)

    def test_neighbouring_seeds_share_no_epochs_order(self, order):
        orders = [tuple(order(seed, epoch)) for seed in range(5) for epoch in range(5)]
        assert len(set(orders)) == len(orders)

    def test_it_is_shuffled(self, order):
        assert order() != sorted(order())


def test_shuffled_windows_are_exactly_those_given():
    assert sorted(shuffle()) == list(range(10, 60))
