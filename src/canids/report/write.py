"""The report stage: one self-contained HTML file."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from importlib.resources import files
from operator import itemgetter
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from omegaconf import DictConfig

from canids.artifacts import read_json, write_text
from canids.evaluation.curves import RATES
from canids.evaluation.published import FIGURES
from canids.frames.frames import SYNTHESISED
from canids.fusion.names import ALTERNATIVES
from canids.report import formats
from canids.report.explanations import attacked_ids, draw_causes
from canids.report.figures import draw_alpha, draw_roc, draw_training
from canids.report.fused import FUSED_SCALES, beginning_sentences, fused_sentences, fused_tables
from canids.report.inputs import (
    BASELINE,
    Evaluation,
    Model,
    read_benchmarks,
    read_comparisons,
    read_evaluations,
    read_metrics,
    read_models,
    read_records,
    without_alternatives,
)
from canids.report.operating import draw_evidence, draw_operating, draw_reliability, driving_sentence
from canids.report.rule_graph import draw_rule_graph, parse_dot
from canids.report.sentences import baseline_sentences, comparison_sentences, result_sentences
from canids.report.style import COLOURS, look
from canids.report.tables import over_seeds, tidy, with_best
from canids.report.timelines import timelines

ROLES = ("train", "select", "fuse", "calibrate", "guard", "test")


def write_report(
    out: Path,
    dataset: DictConfig,
    evaluations: Sequence[Path],
    comparisons: Path,
    explanations: Sequence[Path],
    models: Sequence[Path],
    records: Sequence[Path],
    graphs: Path,
    rule_graph: str,
    benchmarks: Sequence[Path] = (),
) -> None:
    """Write the report; the same inputs give the same bytes.

    Args:
        out: the HTML file.
        dataset: the ``dataset`` section of the configuration.
        evaluations: evaluation folders of models and baselines, any seeds and scales. models: model folders.
        comparisons: ``comparisons.csv``. explanations: each seed's ``explanations.json``.
        records: the captures' ingest records. graphs: ``graphs.json``.
        rule_graph: what ``snakemake --rulegraph dot`` prints; empty where there is none, which leaves out its section.
        benchmarks: Snakemake's benchmark files.

    Raises:
        ArtifactError: an input is missing or damaged.
    """
    everything, read = read_metrics(evaluations), read_evaluations(evaluations)
    metrics = [without_alternatives(each) for each in everything]
    trained, graph = read_models(models), read_json(graphs)
    compared, rules = read_comparisons(comparisons), parse_dot(rule_graph)
    scales, explained = _by_scale(read), sorted((read_json(path) for path in explanations), key=itemgetter("seed"))
    with look():
        content = {
            "dataset": dataset,
            "seeds": sorted({e.seed for e in read}),
            **detection(metrics, compared),
            "fused": fused_tables(everything),
            "fused_beginnings": beginning_sentences(trained),
            "fused_better": {each: fused_sentences(everything, each) for each in FUSED_SCALES},
            "published": [each for each in FIGURES if each.dataset == dataset.name],
            "models": model_rows(trained),
            "training": [draw_training(each) for each in _variants(trained).values()],
            "rocs": [(scenario, draw_roc(read, scenario)) for scenario in _scenarios(metrics)],
            "reliability": [draw_reliability(each) for each in scales],
            "operating": [drawn for each in scales if (drawn := draw_operating(each, graph))],
            "evidence": [drawn for each in scales if (drawn := draw_evidence(each, graph))],
            "attacked_ids": attacked_ids(explained),
            "explained": [(each, draw_causes(each)) for each in explained[0]["alarms"]],
            "driving": driving_sentence(read[0], graph),
            "rates": [f"{rate:g}" for rate in RATES],
            "alphas": [draw_alpha(each) for each in scales if each[0].scale != BASELINE],
            "shown": read[0],
            "timelines": _by_scenario(timelines(read[0], graph["captures"])),
            "records": read_records(records),
            "graph": graph,
            "synthesised": SYNTHESISED,
            "windows_by_role": windows_by_role(graph["captures"]),
            "roles": [r for r in ROLES if any(r in c["windows_by_role"] for c in graph["captures"].values())],
            "rules": rules,
            "rule_drawing": draw_rule_graph(rules) if rules else None,
            "settings": settings(trained),
            "benchmarks": read_benchmarks(benchmarks),
            "colours": COLOURS,
            "css": Markup(files("canids.report").joinpath("report.css").read_text()),
        }
    write_text(out, _template().render(content))


def detection(metrics: Sequence[dict[str, Any]], comparisons: pd.DataFrame) -> dict[str, Any]:
    """The detection and validation tables, ready to be shown, and what they say in words."""
    means = over_seeds(tidy(metrics, "table"))
    marked = with_best(means, ["scenario", "capture"])
    scale = metrics[0]["scale"]
    return {
        "scale": scale,
        "results": result_sentences(means, scale),
        "comparisons": {s: comparison_sentences(means, s) for s in means["scale"].unique() if s != BASELINE},
        "beaten_by": baseline_sentences(means, comparisons, scale),
        "differences": _differences(comparisons, scale),
        "attack_types": _by_attack_type(metrics),
        "scenarios": [
            {
                "name": scenario,
                "all": rows[rows["capture"] == "all"],
                "captures": list(rows[rows["capture"] != "all"].groupby("capture", sort=False)),
            }
            for scenario, rows in marked.groupby("scenario", sort=False)
        ],
        "validation": tidy(metrics, "validation"),
        "thresholds": {(m["scale"], m["seed"], name): t for m in metrics for name, t in m["thresholds"].items()},
        "tolerances": sorted({m["tolerance"] for m in metrics}),
    }


def _differences(comparisons: pd.DataFrame, scale: str) -> list[tuple[str, pd.DataFrame]]:
    """Each scenario's rows of ``comparisons.csv`` for a scale, less the fusion's alternatives (they have a section)."""
    shown = comparisons[(comparisons["scale"] == scale) & ~comparisons["other"].isin(ALTERNATIVES)]
    return list(shown.groupby("scenario", sort=False))


def _by_attack_type(metrics: Sequence[dict[str, Any]]) -> list[tuple[tuple[str, str], pd.DataFrame]]:
    """((scenario, attack type), rows over seeds) of each attack type that a scenario holds."""
    frame = tidy(metrics, "attack_types")
    if frame.empty:
        return []
    means = over_seeds(frame, ["scale", "scenario", "attack_type", "detector"])
    return list(with_best(means, ["scenario", "attack_type"]).groupby(["scenario", "attack_type"], sort=False))


def model_rows(models: Sequence[Model]) -> pd.DataFrame:
    """A row per model and scale, the mean over seeds; ``teacher_ratio`` = the teacher's parameters / its own."""
    rows = [
        {
            "name": name,
            "scale": scale,
            "parameters": seeds[0].metrics["model"]["parameters"],
            "bytes": seeds[0].metrics["model"]["bytes"],
            "training_seconds": sum(m.metrics["training_seconds"] for m in seeds) / len(seeds),
            "steps": sum(m.history.iloc[-1, 0] + (m.name != "fusion") for m in seeds) / len(seeds),
            "val_auroc": pd.Series([m.metrics.get("val_auroc") for m in seeds], dtype=float).mean(),
            "active_units": pd.Series([m.metrics.get("active_units") for m in seeds], dtype=float).mean(),
            "latent_units": seeds[0].metrics.get("latent_units"),
        }
        for (name, scale), seeds in _variants(models).items()
    ]
    frame = pd.DataFrame(rows)
    teachers = frame[frame["scale"] == "teacher"].set_index("name")["parameters"]
    return frame.assign(teacher_ratio=frame["name"].map(teachers) / frame["parameters"])


