"""What a workflow run would do, and for how long: its jobs by rule, and the time that such jobs took before."""

from __future__ import annotations

import contextlib
import csv
import re
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canids.errors import ArtifactError
from canids.status import job_graph


@dataclass(frozen=True)
class Planned:
    """The jobs of a rule on a dataset.

    Attributes:
        gpus: that each of them asks for.
        seconds: median wall time of the rule's jobs on this dataset so far; None where none is recorded.
    """

    rule: str
    dataset: str
    jobs: int
    gpus: int
    seconds: float | None

    @property
    def hours(self) -> float | None:
        """Wall time of all of them, one after another."""
        return None if self.seconds is None else self.jobs * self.seconds / 3600


def planned_jobs(snakefile: Path, overrides: Sequence[str], target: str) -> list[Planned]:
    """The jobs that are to be run for a target, by rule and dataset, in the order of the workflow.

    Args:
        snakefile: the workflow.
        overrides: settings as a dot-list.

    Raises:
        ArtifactError: there is no such workflow, or nothing in it makes the target.
    """
    with _jobs_to_run(snakefile, overrides, target) as jobs:
        return _planned(jobs)


def planned_gpu_hours(dag: Any) -> str:
    """``gpu_hours_sentence`` of the jobs of snakemake's graph that are to be run; empty if none asks for a GPU."""
    plan = _planned(job for job in dag.jobs if "gpu" in job.rule.resources and dag.needrun(job))
    return gpu_hours_sentence(plan) if plan else ""


def _planned(jobs: Iterable[Any]) -> list[Planned]:
    counted: dict[tuple[str, str], list[Any]] = {}
    for job in jobs:
        dataset = job.wildcards.get("dataset", "").partition("/")[0] if job.wildcards else ""
        counted.setdefault((job.rule.name, dataset), []).append(job)
    return [
        Planned(rule, dataset, len(jobs), int(jobs[0].resources.get("gpu", 0)), _median_seconds(jobs[0], dataset))
        for (rule, dataset), jobs in counted.items()
    ]


def plan_lines(plan: Sequence[Planned]) -> list[str]:
    """The plan as lines of text, the last with the hours of those jobs that ask for a GPU."""
    if not plan:
        return ["nothing is to be done"]
    lines = [f"{'rule':<16} {'dataset':<12} {'jobs':>6} {'each':>9} {'in all':>9}  GPU"]
    for each in plan:
        took = "unknown" if each.seconds is None else f"{each.seconds:.1f} s"
        whole = "unknown" if each.hours is None else f"{each.hours:.2f} h"
        lines.append(
            f"{each.rule:<16} {each.dataset:<12} {each.jobs:>6} {took:>9} {whole:>9}  {each.gpus or ''}".rstrip()
        )
    return [*lines, gpu_hours_sentence(plan)]


def gpu_hours_sentence(plan: Iterable[Planned]) -> str:
    """How long the jobs that ask for a GPU will hold one, as far as that is known."""
    on_gpu = [each for each in plan if each.gpus]
    known = sum(each.hours * each.gpus for each in on_gpu if each.hours is not None)
    unknown = sum(each.jobs for each in on_gpu if each.hours is None)
    jobs = sum(each.jobs for each in on_gpu)
    if unknown == jobs:
        return (
            f"GPU hours: unknown ({jobs} jobs; none of their kind has run on the dataset)" if jobs else "GPU hours: 0"
        )
    more = f", and {unknown} jobs of kinds that have not run on their dataset" if unknown else ""
    return f"GPU hours: {known:.2f}, by the median of earlier runs ({jobs - unknown} jobs){more}"


@contextlib.contextmanager
def _jobs_to_run(snakefile: Path, overrides: Sequence[str], target: str) -> Iterator[list[Any]]:
    from snakemake.exceptions import RuleException, WorkflowError

    try:
        with job_graph(snakefile, overrides, target) as (dag, jobs):
            yield [job for job in jobs if dag.needrun(job)]
    except (RuleException, WorkflowError) as error:
        raise ArtifactError(f"{target}: cannot be planned: {' '.join(str(error).split())}") from None


def _median_seconds(job: Any, dataset: str) -> float | None:
    """The median wall time in the benchmark files of a job's rule on a dataset, its variants among them."""
    if not job.rule.benchmark:
        return None
    pattern = re.sub(r"\{[^{}]*\}", "*", str(job.rule.benchmark).replace("{dataset}", f"{dataset}/**"))
    took = []
    anchor = Path(pattern).anchor  # of a results folder that lies elsewhere
    for path in Path(anchor).glob(pattern.removeprefix(anchor)):
        with path.open() as file:
            took += [float(row["s"]) for row in csv.DictReader(file, delimiter="\t")]
    return statistics.median(took) if took else None
