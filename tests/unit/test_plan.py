"""What a plan says of the time that its jobs will take."""

import pytest

from canids.plan import Planned, gpu_hours_sentence, plan_lines

CPU = Planned("ingest", "demo", 14, 0, 2.0)
GPU = Planned("train_gat", "demo", 3, 1, 1800.0)
NEVER_RUN = Planned("train_vgae", "demo", 2, 1, None)


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        ([CPU], "GPU hours: 0"),
        ([CPU, GPU], "GPU hours: 1.50, by the median of earlier runs (3 jobs)"),
        ([Planned("train_gat", "demo", 3, 2, 1800.0)], "GPU hours: 3.00, by the median of earlier runs (3 jobs)"),
        ([NEVER_RUN], "GPU hours: unknown (2 jobs; none of their kind has run on the dataset)"),
        (
            [GPU, NEVER_RUN],
            "GPU hours: 1.50, by the median of earlier runs (3 jobs), and 2 jobs of kinds that have not run on their "
            "dataset",
        ),
    ],
)
def test_gpu_hours_are_jobs_times_median_and_what_is_not_known_is_said(plan, sentence):
    assert gpu_hours_sentence(plan) == sentence


def test_each_rule_is_a_line_and_the_gpu_hours_are_the_last():
    lines = plan_lines([CPU, GPU, NEVER_RUN])
    assert [line.split() for line in lines[1:-1]] == [
        ["ingest", "demo", "14", "2.0", "s", "0.01", "h"],
        ["train_gat", "demo", "3", "1800.0", "s", "1.50", "h", "1"],
        ["train_vgae", "demo", "2", "unknown", "unknown", "1"],
    ]
    assert lines[-1].startswith("GPU hours: 1.50")


def test_an_empty_plan_says_so():
    assert plan_lines([]) == ["nothing is to be done"]
