"""The fusion agent: double DQN (van Hasselt et al., 2016), target network and uniform replay (Mnih et al., 2015)."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from omegaconf import DictConfig
from torch.nn.functional import smooth_l1_loss

from canids.fusion.environment import ALPHAS, DECISION, STATE_SIZE, FusionEnvironment, Windows, fuse, observe, reward
from canids.models.q_network import QNetwork

EPSILON_STEPS = 0.5  # exploration decays over this share of the steps


@dataclass(frozen=True)
class Played:
    """A greedy game over all runs: per window the action (w,), the fused score (w,), and the reward (w,)."""

    action: torch.Tensor
    score: torch.Tensor
    reward: torch.Tensor


class Replay:
    """Transitions in preallocated tensors, the oldest overwritten first."""

    def __init__(self, capacity: int) -> None:
        self.state, self.following = torch.zeros(2, capacity, STATE_SIZE)
        self.action = torch.zeros(capacity, dtype=torch.int64)
        self.reward, self.ended = torch.zeros(2, capacity)
        self.capacity, self.stored = capacity, 0

    def add(self, state, action, gained, following, ended) -> None:
        at = torch.arange(self.stored, self.stored + len(action)) % self.capacity
        self.state[at], self.action[at], self.reward[at] = state, action, gained
        self.following[at], self.ended[at] = following, ended.float()
        self.stored += len(action)

    def sample(self, count: int, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
        at = torch.randint(min(self.stored, self.capacity), (count,), generator=generator)
        return self.state[at], self.action[at], self.reward[at], self.following[at], self.ended[at]


class DoubleDqn:
    """Learns which α to choose in which state."""

    def __init__(self, settings: DictConfig, seed: int) -> None:
        torch.manual_seed(seed)
        self.settings = settings
        self.generator = torch.Generator().manual_seed(seed)
        self.network = QNetwork(STATE_SIZE, settings.hidden, len(ALPHAS))
        self.target = copy.deepcopy(self.network)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=settings.lr)

    def learn(self, train: Windows, select: Windows) -> list[dict[str, float]]:
        """Play and learn on some windows; the network ends in the state with the largest mean reward on ``select``."""
        environment = FusionEnvironment(train, self.settings, self.generator)
        replay = Replay(self.settings.replay)
        history, best_reward, best_state = [], -float("inf"), None
        losses, gains = [], []
        for step in range(self.settings.steps):
            state = environment.observation()
            action = self._explore(state, step)
            gained, following, ended = environment.step(action)
            replay.add(state, action, gained, following, ended)
            gains.append(float(gained.mean()))
            losses.append(self._update(replay))
            if (step + 1) % self.settings.target_interval == 0:
                self.target.load_state_dict(self.network.state_dict())
            if (step + 1) % self.settings.selection_interval == 0 or step + 1 == self.settings.steps:
                selected = float(play(self.network, select, self.settings).reward.mean())
                history.append({
                    "step": step + 1, "loss": sum(losses) / len(losses), "train_reward": sum(gains) / len(gains),
                    "select_reward": selected, "epsilon": self._epsilon(step),
                })  # fmt: skip
                losses, gains = [], []
                if selected > best_reward:
                    best_reward, best_state = selected, copy.deepcopy(self.network.state_dict())
        self.network.load_state_dict(best_state)
        return history

    def _epsilon(self, step: int) -> float:
        passed = min(1.0, step / (EPSILON_STEPS * self.settings.steps))
        return self.settings.epsilon_start + passed * (self.settings.epsilon_end - self.settings.epsilon_start)

    @torch.no_grad()
    def _explore(self, state: torch.Tensor, step: int) -> torch.Tensor:
        greedy = self.network(state).argmax(dim=1)
        anything = torch.randint(len(ALPHAS), greedy.shape, generator=self.generator)
        explores = torch.rand(len(greedy), generator=self.generator) < self._epsilon(step)
        return torch.where(explores, anything, greedy)

    def _update(self, replay: Replay) -> float:
        state, action, gained, following, ended = replay.sample(self.settings.batch, self.generator)
        with torch.no_grad():
            # The online network chooses the next action, the target network says what it is worth.
            chosen = self.network(following).argmax(dim=1, keepdim=True)
            worth = self.target(following).gather(1, chosen).squeeze(1)
            wanted = gained + self.settings.gamma * (1 - ended) * worth
        value = self.network(state).gather(1, action[:, None]).squeeze(1)
        loss = smooth_l1_loss(value, wanted)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self.optimizer.step()
        return float(loss.detach())


@torch.no_grad()
def play(network: QNetwork, windows: Windows, settings: DictConfig) -> Played:
    """Play every run greedily from its start, all runs at once."""
    total = len(windows.label)
    action, score, gained = torch.zeros(total, dtype=torch.int64), torch.zeros(total), torch.zeros(total)
    evidence, alarm = torch.zeros(len(windows.runs)), torch.zeros(len(windows.runs), dtype=torch.bool)
    for step in range(windows.runs.shape[1]):
        rows = windows.runs[:, step]
        playing = (rows >= 0).nonzero().ravel()
        row = rows[playing]
        seen = observe(windows.state[row], evidence[playing], alarm[playing])
        action[row] = network(seen).argmax(dim=1)
        score[row] = fuse(windows.vgae[row], windows.gat[row], action[row])
        gained[row] = reward(score[row], windows.label[row], settings)
        decay = settings.evidence_decay
        evidence[playing] = decay * evidence[playing] + (1 - decay) * score[row]
        alarm[playing] = score[row] > DECISION
    return Played(action, score, gained)
