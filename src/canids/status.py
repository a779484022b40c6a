"""What of a dataset is done, stale, running or failed, and what made a file: from snakemake's own records."""

from __future__ import annotations

import ast
import contextlib
import csv
import io
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canids.artifacts import read_json
from canids.errors import ArtifactError
from canids.job_record import record_path
from canids.workflow import FINISHED, OVERRIDES_VARIABLE, SETTINGS_VARIABLE

DONE, STALE, MISSING, QUEUED, RUNNING, FAILED, INTERRUPTED = (
    "done", "stale", "missing", "queued", "running", "failed", "interrupted",
)  # fmt: skip


@dataclass(frozen=True)
class JobStatus:
    """A job of the workflow: its rule, what it is of (capture, seed, scale), its state, why, and its log."""

    rule: str
    of: str
    state: str
    why: str
    log: str


def job_statuses(snakefile: Path, overrides: Sequence[str]) -> list[JobStatus]:
    """State of every job that the report and the frame tables rest on, in the order of the workflow.

    Args:
        snakefile: the workflow.
        overrides: settings as a dot-list; they say which dataset, seeds and variant are meant.
    """
    with job_graph(snakefile, overrides) as (dag, jobs):
        active = any(Path(".snakemake/locks").glob("*.lock"))
        return [_status(dag, job, active) for job in jobs]


def explain(snakefile: Path, overrides: Sequence[str], target: Path) -> list[tuple[str, str]]:
    """What made a file, as (what, value) rows: rule, times, parameters, code, inputs; and what would change it now.

    Raises:
        ArtifactError: no rule makes the file, or nothing is recorded of it.
    """
    name = os.path.relpath(target)
    with job_graph(snakefile, overrides) as (dag, jobs):
        job = next((job for job in jobs if name in map(str, job.output)), None)
        if job is None:
            raise ArtifactError(f"{target}: no stage makes this file with these settings; canids status lists them")
        output = next(each for each in job.output if str(each) == name)
        record = dag.workflow.persistence.metadata(output)
        status = _status(dag, job, active=any(Path(".snakemake/locks").glob("*.lock")))
        now = status.state + (f": {status.why}" if status.why else "")
        if record is None or record.starttime is None or not target.exists():
            return [("rule", job.rule.name), ("of", status.of), ("state", now), ("log", status.log)]
        rows = [
            ("rule", record.rule),
            ("of", status.of),
            ("state", now),
            ("made", f"{_clock(record.starttime)} to {_clock(record.endtime)}"),
            *(_recorded(Path(record.log[0])) or _benchmark(job)),
            ("log", ", ".join(record.log)),
        ]
        inputs = _record(Path(record.log[0])).get("inputs", {})
        rows += [("input", f"{each}  sha256 {inputs[each]}" if each in inputs else each) for each in record.input]
        rows += [("parameter", each) for each in _readable(record.params)]
        return rows


def status_lines(statuses: Sequence[JobStatus]) -> list[str]:
    """The states as lines of text: jobs of a rule that are in the same state for the same reason share a line."""
    alike: dict[tuple[str, str, str], list[JobStatus]] = {}
    for each in statuses:
        alike.setdefault((each.rule, each.state, each.why), []).append(each)
    lines = []
    for (rule, state, why), jobs in alike.items():
        of = jobs[0].of if len(jobs) == 1 else f"{len(jobs)} jobs"
        lines.append(f"{state:<11} {rule:<14} {of}" + (f": {why}" if why else ""))
        lines += [f"{'':<26} {job.of or job.rule}: {job.log}" for job in jobs if job.log]
    return lines


