"""The fusion's agent: its replay, its targets, how it plays, and what it learns on toys."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from model_makers import WIDTH, config, fusion_states_of, random_windows
from torch.nn.functional import smooth_l1_loss

from canids.errors import CanidsError, DatasetError
from canids.fusion.agent import DoubleDqn, Replay, exceeds_chance, play
from canids.fusion.environment import STATE_SIZE, FusionEnvironment, Windows, fuse, observe, reward, windows_of
from canids.fusion.states import FusionStates, save_states
from canids.graphs.splits import ROLES
from canids.models.q_network import QNetwork
from canids.training.model_folder import read_model_config
from canids.training.modes import FusionTrainer

UNSHAPED = ("fusion.margin_reward=0", "fusion.flicker_cost=0", "fusion.anchor_cost=0")
PLAIN = config(*UNSHAPED, "fusion.evidence_decay=0.5").fusion


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def toy(count: int, seed: int, right: str) -> FusionStates:
    """One detector is always right, the other always wrong; ``told``: the first quantity tells which."""
    random = np.random.default_rng(seed)
    label = random.integers(0, 2, count)
    state = random.normal(size=(count, WIDTH))
    gat_right = {"gat": np.ones(count, bool), "vgae": np.zeros(count, bool), "told": state[:, 0] > 0}[right]
    truth = np.where(label == 1, 0.9, 0.1)
    vgae, gat = np.where(gat_right, 1 - truth, truth), np.where(gat_right, truth, 1 - truth)
    return fusion_states_of(label, vgae, gat, position=np.arange(count) + 10 * (np.arange(count) // 25), state=state)


class TestReplay:
    def filled(self, capacity: int, *counts: int) -> Replay:
        """Transitions numbered from 0 on, in every part, added so many at a time."""
        replay, number = Replay(capacity), 0
        for count in counts:
            numbers = torch.arange(number, number + count).float()
            states = numbers[:, None].expand(count, STATE_SIZE)
            replay.add(states, numbers.long() % 21, numbers, states + 0.5, numbers % 2 == 1)
            number += count
        return replay

    @pytest.mark.parametrize(
        ("counts", "kept"), [((3, 3), {1, 2, 3, 4, 5}), ((5, 5), {5, 6, 7, 8, 9}), ((2,) * 4, {3, 4, 5, 6, 7})]
    )
    def test_the_oldest_is_overwritten(self, counts, kept):
        assert set(self.filled(5, *counts).reward.tolist()) == kept

    def test_only_what_was_stored_is_drawn(self):
        assert set(self.filled(50, 3).sample(500, generator())[2].tolist()) == {0, 1, 2}

    def test_a_full_one_draws_all_that_it_holds(self):
        assert set(self.filled(5, 4, 4).sample(500, generator())[2].tolist()) == {3, 4, 5, 6, 7}

    def test_the_parts_of_a_transition_stay_together(self):
        state, action, gained, following, ended = self.filled(7, 5, 5, 5).sample(100, generator())
        assert torch.equal(state[:, 3], gained) and torch.equal(action, gained.long() % 21)
        assert torch.equal(following[:, 0], gained + 0.5) and torch.equal(ended, gained % 2)


def dqn(*overrides: str, seed: int = 0) -> DoubleDqn:
    """An agent that never explores, unless it is told otherwise."""
    given = ("epsilon_start=0", "epsilon_end=0", "evidence_decay=0.5", *overrides)
    return DoubleDqn(config(*UNSHAPED, *(f"fusion.{each}" for each in given)).fusion, seed, 1.0)


def set_values(network: QNetwork, values: torch.Tensor) -> None:
    """Make the values of actions the same in every state."""
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    network.value.bias.data.fill_(values.mean())
    network.advantage.bias.data.copy_(values)


class TestTarget:
    """The loss of one update, by hand: online and target networks disagree on which action is best."""

    online, target = torch.zeros(21), torch.zeros(21)
    online[[4, 9]] = torch.tensor([0.6, 0.2])
    target[[4, 9]] = torch.tensor([-0.3, 0.7])

    def loss_of_one_update(self, runs: tuple[int, ...], gamma: float) -> tuple[float, float]:
        """The loss, and the reward of the one transition that it is of."""
        agent = dqn("steps=1", "episodes=1", f"gamma={gamma}", "target_interval=100")
        set_values(agent.network, self.online)
        set_values(agent.target, self.target)
        played = random_windows(*runs)
        score = fuse(played.vgae[:1], played.gat[:1], torch.tensor([4]))
        history = agent.learn(played, played)
        return history[1]["loss"], reward(score, played.label[:1], PLAIN).item()

    def test_the_online_network_chooses_and_the_target_network_values(self):
        loss, gained = self.loss_of_one_update((2,), 0.9)
        wanted = smooth_l1_loss(torch.tensor(0.6), torch.tensor(gained + 0.9 * -0.3)).item()
        assert loss == pytest.approx(wanted, abs=1e-6)

    def test_what_follows_the_end_is_worth_nothing(self):
        loss, gained = self.loss_of_one_update((1,), 0.9)
        assert loss == pytest.approx(smooth_l1_loss(torch.tensor(0.6), torch.tensor(gained)).item(), abs=1e-6)

    def test_a_discount_of_zero_leaves_the_reward_alone(self):
        loss, gained = self.loss_of_one_update((2,), 0.0)
        assert loss == pytest.approx(smooth_l1_loss(torch.tensor(0.6), torch.tensor(gained)).item(), abs=1e-6)

    @staticmethod
    def after(steps: int) -> tuple[dict, dict]:
        """States of online and target network after so many steps, the target's interval being 5."""
        agent = dqn(f"steps={steps}", "target_interval=5", "selection_interval=1000", "lr=0.01")
        update, online = agent._update, {}

        def remembered(replay: Replay) -> float:
            loss = update(replay)
            online.update(copy.deepcopy(agent.network.state_dict()))
            return loss

        agent._update = remembered
        agent.learn(random_windows(8, 8), random_windows(8, 8))
        return online, agent.target.state_dict()

    @staticmethod
    def equal(one: dict, other: dict) -> bool:
        return all(torch.equal(tensor, other[name]) for name, tensor in one.items())

    def test_before_its_interval_the_target_is_as_it_began(self):
        assert self.equal(self.after(4)[1], dqn().network.state_dict())

    def test_at_its_interval_the_target_becomes_the_online_network(self):
        online, target = self.after(5)
        assert self.equal(online, target)

    def test_between_intervals_the_target_stays(self):
        at_five, later = self.after(5)[1], self.after(9)
        assert self.equal(later[1], at_five) and not self.equal(later[0], later[1])


