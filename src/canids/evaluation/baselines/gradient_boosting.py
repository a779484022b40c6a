"""LightGBM on the windows' extremes: the strongest opponent of the graph models."""

from __future__ import annotations

from pathlib import Path

import lightgbm
import numpy as np

from canids.artifacts import write_text
from canids.evaluation.baselines.extremes import COLUMNS, Extremes

ROUNDS = 400
PATIENCE = 30
SETTINGS = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


def fit_boosting(
    train: Extremes, label: np.ndarray, select: Extremes, select_label: np.ndarray, seed: int
) -> lightgbm.Booster:
    """Fit on the training windows; the windows that select stop it.

    Each window is seen twice, once as if its vehicle were not known, as the graph models' reading dropout does.
    """
    data = lightgbm.Dataset(*_twice(train, label), feature_name=list(COLUMNS))
    stop = lightgbm.Dataset(*_twice(select, select_label), reference=data)
    return lightgbm.train(
        {**SETTINGS, "seed": seed},
        data,
        ROUNDS,
        valid_sets=[stop],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )


def boosting_score(model: lightgbm.Booster, windows: Extremes) -> np.ndarray:
    """(w,) log-odds of an attack."""
    return model.predict(windows.values, raw_score=True, num_threads=1)


def save_boosting(path: Path, model: lightgbm.Booster) -> None:
    """Write the model in LightGBM's own text format."""
    write_text(path, model.model_to_string())


def _twice(windows: Extremes, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([windows.values, windows.without("known").values]), np.tile(label, 2)
