"""What a report is made of, small and made up: evaluations, trained models, explanations."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
from omegaconf import OmegaConf

from canids.artifacts import write_json, write_text
from canids.evaluation.judge import judge
from canids.evaluation.summary import summarise
from canids.fusion.names import ALTERNATIVES

DATASET = OmegaConf.create(
    {"name": "made <up>", "title": "Two & a half cars", "source": "https://x.org", "licence": ""}
)
SPAN = {"start": 2.0, "end": 4.0, "kind": "DoS", "arbitration_ids": [0], "first_frame": 1000, "injected": 50}
MODELS = ("vgae", "gat", "fusion")
DETECTORS = (*MODELS, *ALTERNATIVES)
BASELINES = ("lightgbm", "inter_arrival")
GRAPHS = {
    "settings": {"window": 100, "stride": 100},
    "windows": 100,
    "repeated_captures": {"train/b": "train/a"},
    "excluded_captures": {"train/b": ["test/c", "test/d"]},
    "captures": {
        key: {"vehicle": "car", "recording": key, "attack_type": kind, "attack_spans": spans, "windows": 50,
              "known_profile": True, "windows_by_role": {"test": 50}, "attacked_windows_by_role": {}}
        for key, kind, spans in (("test_attack/DoS-$a$", "DoS", [SPAN]), ("test_quiet/still", "attack-free", []))
    },
}  # fmt: skip
NODE = '\t{}[label = "{}", color = "0.17 0.6 0.85", style="rounded"];'
RULES = [NODE.format(*rule) for rule in enumerate(("all", "report", "train_gat", "graphs"))]
EDGES = ["\t1 -> 0", "\t2 -> 1", "\t3 -> 2", "\t3 -> 1"]
DOT = "\n".join(["digraph snakemake_dag {", "    node[shape=box, style=rounded];", *RULES, *EDGES, "}"])


def scored(
    capture: str, scenario: str, attacked: bool, errors: dict[str, int], detectors: tuple[str, ...] = DETECTORS
) -> pl.DataFrame:
    """50 windows of 0.2 s, under attack from 2 to 4 s; each detector raises so many false alarms at the end."""
    windows = 50
    label = (np.arange(windows) // 10 == 1).astype(int) * attacked
    score = {name: np.where(label == 1, 3.0, -3.0) + 0.01 * np.arange(windows) for name in detectors}
    for name, count in errors.items():
        score[name][windows - count :] = 5.0
    return pl.DataFrame({
        "scenario": scenario, "capture": capture, "role": "test", "position": np.arange(windows),
        "last_frame": 100 * np.arange(windows) + 99,
        "start": 0.2 * np.arange(windows), "end": 0.2 * np.arange(1, windows + 1), "label": label,
        "attack_type": np.where(label == 1, "DoS", "attack-free"), **score, "alpha": np.float32(0.5),
        **{f"{name}_alarm": score[name] > 0 for name in detectors},
    })  # fmt: skip


def evaluated(
    folder: Path, scale: str, seed: int, errors: dict[str, int], detectors: tuple[str, ...] = DETECTORS
) -> Path:
    """An evaluation folder: a scenario with an attack and one without."""
    scores = pl.concat(
        [
            scored("DoS-$a$", "test_attack", True, errors, detectors),
            scored("still", "test_quiet", False, errors, detectors),
        ]
    )
    judged = judge(scores, detectors, GRAPHS)
    facts = {"scale": scale, "seed": seed, "tolerance": 0.005, "thresholds": dict.fromkeys(detectors, 0.0)}
    write_json(folder / "metrics.json", {**facts, **judged, "validation": judged["table"][: len(detectors)]})
    scores.write_parquet(folder / "scores.parquet")
    return folder


def trained(folder: Path, name: str, scale: str) -> Path:
    """A model folder without weights."""
    fusion = name == "fusion"
    history = {"epoch": [0, 1], "train_loss": [2.0, 1.0], "val_loss": [2.0, 1.5]}
    if fusion:
        rewards = {"train_reward": [np.nan, 0.2], "select_reward": [0.1, 0.3]}
        history = {"step": [0, 20], **rewards, "kept": [False, True]}
    write_text(folder / "config.yaml", OmegaConf.to_yaml({"model": name, "scale": scale, "seed": 1, "settings": {}}))
    write_text(folder / "history.csv", pd.DataFrame(history).to_csv(index=False))
    parameters = {"teacher": 1000, "student": 1000 if fusion else 100}[scale]
    metrics = {"training_seconds": 1.5, "model": {"parameters": parameters, "bytes": 4 * parameters}}
    of_graphs = {"best_epoch": 1, "val_auroc": 0.9, "active_units": 3, "latent_units": 4}
    of_fusion = {"kept_step": {"teacher": 0, "student": 20}[scale], "weighted_alpha": 0.95}
    write_json(folder / "metrics.json", {**metrics, **(of_fusion if fusion else of_graphs)})
    return folder


def explained(root: Path) -> Path:
    cause = {"arbitration_id": "0x000", "reading": "known", "statistic": "unseen", "surprise": 9.2}
    alarm = {"capture": "test_attack/DoS-$a$", "start": 2.0, "end": 2.2, "attack_type": "DoS",
             "causes": [{**cause, "sentence": "0x000 is no ID that this vehicle has shown"}]}  # fmt: skip
    measured = {"capture": "test_attack/DoS-$a$", "arbitration_ids": ["0x000"], "true_alarms": 10,
                "named_first": 0.9, "named_among_three": 1.0}  # fmt: skip
    described = {"scale": "student", "seed": 1, "detector": "fusion"}
    write_json(root / "explanations.json", {**described, "attacked_ids": [measured], "alarms": [alarm]})
    return root / "explanations.json"


def results(root: Path) -> dict:
    """The arguments of ``write_report``, but for where to write."""
    write_json(root / "graphs.json", GRAPHS)
    record = {
        "scenario": "train", "capture": "b", "vehicle": "<script>alert(1)</script>", "attack_type": "attack-free",
        "frames": 1234, "rejected": {"ID is not hexadecimal": 2}, "steps_back_in_time": 7, "duration_s": 10.0,
        "rejected_examples": [{"line": 3, "reason": "ID is not hexadecimal", "text": "1.0,<b>zz</b>,00"}],
        "arbitration_ids": 9, "attack_frames": 0, "attack_spans": [],
    }  # fmt: skip
    write_json(root / "b.json", record)
    scales, errors = ("teacher", "student"), {"fusion": 3, "vgae": 5}
    evaluations = [evaluated(root / f"evaluation-{scale}", scale, 1, errors) for scale in scales]
    evaluations.append(evaluated(root / "baselines", "baseline", 1, {"inter_arrival": 6}, BASELINES))
    summarise(evaluations, root / "graphs.json", "made", "both", root / "summary.csv", root / "comparisons.csv")
    return {
        "dataset": DATASET, "records": [root / "b.json"], "graphs": root / "graphs.json", "rule_graph": DOT,
        "evaluations": evaluations, "comparisons": root / "comparisons.csv", "explanations": [explained(root)],
        "models": [trained(root / f"{name}-{scale}", name, scale) for scale in scales for name in MODELS],
    }  # fmt: skip