class TestLearning:
    @pytest.mark.parametrize("right", ["gat", "vgae", "told"])
    def test_it_learns_whom_to_trust(self, right):
        settings = config(
            "fusion.steps=600", "fusion.lr=0.003", "fusion.gamma=0.2", "fusion.hidden=32", "fusion.epsilon_end=0.3"
        ).fusion
        train, select, fresh = (toy(300, seed, right) for seed in (1, 2, 3))
        everything = np.ones(300, bool)
        agent = DoubleDqn(settings, 0, 1.0)
        agent.learn(windows_of(train, everything), windows_of(select, everything))
        played = play(agent.network, windows_of(fresh, everything), settings)
        assert ((played.score > 0.5).numpy() == (fresh.label == 1)).mean() > 0.9

    def learnt(self, seed: int, *overrides: str) -> tuple[DoubleDqn, list[dict]]:
        settings = config("fusion.steps=120", "fusion.selection_interval=20", *overrides).fusion
        agent = DoubleDqn(settings, seed, 1.0)
        return agent, agent.learn(random_windows(20, 20), random_windows(20, 10, seed=1))

    def learnt_toy(self, right: str) -> tuple[DoubleDqn, list[dict], Windows]:
        """Anchored at the GAT alone, which is always right or always wrong."""
        settings = config("fusion.steps=300", "fusion.selection_interval=50", "fusion.lr=0.003", "fusion.gamma=0.2")
        train, select = (windows_of(toy(300, seed, right), np.ones(300, bool)) for seed in (1, 2))
        agent = DoubleDqn(settings.fusion, 0, anchor=1.0)
        return agent, agent.learn(train, select), select

    @pytest.mark.parametrize("cost", [0.0, 0.5])
    def test_it_begins_at_the_anchor_in_every_state(self, cost):
        agent = DoubleDqn(config(f"fusion.anchor_cost={cost}").fusion, 0, anchor=0.35)
        assert set(play(agent.network, random_windows(50), agent.settings).action.tolist()) == {7}

    def test_it_ends_in_the_state_with_the_largest_reward_on_the_windows_that_select(self):
        agent, history, select = self.learnt_toy("vgae")
        ends = play(agent.network, select, agent.settings).reward.mean().item()
        assert ends == pytest.approx(max(each["select_reward"] for each in history), abs=1e-5)
        assert ends == pytest.approx(next(each["select_reward"] for each in history if each["kept"]), abs=1e-5)

    def test_what_gains_nothing_leaves_it_at_the_anchor(self):
        agent, history, select = self.learnt_toy("gat")
        assert [each["step"] for each in history if each["kept"]] == [0]
        assert set(play(agent.network, select, agent.settings).action.tolist()) == {20}

    @pytest.mark.parametrize(("gain", "exceeds"), [(0.05, False), (0.4, True), (-0.4, False)])
    def test_a_gain_has_to_be_more_than_chance(self, gain, exceeds):
        noise = torch.randn(100, generator=generator())
        assert exceeds_chance(gain + (noise - noise.mean())) is exceeds

    def test_a_loss_that_is_not_finite_names_the_step(self):
        played = random_windows(20)
        played.state[3] = torch.nan
        with pytest.raises(CanidsError, match=r"step \d+: the fusion's loss is not finite"):
            dqn("steps=100").learn(played, random_windows(20))

    def test_windows_that_select_do_not_teach(self):
        agents = [dqn("steps=40", "selection_interval=1000") for _ in range(2)]
        for agent, select in zip(agents, (random_windows(20), random_windows(7, 7, seed=4)), strict=True):
            agent.learn(random_windows(20, 20), select)
        assert TestTarget.equal(agents[0].network.state_dict(), agents[1].network.state_dict())

    def test_the_same_seed_gives_the_same_weights(self):
        one, other = (self.learnt(3)[0].network.state_dict() for _ in range(2))
        assert TestTarget.equal(one, other)

    def test_another_seed_gives_other_weights(self):
        one, other = (self.learnt(seed)[0].network.state_dict() for seed in (3, 4))
        assert not TestTarget.equal(one, other)

    def test_it_looks_at_the_selection_at_every_interval_and_at_the_end(self):
        assert [each["step"] for each in self.learnt(0, "fusion.steps=110")[1]] == [0, 20, 40, 60, 80, 100, 110]

    def test_exploration_ends_after_half_of_the_steps(self):
        epsilon = [each["epsilon"] for each in self.learnt(0, "fusion.epsilon_end=0.1")[1]]
        assert epsilon[-4:] == pytest.approx([0.1] * 4) and epsilon[0] > epsilon[1] > epsilon[2] > 0.1


