"""The fusion environment: runs of consecutive windows of one capture, many played at once."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch
from omegaconf import DictConfig

from canids.fusion.quantities import STATE_WIDTH
from canids.fusion.states import FusionStates

ALPHAS = torch.linspace(0, 1, 21)
STATE_SIZE = STATE_WIDTH + 2  # and the running evidence, and whether an alarm stands
DECISION = 0.5


def find_runs(capture: np.ndarray, position: np.ndarray) -> list[np.ndarray]:
    """Split rows, sorted by capture and position, into runs of consecutive windows of one capture.

    Returns:
        Row indices of each run.
    """
    if len(capture) == 0:
        return []
    breaks = np.flatnonzero((np.diff(capture) != 0) | (np.diff(position) != 1)) + 1
    return np.split(np.arange(len(capture)), breaks)


@dataclass(frozen=True)
class Windows:
    """Windows to play on: state (w, 17), vgae, gat and label (w,), and the runs as rows padded with -1 (r, T)."""

    state: torch.Tensor
    vgae: torch.Tensor
    gat: torch.Tensor
    label: torch.Tensor
    runs: torch.Tensor


def windows_of(states: FusionStates, chosen: np.ndarray) -> Windows:
    """The chosen windows ((w,) bool) as runs."""
    rows = np.flatnonzero(chosen)
    runs = find_runs(states.capture[rows], states.position[rows])
    padded = torch.full((len(runs), max((len(r) for r in runs), default=0)), -1, dtype=torch.int64)
    for number, run in enumerate(runs):
        padded[number, : len(run)] = torch.from_numpy(run)
    return Windows(
        state=torch.from_numpy(states.state[rows]),
        vgae=torch.from_numpy(states.vgae[rows]),
        gat=torch.from_numpy(states.gat[rows]),
        label=torch.from_numpy(states.label[rows]),
        runs=padded,
    )


def fuse(vgae: torch.Tensor, gat: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    """The fused score (1 - α) VGAE + α GAT of each action."""
    alpha = ALPHAS[action]
    return (1 - alpha) * vgae + alpha * gat


def reward(score: torch.Tensor, label: torch.Tensor, settings: DictConfig) -> torch.Tensor:
    """1 for a correct decision, minus a cost for a missed attack or a false alarm, plus the margin's shaping."""
    alarm = score > DECISION
    attack = label == 1
    missed, false_alarm = attack & ~alarm, ~attack & alarm
    value = 1.0 - missed * (1 + settings.missed_cost) - false_alarm * (1 + settings.false_alarm_cost)
    return value + settings.margin_reward * (2 * score - 1) * torch.where(attack, 1.0, -1.0)


def remember(memory: torch.Tensor, score: torch.Tensor, decay: float) -> torch.Tensor:
    """What runs on from window to window, after one with these scores ((b,)): (b, 2) evidence, and whether an alarm
    stands; zeros at the start of a run.
    """
    evidence = decay * memory[:, 0] + (1 - decay) * score
    return torch.stack([evidence, (score > DECISION).float()], dim=1)


def has_flickered(
    stood: torch.Tensor, was_attacked: torch.Tensor, stands: torch.Tensor, attacked: torch.Tensor
) -> torch.Tensor:
    """(b,) bool, whether an alarm began or ended while the truth stayed as it was.

    That costs extra: so a decision changes what the next one is worth, and looking ahead pays.
    """
    return (stands != stood) & (attacked == was_attacked)


def flickers(score: torch.Tensor, windows: Windows) -> torch.Tensor:
    """(w,) bool, ``has_flickered`` of all windows of played runs; before a run nothing stands, and nothing attacks."""
    stands, attacked = score > DECISION, windows.label == 1
    stood, was_attacked = torch.zeros_like(stands), torch.zeros_like(attacked)
    before, after = windows.runs[:, :-1], windows.runs[:, 1:]
    before, after = before[after >= 0], after[after >= 0]
    stood[after], was_attacked[after] = stands[before], attacked[before]
    return has_flickered(stood, was_attacked, stands, attacked)


def observe(state: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
    """(b, STATE_SIZE) what the agent sees: the windows' states, the running evidence and whether an alarm stands."""
    return torch.cat([state, memory[:, :2]], dim=1)


class FusionEnvironment:
    """Plays episodes side by side; each starts on a random run and ends with it.

    Args:
        settings: plain ones, for they are asked at each step and OmegaConf takes its time.
        anchor: the α that a choice costs least at, see ``fusion.anchor_cost``.
    """

    def __init__(self, windows: Windows, settings: SimpleNamespace, generator: torch.Generator, anchor: float) -> None:
        self.windows, self.settings, self.generator = windows, settings, generator
        self.anchor_cost = settings.anchor_cost * (ALPHAS - anchor).abs()
        self.length = (windows.runs >= 0).sum(dim=1)
        self.run = self._draw(settings.episodes)
        self.step_in_run = torch.zeros(settings.episodes, dtype=torch.int64)
        self.memory = torch.zeros(settings.episodes, 3)  # see `remember`; and whether the last window was attacked

    def observation(self) -> torch.Tensor:
        """(episodes, STATE_SIZE)."""
        return observe(self.windows.state[self._row()], self.memory)

    def step(self, action: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Act ((episodes,) int64) in every episode.

        Returns:
            reward (episodes,), what follows (episodes, STATE_SIZE), and whether the episode has ended (episodes,).
        """
        row = self._row()
        score, label = fuse(self.windows.vgae[row], self.windows.gat[row], action), self.windows.label[row]
        flickered = has_flickered(*(self.memory[:, 1:] == 1).T, score > DECISION, label == 1)
        remembered = remember(self.memory, score, self.settings.evidence_decay)
        self.memory = torch.cat([remembered, label[:, None].float()], dim=1)
        gained = reward(score, label, self.settings) - self.settings.flicker_cost * flickered - self.anchor_cost[action]
        ended = self.step_in_run + 1 >= self.length[self.run]
        self.step_in_run = torch.where(ended, self.step_in_run, self.step_in_run + 1)
        following = self.observation()
        self.run = torch.where(ended, self._draw(len(ended)), self.run)
        self.step_in_run = torch.where(ended, 0, self.step_in_run)
        self.memory = self.memory.masked_fill(ended[:, None], 0.0)
        return gained, following, ended

    def _row(self) -> torch.Tensor:
        return self.windows.runs[self.run, self.step_in_run]

    def _draw(self, count: int) -> torch.Tensor:
        """Runs, each as likely as any: a run is played to its end, so every window is played equally often."""
        return torch.randint(len(self.length), (count,), generator=self.generator)
