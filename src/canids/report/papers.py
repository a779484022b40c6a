"""The results table for a paper: Markdown or LaTeX, from the same numbers as the report."""

from __future__ import annotations

import pandas as pd
from tabulate import tabulate

from canids.evaluation.published import FIGURES
from canids.report.formats import UNDEFINED, count, detector_name, number, rate
from canids.report.tables import over_seeds

FORMATS = {"md": "github", "latex": "latex_booktabs"}
NOTE = {"md": "- {}", "latex": "% {}"}
PUBLISHED = "published"
HEAD = ("scenario", "scale", "model", "F1", "errors", "false + missed", "precision", "recall", "MCC", "AUROC", "AUPRC",
        "attacks found", "delay (s)", "false alarms (1/h)")  # fmt: skip


def paper_table(frame: pd.DataFrame, dataset: str, form: str) -> str:
    """The table as text: a row per scenario, scale and model, then others' figures, marked as such.

    Args:
        frame: what ``tables.detection_table`` gives; over several seeds it shows mean ± half of the 95 % interval.
        form: one of ``FORMATS``.
    """
    means = over_seeds(frame[frame["capture"] == "all"]).sort_values("scenario", kind="stable")
    rows = [_row(row) for row in means.itertuples()]
    published = [each for each in FIGURES if each.dataset == dataset]
    rows += [(each.what, PUBLISHED, "", rate(each.f1, 4), *("",) * (len(HEAD) - 4)) for each in published]
    aligned = ("left",) * 3 + ("right",) * (len(HEAD) - 3)
    table = tabulate(rows, HEAD, FORMATS[form], disable_numparse=True, colalign=aligned)
    notes = [f"{each.what}: {PUBLISHED}, under others' protocol; {each.source}" for each in published]
    return "\n".join([table, "", *(NOTE[form].format(note) for note in notes)]).rstrip()


def _row(row) -> tuple[str, ...]:
    delay = UNDEFINED if pd.isna(row.delay_s) else number(row.delay_s, 3)
    return (
        row.scenario,
        row.scale,
        detector_name(row.detector),
        _with_reach(row.f1, row.f1_reach),
        count(row.errors),
        f"{count(row.fp)} + {count(row.fn)}",
        rate(row.precision, 4),
        rate(row.recall, 4),
        rate(row.mcc, 4),
        _with_reach(row.auroc, row.auroc_reach),
        rate(row.auprc, 4),
        f"{count(row.bursts_found)} of {count(row.bursts)}",
        delay,
        number(row.false_alarms_per_hour, 1),
    )


def _with_reach(value: float, reach: float) -> str:
    return rate(value, 4) if pd.isna(reach) else f"{rate(value, 4)} ± {rate(reach, 4)}"
