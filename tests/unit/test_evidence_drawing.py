"""The report's drawing of evidence over time: the fusion beside its sum, on validation windows."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from report_inputs import BASELINES, GRAPHS, evaluated

from canids.report.inputs import read_evaluations
from canids.report.operating import draw_evidence
from canids.report.style import look

ALL = ("gat", "fusion", "cusum")


def drawn(folder: Path, detectors: tuple[str, ...], role: str = "select"):
    (read,) = read_evaluations([evaluated(folder, "student", 1, {}, detectors)])
    validating = read.scores.with_columns(role=pl.lit(role))
    with look():
        return draw_evidence([replace(read, scores=validating)], GRAPHS)


@pytest.mark.parametrize("name", ["Fusion", "CUSUM"])
def test_it_shows_both(tmp_path, name):
    assert name in drawn(tmp_path, ALL)


def test_it_shows_nothing_else(tmp_path):
    assert "GAT" not in drawn(tmp_path, ALL)


def test_without_validation_windows_there_is_none(tmp_path):
    assert drawn(tmp_path, ALL, "test") is None


def test_of_detectors_that_are_not_summed_there_is_none(tmp_path):
    assert drawn(tmp_path, BASELINES) is None
