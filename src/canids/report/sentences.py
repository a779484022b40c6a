"""What the tables say, in words; every number in them is computed."""

from __future__ import annotations

import math

import pandas as pd

from canids.evaluation.thresholds import CUSUM
from canids.report.formats import auroc, count, detector_name, number, plural, rate
from canids.report.inputs import BASELINE


def result_sentences(means: pd.DataFrame, scale: str) -> list[tuple[str, str]]:
    """For each scenario, its name and what the fusion of a scale detects.

    Args:
        means: what ``tables.over_seeds`` gives.
    """
    rows = means[(means["capture"] == "all") & (means["scale"] == scale) & (means["detector"] == "fusion")]
    return [(row.scenario, _result(row)) for row in rows.itertuples()]


def comparison_sentences(means: pd.DataFrame, scale: str, alone: str = " alone") -> list[tuple[str, str]]:
    """The scenarios where another detector has a higher F1, or a higher AUROC, than the fusion of its scale.

    Its sum over time decides about attacks, not about windows, and is not compared by these.

    Args:
        alone: what is said after its name.
    """
    sentences = []
    rows_of_scale = means[(means["capture"] == "all") & (means["scale"] == scale)]
    for scenario, rows in rows_of_scale.groupby("scenario", sort=False):
        by_detector = {row.detector: row for row in rows.itertuples()}
        fusion = by_detector.pop("fusion", None)
        by_detector.pop(CUSUM, None)
        for detector, other in by_detector.items():
            said = _better(other, fusion) if fusion else []
            if said:
                sentences.append((scenario, f"{detector_name(detector)}{alone} {' and '.join(said)}."))
    return sentences


def baseline_sentences(means: pd.DataFrame, comparisons: pd.DataFrame, scale: str) -> list[tuple[str, str]]:
    """The scenarios where a baseline has a higher F1 than the fusion of a scale, and how sure that is.

    Args:
        means: what ``tables.over_seeds`` gives. comparisons: ``comparisons.csv``.
    """
    whole = means[means["capture"] == "all"].set_index(["scenario", "scale", "detector"])
    against = comparisons[
        (comparisons["scale"] == scale) & (comparisons["other_scale"] == BASELINE) & (comparisons["f1_difference"] < 0)
    ]
    sentences = []
    for row in against.itertuples():
        baseline = whole.loc[(row.scenario, BASELINE, row.other)]
        fusion = whole.loc[(row.scenario, scale, row.model)]
        errors = f"{plural(baseline.errors, 'error')} against {count(fusion.errors)}"
        sure = "does not include 0" if row.high < 0 else "includes 0: the recordings at hand do not settle it"
        sentences.append(
            (
                row.scenario,
                f"{detector_name(row.other)} has the higher F1 ({rate(baseline.f1)} against {rate(fusion.f1)}; "
                f"{errors}). Its lead is {rate(-row.f1_difference)}; the 95 % interval, {number(-row.high, 4)} to "
                f"{number(-row.low, 4)}, {sure}.",
            )
        )
    return sentences


def _result(row) -> str:
    normal, attacked = row.windows - row.attacked, row.attacked
    false_alarms = f"{plural(row.fp, 'false alarm')} in {plural(normal, 'attack-free window')}"
    mean = "on average " if row.seeds > 1 else ""
    if attacked == 0:
        return f"no attack, so F1 is undefined; {mean}{false_alarms}."
    interval = f"95 % interval {rate(row.f1_low)} to {rate(row.f1_high)}"
    span = f" (mean of {row.seeds} seeds, {interval})" if row.seeds > 1 else ""
    missed = f"{count(row.fn)} of {plural(attacked, 'attacked window')} missed"
    return f"F1 {rate(row.f1)}{span}: {mean}{plural(row.errors, 'error')}, {missed} and {false_alarms}."


def _better(alone, fusion) -> list[str]:
    """In what one detector is better than the fusion; nothing where either is undefined."""
    said = []
    if not math.isnan(alone.f1) and alone.f1 > fusion.f1:
        errors = f"{plural(alone.errors, 'error')} against {count(fusion.errors)}"
        said.append(f"has the higher F1 ({rate(alone.f1)} against {rate(fusion.f1)}; {errors})")
    if math.isnan(alone.f1) and alone.fp < fusion.fp:
        said.append(f"raises fewer false alarms ({count(alone.fp)} against {count(fusion.fp)})")
    if not math.isnan(alone.auroc) and alone.auroc > fusion.auroc:
        said.append(f"ranks better (AUROC {auroc(alone.auroc)} against {auroc(fusion.auroc)})")
    return said