ALONE = config(*UNSHAPED[:1], *UNSHAPED[2:], "fusion.evidence_decay=0.5", "fusion.episodes=1").fusion


class TestPlay:
    @pytest.fixture
    def network(self) -> QNetwork:
        torch.manual_seed(0)
        return QNetwork(STATE_SIZE, 16, 21)

    def test_a_run_is_played_the_same_whatever_else_is_played(self, network):
        together, alone = random_windows(6, 4, 9), random_windows(6, 4, 9)
        alone = Windows(**{**vars(alone), "runs": alone.runs[1:2]})
        rows = alone.runs[0][alone.runs[0] >= 0]
        one, other = (play(network, each, PLAIN) for each in (together, alone))
        torch.testing.assert_close(one.score[rows], other.score[rows])

    def test_a_run_begins_without_evidence_or_alarm(self, network):
        played = random_windows(5, 5)
        first = played.runs[:, 0]
        seen = observe(played.state[first], torch.zeros(2, 3))
        assert torch.equal(play(network, played, PLAIN).action[first], network(seen).argmax(dim=1))

    def test_it_plays_as_the_environment_would(self, network):
        played = random_windows(12)
        each, actions, gained = FusionEnvironment(played, ALONE, generator(), 1.0), [], []
        for _ in range(12):
            action = network(each.observation()).argmax(dim=1)
            gained += each.step(action)[0].tolist()
            actions += action.tolist()
        whole = play(network, played, ALONE)
        assert (whole.action.tolist(), whole.reward.tolist()) == (actions, gained)

    def test_a_later_window_changes_nothing_before_it(self, network):
        before = play(network, random_windows(10), PLAIN).action
        changed = random_windows(10)
        changed.state[6:] = 5.0
        assert torch.equal(play(network, changed, PLAIN).action[:6], before[:6])

    def test_labels_change_neither_actions_nor_scores(self, network):
        flipped = random_windows(10)
        flipped.label.copy_(1 - flipped.label)
        one, other = play(network, random_windows(10), PLAIN), play(network, flipped, PLAIN)
        assert torch.equal(one.action, other.action) and torch.equal(one.score, other.score)


