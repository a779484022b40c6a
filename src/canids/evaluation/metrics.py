"""Window-level metrics of a detector; what a class that is missing leaves undefined is None."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    confusion_matrix,
    matthews_corrcoef,
    precision_recall_fscore_support,
    roc_auc_score,
)

from canids.evaluation.reliability import expected_calibration_error


def window_metrics(label: np.ndarray, score: np.ndarray, alarm: np.ndarray) -> dict[str, Any]:
    """Metrics of one detector on n windows.

    Args:
        label: (n,) 0 or 1. score: (n,) log-odds of an attack. alarm: (n,) bool.

    Returns:
        Counts and metrics; recall, precision, F1, MCC, AUROC and AUPRC are None where a class they need is missing.
    """
    tn, fp, fn, tp = (int(n) for n in confusion_matrix(label, alarm, labels=[0, 1]).ravel())
    attacked, attack_free = tp + fn > 0, tn + fp > 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        precision, recall, f1, _ = precision_recall_fscore_support(label, alarm, average="binary", zero_division=0)
    return {
        "windows": len(label),
        "attacked": tp + fn,
        "tp": tp,
        "fp": fp,
        "fn": fn,
        "tn": tn,
        "precision": float(precision) if attacked and tp + fp else None,
        "recall": float(recall) if attacked else None,
        "f1": float(f1) if attacked else None,
        "accuracy": float(accuracy_score(label, alarm)),
        "mcc": float(matthews_corrcoef(label, alarm)) if attacked and attack_free else None,
        "auroc": float(roc_auc_score(label, score)) if attacked and attack_free else None,
        "auprc": float(average_precision_score(label, score)) if attacked and attack_free else None,
        "false_positive_rate": fp / (fp + tn) if attack_free else None,
        "ece": expected_calibration_error(label, score),
    }