@contextlib.contextmanager
def job_graph(snakefile: Path, overrides: Sequence[str], *targets: str) -> Iterator[tuple[Any, list]]:
    """The workflow's job graph, as snakemake sees it now, and its jobs with outputs in their order."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import DAGSettings, OutputSettings, Quietness, ResourceSettings

    if not snakefile.is_file():
        raise ArtifactError(f"{snakefile}: there is no such file; run from the repository's top folder")
    os.environ.pop(SETTINGS_VARIABLE, None)
    os.environ[OVERRIDES_VARIABLE] = json.dumps(list(overrides))
    try:
        with SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, dryrun=True)) as api:
            workflow = api.workflow(ResourceSettings(cores=1), snakefile=snakefile)
            with contextlib.redirect_stdout(io.StringIO()):
                workflow.dag(
                    DAGSettings(targets=set(targets))
                ).summary()  # builds the graph without touching the lock of a run that goes on
            dag = workflow._workflow.dag
            yield dag, [job for level in dag.toposorted() for job in sorted(level, key=str) if job.output]
    finally:
        del os.environ[OVERRIDES_VARIABLE]


def _status(dag: Any, job: Any, active: bool) -> JobStatus:
    of = ", ".join(value for name, value in sorted(job.wildcards.items()) if name != "dataset")
    log = str(job.log[0]) if job.log else ""

    def status(state: str, why: str = "") -> JobStatus:
        return JobStatus(job.rule.name, of, state, why, log if state not in (DONE, STALE, MISSING) else "")

    begun = dag.workflow.persistence._filter_incomplete_keys(map(str, job.output))
    if begun and active:
        external = dag.workflow.persistence.external_jobids(job)
        state = _slurm_state(external[0]) if external else RUNNING
        return status(state, f"SLURM job {external[0]}" if external else "")
    if begun:
        return status(INTERRUPTED, "the workflow was killed while it ran")
    if not dag.needrun(job):
        return status(DONE)
    reason = dag.reason(job)
    missing = [str(each) for each in job.output if not Path(each).exists()]
    if not missing:
        return status(STALE, _why_stale(reason))
    lines = Path(log).read_text(errors="replace").splitlines() if Path(log).is_file() else []
    errors = [line for line in lines if " ERROR " in line]
    if errors:
        return status(FAILED, errors[-1].partition(" ERROR ")[2])
    if lines and not lines[-1].endswith(FINISHED):
        return status(INTERRUPTED, "the job ended without a word (killed, or out of memory or time)")
    return status(MISSING, f"{missing[0]} was deleted" if lines else "")


def _why_stale(reason: Any) -> str:
    parts = []
    if reason.params_changed:
        parts += _changes(reason.params_changed.only_old, reason.params_changed.only_new)
    if reason.code_changed:
        parts.append("the rule or its script changed")
    if reason.input_changed:
        parts.append("other inputs than before")
    if reason.updated_input:
        parts.append("newer: " + ", ".join(sorted(map(str, reason.updated_input))))
    if not parts and reason.updated_input_run:
        parts.append("made anew before it: " + ", ".join(sorted(map(str, reason.updated_input_run))[:3]))
    return "; ".join(parts) or str(reason)


def _changes(old: set[str], new: set[str]) -> list[str]:
    """What differs between recorded and present parameters; each is a value's representation, without its name."""
    before, now = (dict(_flat(_parsed(each) for each in sorted(values))) for values in (old, new))
    changed = [
        f"{key}: {before.get(key, 'nothing')} → {now.get(key, 'nothing')}"
        for key in [*before, *(k for k in now if k not in before)]
        if before.get(key) != now.get(key)
    ]
    return changed or ["its parameters changed"]


def _parsed(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _flat(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested settings, with their dotted keys; a value that stands alone is the digest of the code."""
    for value in values:
        if isinstance(value, dict):
            for key, each in value.items():
                yield from _flat([each], f"{prefix}.{key}" if prefix else str(key))
        else:
            yield prefix or ("code" if isinstance(value, str) and len(value) == 16 else "value"), value


def _readable(params: list[str]) -> list[str]:
    return [f"{key} = {value}" for key, value in _flat(_parsed(each) for each in params)]


def _record(log: Path) -> dict[str, Any]:
    """The record of the job that wrote a log; empty where there is none, as of a stage that was run by hand."""
    path = record_path(log)
    return read_json(path) if path.is_file() else {}


def _recorded(log: Path) -> list[tuple[str, str]]:
    """What a job's record says of where it ran, and of what it took."""
    record = _record(log)
    if not record:
        return []
    where, git = record["environment"], record["git"]
    slurm = f", SLURM job {record['slurm_job']}" if record["slurm_job"] else ""
    rows = [
        ("took", f"{record['wall_seconds']:.1f} s, at most {record['peak_memory_mb']:.0f} MB"),
        ("host", f"{where['host']}, {where['cpus']} cores{slurm}"),
        ("GPU", ", ".join(where["cuda"]) or "none"),
        ("packages", ", ".join(f"{name} {version}" for name, version in where["packages"].items())),
        *(("output", f"{path}  sha256 {digest}") for path, digest in record["outputs"].items()),
    ]
    if git:
        rows.insert(0, ("commit", git["commit"] + (", and files changed since" if git["changed"] else "")))
    return rows


def _benchmark(job: Any) -> list[tuple[str, str]]:
    """Wall time and peak memory, as snakemake's benchmark file has them."""
    path = Path(str(job.benchmark)) if job.benchmark else None
    if path is None or not path.is_file():
        return []
    row = next(csv.DictReader(path.open(), delimiter="\t"))
    return [("took", f"{float(row['s']):.1f} s, at most {row['max_rss']} MB")]


def _slurm_state(number: str) -> str:
    if shutil.which("squeue") is None:
        return RUNNING
    command = ["squeue", "--noheader", "--format=%T", f"--jobs={number}"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return QUEUED if told == "PENDING" else RUNNING


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