class TestFusionTrainer:
    def states(self, *roles: str) -> FusionStates:
        made = toy(120, 1, "gat")
        numbers = np.repeat([ROLES.index(role) for role in roles], 120 // len(roles))
        return FusionStates(**{**vars(made), "role": numbers.astype(np.int8)})

    def train(self, folder, states: FusionStates, *overrides: str) -> dict:
        save_states(folder / "states.safetensors", states)
        settings, tracking = config("fusion.steps=100", *overrides).fusion, config().trainer.tracking
        return FusionTrainer(settings, 1, "student", folder / "states.safetensors", folder / "out", tracking).train()

    @pytest.mark.parametrize("role", ["fuse", "select"])
    def test_without_windows_to_learn_or_select_on_it_says_so(self, tmp_path, role):
        with pytest.raises(DatasetError, match="no validation window to fuse on"):
            self.train(tmp_path, self.states("train", role))

    @pytest.mark.parametrize(("label", "lacks"), [(0, "attacked"), (1, "attack-free")])
    def test_without_both_classes_to_learn_from_it_says_which_is_lacking(self, tmp_path, label, lacks):
        states = self.states("select", "fuse")
        states.label[60:] = label
        with pytest.raises(DatasetError, match=f"the windows that fuse hold no {lacks} one"):
            self.train(tmp_path, states)

    def test_only_windows_that_fuse_or_select_matter(self, tmp_path):
        states = self.states("select", "fuse", "calibrate", "test")
        others = FusionStates(
            **{name: each.copy() if isinstance(each, np.ndarray) else each for name, each in vars(states).items()}
        )
        others.state[60:], others.label[60:], others.gat[60:] = 3.0, 1 - others.label[60:], 0.5
        for name, each in (("a", states), ("b", others)):
            self.train(tmp_path / name, each)
        for file in ("model.safetensors", "alternatives.safetensors"):
            one, other = ((tmp_path / name / "out" / file).read_bytes() for name in "ab")
            assert one == other

    def test_the_model_lies_beside_the_settings_that_it_plays_with(self, tmp_path):
        self.train(tmp_path, self.states("select", "fuse"), "fusion.evidence_decay=0.4")
        assert read_model_config(tmp_path / "out").settings.evidence_decay == 0.4

    def test_alpha_is_told_by_attack_type(self, tmp_path):
        assert set(self.train(tmp_path, self.states("select", "fuse"))["mean_alpha"]) == {"attack-free", "DoS"}

    def test_values_that_are_not_finite_leave_nothing_written(self, tmp_path):
        states = self.states("select", "fuse")
        states.state[70] = np.nan
        with pytest.raises(Exception, match="finite"):
            self.train(tmp_path, states)
        assert not (tmp_path / "out").exists()
