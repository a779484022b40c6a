"""The fusion agent: double DQN (van Hasselt et al., 2016), target network and uniform replay (Mnih et al., 2015)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any, Protocol

import torch
from omegaconf import DictConfig
from torch import nn
from torch.nn.functional import smooth_l1_loss

from canids.errors import CanidsError
from canids.fusion.environment import (
    ALPHAS,
    STATE_SIZE,
    FusionEnvironment,
    Windows,
    flickers,
    fuse,
    observe,
    remember,
    reward,
)
from canids.models.q_network import QNetwork

ONE_SIDED = 1.645  # standard errors: 5 % of a normal distribution lie beyond
PREFERENCE = 0.1  # by how much an α that is 1 away from the anchor seems worse before anything is learnt
TRANSITION = ("state", "action", "reward", "following", "ended")
EPISODES = ("run", "step_in_run", "memory")  # what the environment remembers of its episodes
PROGRESS = ("step", "best", "kept", "kept_state", "history", "losses", "gains")
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

    def state_dict(self) -> dict[str, Any]:
        """The transitions that are stored, and how many ever were."""
        kept = min(self.stored, self.capacity)
        return {"stored": self.stored, **{name: getattr(self, name)[:kept].clone() for name in TRANSITION}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from ``state_dict()``."""
        self.stored = state["stored"]
        for name in TRANSITION:
            getattr(self, name)[: len(state[name])] = state[name]


class Keeper(Protocol):
    """Keeps how far learning is, so that it can be taken up again."""

    def load(self) -> dict[str, Any] | None:
        """What was kept, if there is something."""
        ...

    def after(self, step: int, looked: bool, state: Callable[[], dict[str, Any]]) -> None:
        """Called after each step; ``looked``: with a look at the windows that select. May end the learning."""
        ...

    def last_good(self) -> str:
        """Where the last good checkpoint is, as the end of a message."""
        ...


