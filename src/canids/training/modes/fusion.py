"""Mode ``fusion``: the double-DQN agent, and its alternatives, on the scores of trained models."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from canids.errors import ArtifactError, DatasetError
from canids.fusion.agent import DoubleDqn, play
from canids.fusion.alternatives import fit_alternatives
from canids.fusion.cascade_calibration import fit_calibration, save_calibration
from canids.fusion.environment import ALPHAS, windows_of
from canids.fusion.names import ALTERNATIVES_FILE, CALIBRATION_FILE, STATES_FILE
from canids.fusion.states import FusionStates, fusion_states, load_states, save_states
from canids.graphs.store import load_store
from canids.training.device import device_of
from canids.training.model_folder import load_gat, load_vgae, read_model_config, save_model
from canids.training.model_manager import ModelManager
from canids.training.resume import ResumeCheckpoint
from canids.training.run import describe_run
from canids.training.termination import Termination, terminated
from canids.training.tracking import trackers

logger = logging.getLogger(__name__)


def write_fusion_states(
    vgae: Path, gat: Path, fitting: Sequence[Path], tests: Sequence[Path], false_alarms: float, out: Path
) -> None:
    """Calibrate the models of two folders, run them over a dataset's validation and test windows, write both results.

    They run where the GAT was trained: on a GPU, where there is one and its settings do not say otherwise.

    Args:
        fitting: training and validation store. tests: test stores.
        out: folder of ``calibration.safetensors`` and ``states.safetensors``.

    Raises:
        ArtifactError, CheckpointError: an input is missing or does not fit.
        DatasetError: there are too few windows to calibrate on.
    """
    device = device_of(read_model_config(gat).trainer)
    models = load_vgae(vgae).to(device), load_gat(gat).to(device)
    train, val = map(load_store, fitting)
    calibration = fit_calibration(*models, train, val, false_alarms)
    states = fusion_states(*models, [val, *map(load_store, tests)], calibration)
    save_calibration(out / CALIBRATION_FILE, calibration)
    save_states(out / STATES_FILE, states)


class CheckpointKeeper:
    """Keeps the agent's learning in the model folder's resume checkpoint: at each look, and when SIGTERM comes."""

    def __init__(self, checkpoint: ResumeCheckpoint, termination: Termination) -> None:
        self.checkpoint, self.termination = checkpoint, termination
        self.kept: int | None = None

    def load(self) -> dict[str, Any] | None:
        state = self.checkpoint.load()
        if state:
            self.kept = state["step"]
            logger.info("resuming from %s: %d steps are done", self.checkpoint.path, self.kept)
        return state

    def after(self, step: int, looked: bool, state: Callable[[], dict[str, Any]]) -> None:
        if looked or self.termination.asked:
            self.checkpoint.save(state())
            self.kept = step
        if self.termination.asked:
            raise terminated(f"after step {step}", self.checkpoint.path)

    def last_good(self) -> str:
        return (
            f" (last good checkpoint: {'none' if self.kept is None else f'{self.checkpoint.path}, step {self.kept}'})"
        )


class FusionTrainer:
    """Trains the fusion of a scale: the agent, and the alternatives that it is compared with.

    All learn on the windows whose role is ``fuse``; the agent's state is selected on those that ``select``.

    Args:
        settings: ``fusion``. states: file of the fusion states. out: model folder to write.
        tracking: ``trainer.tracking``.
    """

    def __init__(
        self, settings: DictConfig, seed: int, scale: str, states: Path, out: Path, tracking: DictConfig
    ) -> None:
        self.settings, self.seed, self.scale, self.states, self.out = settings, seed, scale, states, out
        self.tracking = tracking

    def train(self) -> dict[str, Any]:
        """Train, write the model folder, and return its metrics.

        Raises:
            DatasetError: there is no window to select on, or the windows to learn on hold one class only.
            ArtifactError: a state is not finite. CanidsError: a loss is not. Terminated: SIGTERM came; it is saved.
        """
        states = load_states(self.states)
        fuse, select = (states.of_role(role) for role in ("fuse", "select"))
        if not fuse.any() or not select.any():
            raise DatasetError(f"{self.states}: no validation window to fuse on; more captures are needed")
        if len(classes := np.unique(states.label[fuse])) < 2:
            lacks = "attack-free" if classes[0] == 1 else "attacked"
            raise DatasetError(
                f"{self.states}: the windows that fuse hold no {lacks} one, so there is nothing to learn; "
                "more captures or a smaller graph.block are needed"
            )
        if not np.isfinite(states.state[fuse | select]).all():
            raise ArtifactError(f"{self.states}: a state is not finite; train the models behind it again")
        started = time.perf_counter()
        alternatives = fit_alternatives(states, fuse, self.settings, self.seed)
        fitted = time.perf_counter()
        agent = DoubleDqn(self.settings, self.seed, anchor=float(alternatives.alpha))
        config = {"model": "fusion", "scale": self.scale, "seed": self.seed, "settings": self.settings}
        run = describe_run(self.out, config, [self.states], type(self).__module__)
        with Termination() as termination:
            keeper = CheckpointKeeper(run.checkpoint, termination)
            history = agent.learn(windows_of(states, fuse), windows_of(states, select), keeper)
        kept = next(look for look in history if look["kept"])
        metrics = {
            "training_seconds": time.perf_counter() - fitted,
            "alternatives_seconds": fitted - started,
            "kept_step": kept["step"],
            "select_reward": kept["select_reward"],
            "fuse_windows": int(fuse.sum()),
            "weighted_alpha": float(alternatives.alpha),
            "mean_alpha": self._mean_alpha(agent, states, select),
        }
        ModelManager.save_state_dict(alternatives, self.out / ALTERNATIVES_FILE)
        save_model(self.out, agent.network, config, metrics, history, run.record)
        for tracker in trackers(self.tracking, run):
            for look in history:
                tracker.log_metrics({name: float(value) for name, value in look.items()}, look["step"])
            tracker.finalize("success")
        run.checkpoint.remove()
        return metrics

    def _mean_alpha(self, agent: DoubleDqn, states: FusionStates, chosen: np.ndarray) -> dict[str, float]:
        """Mean α by attack type, on the windows that select."""
        alpha = ALPHAS[play(agent.network, windows_of(states, chosen), self.settings).action].numpy()
        types = states.attack_type[chosen]
        return {states.attack_types[t]: float(alpha[types == t].mean()) for t in np.unique(types)}
