"""Metrics of windows: counted by hand, and undefined where a class is missing."""

import warnings

import numpy as np
import pytest

from canids.evaluation.metrics import window_metrics

#                 tp   fn   fp   tn   tn   tp   tn   tn
LABEL = np.array([1, 1, 0, 0, 0, 1, 0, 0])
SCORE = np.array([0.9, 0.2, 0.8, 0.1, 0.3, 0.7, 0.0, 0.5])


def judged(label: np.ndarray, score: np.ndarray, threshold: float) -> dict:
    return window_metrics(label, score, score > threshold)


NEEDS_ATTACKS = ("precision", "recall", "f1", "mcc", "auroc", "auprc")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("windows", 8),
        ("attacked", 3),
        ("tp", 2),
        ("fp", 1),
        ("fn", 1),
        ("tn", 4),
        ("precision", 2 / 3),
        ("recall", 2 / 3),
        ("f1", 2 / 3),
        ("accuracy", 6 / 8),
        ("mcc", (2 * 4 - 1 * 1) / np.sqrt(3 * 3 * 5 * 5)),
        ("auroc", (5 + 4 + 2) / 15),
        ("auprc", (1 / 1 + 2 / 3 + 3 / 6) / 3),
        ("false_positive_rate", 1 / 5),
    ],
)
def test_a_metric_is_what_one_counts_by_hand(name, value):
    assert judged(LABEL, SCORE, 0.5)[name] == pytest.approx(value)


@pytest.mark.parametrize("name", NEEDS_ATTACKS)
def test_without_an_attack_a_metric_that_needs_one_is_undefined(name):
    assert judged(np.zeros(4, int), np.array([0.1, 0.9, 0.2, 0.3]), 0.5)[name] is None


def test_without_an_attack_false_alarms_are_still_counted():
    metrics = judged(np.zeros(4, int), np.array([0.1, 0.9, 0.2, 0.3]), 0.5)
    assert (metrics["fp"], metrics["false_positive_rate"], metrics["accuracy"]) == (1, 0.25, 0.75)


@pytest.mark.parametrize("name", ["mcc", "auroc", "auprc", "false_positive_rate"])
def test_without_an_attack_free_window_a_metric_that_needs_one_is_undefined(name):
    assert judged(np.ones(3, int), np.array([0.1, 0.9, 0.2]), 0.5)[name] is None


def test_without_an_attack_free_window_recall_is_still_told():
    assert judged(np.ones(4, int), np.array([0.1, 0.9, 0.2, 0.8]), 0.5)["recall"] == 0.5


def test_without_an_alarm_precision_is_undefined():
    assert judged(LABEL, SCORE, 2.0)["precision"] is None


def test_without_an_alarm_f1_is_zero():
    assert judged(LABEL, SCORE, 2.0)["f1"] == 0


def test_ranking_does_not_depend_on_the_threshold():
    assert judged(LABEL, SCORE, 0.1)["auroc"] == judged(LABEL, SCORE, 0.9)["auroc"]


def test_all_metrics_are_plain_values():
    assert {type(each) for each in judged(LABEL, SCORE, 0.5).values()} == {int, float}


@pytest.mark.parametrize("label", [LABEL, np.zeros(8, int), np.ones(8, int)])
@pytest.mark.parametrize("threshold", [-1.0, 0.5, 2.0])
def test_no_warning_is_raised(label, threshold):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        judged(label, SCORE, threshold)
