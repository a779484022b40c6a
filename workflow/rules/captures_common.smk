# What the rules ask of captures: which there are, what labels them, and what was read from and synthesised on each.
import inspect
import os
from itertools import pairwise

from snakemake.exceptions import WorkflowError

from canids.frames.frames import ATTACK_FREE
from canids.variants import synthesises


def read_here(folder):
    """The captures whose frame tables lie in a variant's folder: its own, and those of variants that read them alike."""
    variants = [v for name, v in VARIANTS.items() if PLACES[name]["frames"] == folder]
    return {key: c for v in variants for key, c in v.captures.items()}


CAPTURES = {folder: read_here(folder) for folder in VARIANTS}
SIMULATED = next((v for v in VARIANTS.values() if v.config.dataset.simulated), None)


def for_each_capture(function):
    """Marks a function that snakemake calls for each capture: it asks for its parameters each time, which are kept here."""
    function.__signature__ = inspect.signature(function)
    return function


def capture_of(wildcards):
    key = f"{wildcards.scenario}/{wildcards.capture}"
    if key not in CAPTURES[wildcards.dataset]:
        raise WorkflowError(f"{key}: {wildcards.dataset} has no such capture")
    return CAPTURES[wildcards.dataset][key]


@cache
def files_of_labels(variant):
    """The files that label a variant's captures from beside them: of attack spans, and of attack intervals."""
    dataset = VARIANTS[variant].config.dataset
    given = {
        "attack_spans": dataset.attack_spans,
        "attack_intervals": dataset.reading.attack_intervals,
    }
    return {name: [path] if path else [] for name, path in given.items()}


@for_each_capture
def log_files(wildcards):
    """Input: a capture's log file, and the files that label it."""
    return {
        "source": capture_of(wildcards).source,
        **files_of_labels(wildcards.dataset),
    }


def file_of_ingest(pattern, variant, capture):
    """The path of something that is made with a capture's frame table."""
    where = {"scenario": capture.scenario, "capture": capture.name}
    return artifact(placed(variant, "frames", pattern), **where)


@cache
def missing_of(variant, capture):
    """What is missing of what a capture's ingest makes beside its record."""
    made = [file_of_ingest(each, variant, capture) for each in (FRAMES, FINGERPRINT)]
    return [path for path in made if not os.path.exists(path)]


def missing_tables(wildcards):
    """Input of targets: of each capture one file that its ingest is still to make, which then makes the others too.

    To ask for all files of all captures, those that are there as well, takes snakemake long.
    """
    captures = VARIANTS[DATASET].captures.values()
    return [path for c in captures for path in missing_of(DATASET, c)[:1]]


@cache
def ingest_record(variant, capture):
    """A capture's ingest record: what the stages that read its frame table depend on.

    A frame table that was deleted is made again (`all` asks for it), and the same log file always gives the same one:
    then the record counts as ancient, and nothing is trained again.
    """
    path = file_of_ingest(INGEST_RECORD, variant, capture)
    deleted = os.path.exists(path) and bool(missing_of(variant, capture))
    if deleted and capture.source.exists():
        deleted = capture.source.stat().st_mtime <= os.path.getmtime(path)
    return ancient(path) if deleted else path


@for_each_capture
def record_of_capture(wildcards):
    """Input: the ingest record of a job's capture."""
    return ingest_record(wildcards.dataset, capture_of(wildcards))


@cache
def ingest_records(variant):
    return [ingest_record(variant, c) for c in VARIANTS[variant].captures.values()]


@cache
def per_capture(pattern, variant):
    """The paths of something that is made with the frame tables, for each capture."""
    captures = VARIANTS[variant].captures.values()
    return [file_of_ingest(pattern, variant, c) for c in captures]


def fingerprints_of(variant):
    """Capture → where its fingerprint lies."""
    return dict(
        zip(VARIANTS[variant].captures, per_capture(FINGERPRINT, variant), strict=True)
    )


@cache
def synthesised_captures(variant):
    """Attacked copies of the attack-free training captures, if they are to be trained on."""
    config, captures = VARIANTS[variant].config, VARIANTS[variant].captures
    if not synthesises(config):
        return []
    scenarios, copies = set(config.dataset.train), config.synthesis.copies
    return [
        artifact(
            placed(variant, "synthesised", SYNTHESISED),
            scenario=c.scenario,
            capture=c.name,
            number=number,
        )
        for c in captures.values()
        if c.scenario in scenarios and c.attack_type == ATTACK_FREE
        for number in range(copies)
    ]


def synthesis_rules():
    """(rule's name, numbers of the copies that its jobs make): one rule, unless variants want different numbers of them."""
    wanted = {v.config.synthesis.copies for v in VARIANTS.values()}
    return [
        (f"synthesise_{rule}" if rule else "synthesise", range(first, end))
        for rule, (first, end) in enumerate(pairwise(sorted({0, *wanted})))
    ]
