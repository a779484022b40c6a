"""The fusion's environment: runs, scores, rewards and episodes."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_makers import WIDTH, config, fusion_states_of, random_windows

from canids.fusion.environment import (
    ALPHAS,
    STATE_SIZE,
    FusionEnvironment,
    Windows,
    find_runs,
    fuse,
    has_flickered,
    observe,
    remember,
    reward,
    windows_of,
)

fast = settings(max_examples=60, deadline=None)
UNSHAPED = ("fusion.margin_reward=0", "fusion.flicker_cost=0", "fusion.anchor_cost=0")
PLAIN = config(*UNSHAPED, "fusion.evidence_decay=0.5").fusion


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class TestRuns:
    rows = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), max_size=30, unique=True).map(sorted)

    def runs(self, rows) -> list[list[int]]:
        capture, position = (np.array([row[i] for row in rows], int) for i in (0, 1))
        return [run.tolist() for run in find_runs(capture, position)]

    @fast
    @given(rows=rows)
    def test_they_hold_each_row_once_and_in_order(self, rows):
        assert [row for run in self.runs(rows) for row in run] == list(range(len(rows)))

    @fast
    @given(rows=rows)
    def test_within_one_windows_follow_each_other_in_one_capture(self, rows):
        for run in self.runs(rows):
            assert all(rows[b] == (rows[a][0], rows[a][1] + 1) for a, b in itertools.pairwise(run))

    @fast
    @given(rows=rows)
    def test_no_run_could_be_continued_by_the_next(self, rows):
        runs = self.runs(rows)
        for before, after in itertools.pairwise(runs):
            assert rows[after[0]] != (rows[before[-1]][0], rows[before[-1]][1] + 1)

    def test_windows_left_out_end_a_run(self):
        states = fusion_states_of([0] * 6, [0] * 6, [0] * 6)
        runs = windows_of(states, np.array([1, 1, 0, 1, 1, 1], bool)).runs
        assert runs.tolist() == [[0, 1, -1], [2, 3, 4]]

    def test_chosen_windows_keep_their_scores_and_labels(self):
        states = fusion_states_of([0, 1, 1], [0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
        chosen = windows_of(states, np.array([False, True, True]))
        np.testing.assert_allclose(
            torch.stack([chosen.vgae, chosen.gat, chosen.label]).numpy(), [[0.2, 0.3], [0.5, 0.6], [1, 1]], atol=1e-6
        )


class TestScore:
    def test_there_are_21_actions_from_0_to_1(self):
        np.testing.assert_allclose(ALPHAS, np.arange(21) / 20, atol=1e-6)

    @pytest.mark.parametrize(("action", "score"), [(0, 0.2), (20, 0.8), (10, 0.5), (5, 0.35)])
    def test_it_is_the_mean_of_both_weighted_by_alpha(self, action, score):
        got = fuse(torch.tensor([0.2]), torch.tensor([0.8]), torch.tensor([action]))
        assert got.item() == pytest.approx(score)


class TestReward:
    def reward(self, score: float, label: int, *overrides: str) -> float:
        settings = config(*(f"fusion.{each}" for each in ("margin_reward=0", *overrides))).fusion
        return reward(torch.tensor([score]), torch.tensor([label]), settings).item()

    @pytest.mark.parametrize(("score", "label"), [(0.9, 1), (0.1, 0)])
    def test_a_correct_decision_earns_1(self, score, label):
        assert self.reward(score, label) == 1

    def test_a_missed_attack_costs_what_it_is_said_to(self):
        assert self.reward(0.1, 1, "missed_cost=5", "false_alarm_cost=3") == -5

    def test_a_false_alarm_costs_what_it_is_said_to(self):
        assert self.reward(0.9, 0, "missed_cost=5", "false_alarm_cost=3") == -3

    def test_a_score_of_one_half_is_no_alarm(self):
        assert self.reward(0.5, 0) == 1

    @pytest.mark.parametrize(("score", "label", "extra"), [(1.0, 1, 0.2), (0.0, 0, 0.2), (0.75, 1, 0.1), (0.5, 0, 0)])
    def test_a_score_on_the_right_side_earns_its_margin(self, score, label, extra):
        shaped = self.reward(score, label, "margin_reward=0.2")
        assert shaped - self.reward(score, label) == pytest.approx(extra)

    def test_a_score_on_the_wrong_side_pays_its_margin(self):
        shaped = self.reward(1.0, 0, "margin_reward=0.2")
        assert shaped - self.reward(1.0, 0) == pytest.approx(-0.2)


class TestFlicker:
    @pytest.mark.parametrize(
        ("stood", "was_attacked", "stands", "attacked", "flickered"),
        [
            (0, 0, 1, 0, 1), (1, 0, 0, 0, 1), (1, 1, 0, 1, 1),  # the truth stays, the alarm does not
            (0, 0, 1, 1, 0), (1, 1, 0, 0, 0),  # both change
            (1, 1, 1, 1, 0), (0, 0, 0, 0, 0), (1, 1, 1, 0, 0),  # the alarm stays
        ],
    )  # fmt: skip
    def test_an_alarm_flickers_that_changes_while_the_truth_stays(
        self, stood, was_attacked, stands, attacked, flickered
    ):
        given = (torch.tensor([bool(each)]) for each in (stood, was_attacked, stands, attacked))
        assert has_flickered(*given).tolist() == [bool(flickered)]

    def test_the_memory_holds_evidence_and_alarm(self):
        after = remember(torch.tensor([[0.4, 0.0]]), torch.tensor([0.8]), 0.5)
        torch.testing.assert_close(after, torch.tensor([[0.6, 1.0]]))


def environment(played: Windows, *overrides: str, episodes: int = 4) -> FusionEnvironment:
    given = ("evidence_decay=0.5", f"episodes={episodes}", *overrides)
    return FusionEnvironment(played, config(*UNSHAPED, *(f"fusion.{each}" for each in given)).fusion, generator(), 1.0)


def acts(count: int, action: int = 10) -> torch.Tensor:
    return torch.full((count,), action)


class TestEnvironment:
    def test_an_episode_ends_with_its_run(self):
        each = environment(random_windows(3, 3))
        ends = [each.step(acts(4))[2].tolist() for _ in range(6)]
        assert ends == [[False] * 4, [False] * 4, [True] * 4] * 2

    def test_a_run_of_one_window_ends_at_once(self):
        each = environment(random_windows(1, 1))
        assert all(each.step(acts(4))[2].all() for _ in range(3))

    def test_an_episode_plays_its_run_from_the_first_window_on(self):
        played = random_windows(3)
        each = environment(played, episodes=1)
        seen = []
        for _ in range(3):
            seen.append(each.observation()[0, :WIDTH])
            each.step(acts(1))
        assert torch.equal(torch.stack(seen), played.state)

    def test_what_follows_is_the_next_observation(self):
        each = environment(random_windows(5, 5))
        for _ in range(4):
            following = each.step(acts(4))[1]
            assert torch.equal(following, each.observation())

    def test_what_follows_the_end_is_of_the_same_run(self):
        played = random_windows(2)
        each = environment(played, episodes=1)
        each.step(acts(1))
        assert torch.equal(each.step(acts(1))[1][0, :WIDTH], played.state[1])

    def test_evidence_runs_on_within_an_episode(self):
        played = random_windows(3)
        each = environment(played, episodes=1)
        scores = fuse(played.vgae, played.gat, acts(3))
        for _ in range(2):
            following = each.step(acts(1))[1]
        assert following[0, WIDTH].item() == pytest.approx(0.25 * scores[0].item() + 0.5 * scores[1].item())

    def test_a_score_beyond_one_half_leaves_an_alarm_standing(self):
        played = random_windows(30)
        each = environment(played, episodes=1)
        standing = [each.step(acts(1))[1][0, WIDTH + 1].item() for _ in range(29)]
        assert standing == (fuse(played.vgae, played.gat, acts(30)) > 0.5)[:29].float().tolist()

    def test_evidence_and_alarm_begin_anew_with_an_episode(self):
        played = random_windows(2, 2)
        played.vgae.fill_(1.0)
        played.gat.fill_(1.0)
        each = environment(played)
        for _ in range(2):
            each.step(acts(4))
        assert not each.observation()[:, WIDTH:].any()

    def test_rewards_are_those_of_the_windows_played(self):
        played = random_windows(4)
        each = environment(played, episodes=1)
        gained = [each.step(acts(1, action))[0].item() for action in (0, 20, 5, 10)]
        scores = fuse(played.vgae, played.gat, torch.tensor([0, 20, 5, 10]))
        assert gained == reward(scores, played.label, PLAIN).tolist()

    def test_every_window_is_played_about_equally_often(self):
        played = random_windows(1, 9, 30)
        each = environment(played, episodes=64)
        counts = torch.zeros(40)
        for _ in range(600):
            rows = (each.observation()[:, None, :WIDTH] == played.state).all(dim=2).int().argmax(dim=1)
            counts += torch.bincount(rows, minlength=40)
            each.step(acts(64))
        assert counts.min() > 0.6 * counts.mean() and counts.max() < 1.5 * counts.mean()

    def test_its_episodes_are_drawn_from_the_generator(self):
        def first(seed: int) -> torch.Tensor:
            return FusionEnvironment(random_windows(*[3] * 40), config().fusion, generator(seed), 1.0).run

        assert torch.equal(first(1), first(1)) and not torch.equal(first(1), first(2))

    def test_what_the_agent_sees_does_not_depend_on_the_truth(self):
        seen = []
        for label in (0, 1):
            played = random_windows(6)
            played.label.fill_(label)
            seen.append(torch.stack([environment(played, episodes=1).step(acts(1))[1] for _ in range(5)]))
        assert torch.equal(*seen)

    def test_a_choice_costs_by_its_distance_from_the_anchor(self):
        played = random_windows(4)
        settings = config(
            "fusion.margin_reward=0", "fusion.flicker_cost=0", "fusion.anchor_cost=0.4", "fusion.episodes=1"
        )
        each = FusionEnvironment(played, settings.fusion, generator(), anchor=0.75)
        gained = torch.cat([each.step(acts(1, action))[0] for action in (0, 15, 20, 10)])
        scores = fuse(played.vgae, played.gat, torch.tensor([0, 15, 20, 10]))
        costs = reward(scores, played.label, PLAIN) - gained
        torch.testing.assert_close(costs, torch.tensor([0.3, 0.0, 0.1, 0.1]))

    def test_observations_are_states_with_evidence_and_alarm(self):
        state = torch.randn(3, WIDTH)
        memory = torch.tensor([[0.1, 1.0, 1.0], [0.2, 0.0, 1.0], [0.3, 1.0, 0.0]])
        seen = observe(state, memory)
        assert seen.shape == (3, STATE_SIZE) and seen[:, WIDTH + 1].tolist() == [1, 0, 1]
