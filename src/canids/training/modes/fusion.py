"""Mode ``fusion``: the double-DQN agent on the scores of trained models."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from canids.errors import DatasetError
from canids.fusion.agent import DoubleDqn, play
from canids.fusion.environment import ALPHAS, windows_of
from canids.fusion.states import FusionStates, fusion_states, load_states, save_states
from canids.graphs.store import load_store
from canids.training.model_folder import load_gat, load_vgae, save_model


def write_fusion_states(vgae: Path, gat: Path, stores: Sequence[Path], out: Path) -> None:
    """Run the models of two folders over all stores of a dataset and write the fusion states.

    Raises:
        ArtifactError, CheckpointError: an input is missing or does not fit.
    """
    save_states(out, fusion_states(load_vgae(vgae), load_gat(gat), [load_store(path) for path in stores]))


class FusionTrainer:
    """Trains the fusion of a scale.

    The agent learns on the windows whose role is ``fuse`` and its state is selected on those that ``select``.

    Args:
        settings: ``fusion``. states: file of the fusion states. out: model folder to write.
    """

    def __init__(self, settings: DictConfig, seed: int, scale: str, states: Path, out: Path) -> None:
        self.settings, self.seed, self.scale, self.states, self.out = settings, seed, scale, states, out

    def train(self) -> dict[str, Any]:
        """Train, write the model folder, and return its metrics.

        Raises:
            DatasetError: there is no window to learn or to select on.
        """
        states = load_states(self.states)
        fuse, select = (states.of_role(role) for role in ("fuse", "select"))
        if not fuse.any() or not select.any():
            raise DatasetError(f"{self.states}: no validation window to fuse on; more captures are needed")
        started = time.perf_counter()
        agent = DoubleDqn(self.settings, self.seed)
        history = agent.learn(windows_of(states, fuse), windows_of(states, select))
        metrics = {
            "training_seconds": time.perf_counter() - started,
            "select_reward": max(each["select_reward"] for each in history),
            "fuse_windows": int(fuse.sum()),
            "mean_alpha": self._mean_alpha(agent, states, select),
        }
        config = {"model": "fusion", "scale": self.scale, "seed": self.seed, "settings": self.settings}
        save_model(self.out, agent.network, config, metrics, history)
        return metrics

    def _mean_alpha(self, agent: DoubleDqn, states: FusionStates, chosen: np.ndarray) -> dict[str, float]:
        """Mean α by attack type, on the windows that select."""
        alpha = ALPHAS[play(agent.network, windows_of(states, chosen), self.settings).action].numpy()
        types = states.attack_type[chosen]
        return {states.attack_types[t]: float(alpha[types == t].mean()) for t in np.unique(types)}