class DoubleDqn:
    """Learns which α to choose in which state.

    Args:
        settings: ``fusion``. anchor: the α that it begins with in every state, and that ``fusion.anchor_cost`` ties
            it to: the weighted average's. Where detectors agree every α is right, and chance is no reason to trust one.
    """

    def __init__(self, settings: DictConfig, seed: int, anchor: float) -> None:
        torch.manual_seed(seed)
        self.settings, self.anchor = SimpleNamespace(**settings), anchor
        self.generator = torch.Generator().manual_seed(seed)
        self.network = QNetwork(STATE_SIZE, settings.hidden, len(ALPHAS))
        with torch.no_grad():
            self.network.advantage.weight.zero_()
            self.network.advantage.bias.copy_(-PREFERENCE * (ALPHAS - anchor).abs())
        self.target = copy.deepcopy(self.network)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=settings.lr)

    def learn(self, train: Windows, select: Windows, keeper: Keeper | None = None) -> list[dict[str, float]]:
        """Play and learn on some windows, and end in the state with the largest mean reward on ``select``.

        What was learnt replaces the beginning only where the gain there is more than chance (a paired, one-sided test
        at 5 %): the largest of many looks at a few hundred windows is larger than it deserves.

        Args:
            keeper: takes up what it has kept, and is told of each step.

        Returns:
            What was seen at each look, the first before anything was learnt; ``kept`` marks the one whose state stays.

        Raises:
            CanidsError: a loss or a gradient is not finite.
        """
        environment = FusionEnvironment(train, self.settings, self.generator, self.anchor)
        replay = Replay(self.settings.replay)
        first = play(self.network, select, self.settings).reward
        best, kept, kept_state = float(first.mean()), 0, copy.deepcopy(self.network.state_dict())
        history = [{"step": 0, "select_reward": best, "epsilon": self._epsilon(0)}]
        losses, gains = [], []
        done = 0
        if kept_before := keeper.load() if keeper else None:
            done, best, kept, kept_state, history, losses, gains = (kept_before[name] for name in PROGRESS)
            self._restore(kept_before, environment, replay)
        for step in range(done + 1, self.settings.steps + 1):
            state = environment.observation()
            action = self._explore(state, step - 1)
            gained, following, ended = environment.step(action)
            replay.add(state, action, gained, following, ended)
            gains.append(float(gained.mean()))
            loss, norm = self._update(replay)
            losses.append(loss)
            if not (math.isfinite(loss) and math.isfinite(norm)):
                what = "gradient" if math.isfinite(loss) else "loss"
                where = keeper.last_good() if keeper else ""
                raise CanidsError(f"step {step}: the fusion's {what} is not finite; lower fusion.lr{where}")
            if step % self.settings.target_interval == 0:
                self.target.load_state_dict(self.network.state_dict())
            looks = step % self.settings.selection_interval == 0 or step == self.settings.steps
            if looks:
                reward = play(self.network, select, self.settings).reward
                history.append({
                    "step": step, "select_reward": float(reward.mean()), "epsilon": self._epsilon(step),
                    "loss": sum(losses) / len(losses), "train_reward": sum(gains) / len(gains),
                })  # fmt: skip
                losses, gains = [], []
                if float(reward.mean()) > best and exceeds_chance(reward - first):
                    best, kept, kept_state = float(reward.mean()), step, copy.deepcopy(self.network.state_dict())
            if keeper:
                progress = (step, best, kept, kept_state, history, losses, gains)
                keeper.after(step, looks, partial(self._state, progress, environment, replay))
        self.network.load_state_dict(kept_state)
        return [{**look, "kept": look["step"] == kept} for look in history]

    def _state(self, progress: tuple, environment: FusionEnvironment, replay: Replay) -> dict[str, Any]:
        """All that the rest of the learning depends on."""
        return {
            **dict(zip(PROGRESS, progress, strict=True)),
            "network": self.network.state_dict(),
            "target": self.target.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "environment": {name: getattr(environment, name) for name in EPISODES},
            "replay": replay.state_dict(),
        }

    def _restore(self, state: dict[str, Any], environment: FusionEnvironment, replay: Replay) -> None:
        for name in ("network", "target", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.generator.set_state(state["generator"])
        for name, tensor in state["environment"].items():
            setattr(environment, name, tensor)
        replay.load_state_dict(state["replay"])

    def _epsilon(self, step: int) -> float:
        passed = min(1.0, step / (EPSILON_STEPS * self.settings.steps))
        return self.settings.epsilon_start + passed * (self.settings.epsilon_end - self.settings.epsilon_start)

    @torch.no_grad()
    def _explore(self, state: torch.Tensor, step: int) -> torch.Tensor:
        greedy = self.network(state).argmax(dim=1)
        anything = torch.randint(len(ALPHAS), greedy.shape, generator=self.generator)
        explores = torch.rand(len(greedy), generator=self.generator) < self._epsilon(step)
        return torch.where(explores, anything, greedy)

    def _update(self, replay: Replay) -> tuple[float, float]:
        """One step of the optimiser; returns the loss, and the norm of its gradient."""
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
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self.optimizer.step()
        return float(loss.detach()), float(norm)


def exceeds_chance(gain: torch.Tensor) -> bool:
    """Whether the mean of some differences ((w,)) is above 0 by more than chance: a one-sided test at 5 %."""
    return float(gain.mean()) > ONE_SIDED * float(gain.std()) / len(gain) ** 0.5


@torch.no_grad()
def play(network: nn.Module, windows: Windows, settings: DictConfig) -> Played:
    """Play every run greedily from its start, all runs at once; ``network`` says what each action is worth.

    Nothing is done window by window but what the next one depends on: a capture of hours is one long run.
    """
    total, decay = len(windows.label), settings.evidence_decay
    action, score = torch.zeros(total, dtype=torch.int64), torch.zeros(total)
    # The longest run first, so that those still playing are the first ones.
    longest = torch.argsort((windows.runs >= 0).sum(dim=1), descending=True, stable=True)
    runs = windows.runs[longest]
    memory = torch.zeros(len(runs), 2)
    for step, playing in enumerate((runs >= 0).sum(dim=0).tolist()):
        row, memory = runs[:playing, step], memory[:playing]
        action[row] = chosen = network(observe(windows.state[row], memory)).argmax(dim=1)
        score[row] = fused = fuse(windows.vgae[row], windows.gat[row], chosen)
        memory = remember(memory, fused, decay)
    gained = reward(score, windows.label, settings) - settings.flicker_cost * flickers(score, windows)
    return Played(action, score, gained)
