"""What the DQN is compared with, on the same states: weighted average, logistic regression, MLP, contextual bandit."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from omegaconf import DictConfig
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from torch import nn

from canids.fusion.agent import play
from canids.fusion.bandit import learn_bandit
from canids.fusion.environment import ALPHAS, STATE_SIZE, windows_of
from canids.fusion.quantities import STATE_WIDTH
from canids.fusion.states import FusionStates

MLP_ROUNDS = 200


class Alternatives(nn.Module):
    """The four alternatives as one module, so that one state dict holds them.

    Attributes:
        alpha: () the weighted average's α. logistic, mlp: state (w, STATE_WIDTH) → log-odds of an attack (w, 1).
        bandit: observation (b, STATE_SIZE) → expected reward of each α (b, 21).
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.register_buffer("alpha", torch.zeros(()))
        self.logistic = nn.Linear(STATE_WIDTH, 1)
        self.mlp = nn.Sequential(nn.Linear(STATE_WIDTH, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        self.bandit = nn.Linear(STATE_SIZE, len(ALPHAS))

    @torch.no_grad()
    def score(self, states: FusionStates, settings: DictConfig) -> dict[str, np.ndarray]:
        """(w,) probability of an attack that each alternative gives each window; 0 where no profile speaks of it."""
        state = torch.from_numpy(states.state)
        played = play(self.bandit, windows_of(states, np.ones(len(states), bool)), settings)
        alpha = float(self.alpha)
        probability = {
            "weighted": (1 - alpha) * states.vgae + alpha * states.gat,
            "logistic": torch.sigmoid(self.logistic(state).squeeze(1)).numpy(),
            "mlp": torch.sigmoid(self.mlp(state).squeeze(1)).numpy(),
            "bandit": played.score.numpy(),
        }
        return {name: np.where(states.blind, np.float32(0), each) for name, each in probability.items()}


def fit_alternatives(states: FusionStates, fuse: np.ndarray, settings: DictConfig, seed: int) -> Alternatives:
    """Fit every alternative to the windows that fuse ((w,) bool, both classes among them).

    Args:
        settings: ``fusion``.
    """
    fitted = Alternatives(settings.hidden)
    rows = np.flatnonzero(fuse)
    state, label = states.state[rows], states.label[rows]
    fitted.alpha.fill_(best_alpha(states.vgae[rows], states.gat[rows], label))
    logistic = LogisticRegression(class_weight="balanced", max_iter=1000).fit(state, label)
    mlp = MLPClassifier((settings.hidden,), alpha=0.01, max_iter=MLP_ROUNDS, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the rounds are a limit against fitting ever closer
        mlp.fit(state, label, sample_weight=balanced(label))
    with torch.no_grad():
        _copy(fitted.logistic, logistic.coef_.T, logistic.intercept_)
        for layer, weight, bias in zip((fitted.mlp[0], fitted.mlp[2]), mlp.coefs_, mlp.intercepts_, strict=True):
            _copy(layer, weight, bias)
    bandit = learn_bandit(windows_of(states, fuse), settings, seed, float(fitted.alpha))
    fitted.bandit.load_state_dict(bandit.state_dict())
    return fitted.eval()


def best_alpha(vgae: np.ndarray, gat: np.ndarray, label: np.ndarray) -> float:
    """The α of the grid whose weighted average has the least log loss, both classes weighing the same.

    Args:
        vgae, gat: (n,) probabilities. label: (n,) 0 or 1.
    """
    weight = balanced(label)
    loss = [
        log_loss(label, np.clip((1 - alpha) * vgae + alpha * gat, 1e-6, 1 - 1e-6), sample_weight=weight)
        for alpha in ALPHAS.tolist()
    ]
    return float(ALPHAS[int(np.argmin(loss))])


def balanced(label: np.ndarray) -> np.ndarray:
    """(n,) weights under which both classes weigh the same in all."""
    return len(label) / (2 * np.bincount(label, minlength=2))[label]


def _copy(layer: nn.Linear, weight: np.ndarray, bias: np.ndarray) -> None:
    layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight.T)))
    layer.bias.copy_(torch.from_numpy(bias))