def windows_by_role(captures: dict[str, dict[str, Any]]) -> list[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """The captures of ``graphs.json`` by scenario, as (name, facts)."""
    split = sorted(((*key.split("/", 1), facts) for key, facts in captures.items()), key=itemgetter(0, 1))
    return [
        (scenario, [(name, facts) for _, name, facts in some])
        for scenario, some in itertools.groupby(split, itemgetter(0))
    ]


def settings(models: Sequence[Model]) -> list[tuple[Model, list[int]]]:
    """Each distinct configuration with the seeds that share it."""
    seeds: dict[tuple, list[Model]] = {}
    for model in models:
        seeds.setdefault((model.name, model.scale, model.settings), []).append(model)
    return [(each[0], [m.seed for m in each]) for each in seeds.values()]


def _variants(models: Sequence[Model]) -> dict[tuple[str, str], list[Model]]:
    return {key: list(each) for key, each in itertools.groupby(models, lambda m: (m.name, m.scale))}


def _by_scale(evaluations: Sequence[Evaluation]) -> list[list[Evaluation]]:
    return [list(each) for _, each in itertools.groupby(evaluations, lambda e: e.scale)]


def _by_scenario(each):
    return [(scenario, list(some)) for scenario, some in itertools.groupby(each, lambda t: t.scenario)]


def _scenarios(metrics: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["scenario"] for row in metrics[0]["table"]))


def _template():
    environment = Environment(
        loader=PackageLoader("canids", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("rate", "auroc", "number", "count", "seconds", "size", "plural", "detector_name"):
        environment.filters[name] = getattr(formats, name)
    return environment.get_template("report.html.j2")
