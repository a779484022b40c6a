"""How long the fusion learns on many cached windows: the DQN to its best validation score, and its alternatives.

    python benchmarks/fusion.py results/<dataset>/seed-<n>/fusion-<scale>/states.safetensors [WINDOWS]

The windows that fuse, and those that select, are repeated, with a little noise on their states, until they are as many
as asked (100,000) in their natural proportion.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf

from canids.fusion.agent import DoubleDqn
from canids.fusion.alternatives import fit_alternatives
from canids.fusion.environment import windows_of
from canids.fusion.states import FusionStates, load_states
from canids.schema import Fusion

NOISE = 0.05  # standard deviations of a quantity


def repeated(states: FusionStates, chosen: np.ndarray, windows: int) -> FusionStates:
    """So many windows, the chosen ones ((w,) bool) again and again; each round is a stretch of its own."""
    rows = np.resize(np.flatnonzero(chosen), windows)
    values = {name: each[rows] if isinstance(each, np.ndarray) else each for name, each in vars(states).items()}
    rounds = np.arange(windows) // int(chosen.sum())
    values["position"] = values["position"] + rounds * (int(states.position.max()) + 2)
    noise = np.random.default_rng(0).normal(0, NOISE, values["state"].shape)
    values["state"] = (values["state"] + noise).astype(np.float32)
    order = np.lexsort((values["position"], values["capture"]))
    return FusionStates(**{n: v[order] if isinstance(v, np.ndarray) else v for n, v in values.items()})


def main() -> None:
    states = load_states(Path(sys.argv[1]))
    windows = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    chosen = states.of_role("fuse") | states.of_role("select")
    many, settings = repeated(states, chosen, windows), OmegaConf.structured(Fusion)
    fuse, select = many.of_role("fuse"), many.of_role("select")
    started = time.perf_counter()
    alternatives = fit_alternatives(many, fuse, settings, 1)
    fitted = time.perf_counter()
    agent = DoubleDqn(settings, 1, float(alternatives.alpha))
    history = agent.learn(windows_of(many, fuse), windows_of(many, select))
    learnt = time.perf_counter() - fitted
    best = max(history, key=lambda look: look["select_reward"])
    print(
        f"{windows:,} windows: DQN {learnt:.1f} s for {settings.steps} updates, "
        f"{learnt * best['step'] / settings.steps:.1f} s to its best validation reward {best['select_reward']:.4f} "
        f"(step {best['step']}); alternatives {fitted - started:.1f} s"
    )


if __name__ == "__main__":
    main()
