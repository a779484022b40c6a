"""The teacher GAT alone under each sampling strategy: F1 and AUROC by scenario over several seeds.

    canids ingest dataset=hcrl_sa … && canids synthesise … && canids graphs …
    python benchmarks/sampling_strategies.py dataset=hcrl_sa [KEY=VALUE]... [--seeds 1 2 3] [--strategies none focal …]

Thresholds come from validation, as in the workflow. A strategy's rows are added to
``results/<dataset>/experiments/sampling/table.csv`` when its training is done; a run that is started again goes on with
those that are missing, and the table is printed at the end.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from omegaconf import DictConfig

from canids import artifacts
from canids.config import load_config
from canids.evaluation.metrics import window_metrics
from canids.evaluation.thresholds import logit, operating_point
from canids.fusion.cascade_calibration import fit_calibration
from canids.fusion.states import FusionStates, fusion_states
from canids.graphs.store import load_store
from canids.progress import log_to_console
from canids.training.model_folder import load_gat, load_vgae
from canids.training.modes import AutoencoderTrainer, gat_trainer

VARIANTS = {
    "none": ["none"],
    "class-weighted": ["class-weighted"],
    "focal": ["focal"],
    "undersampling-random-4": ["undersampling-random", "undersampling.ratio=4"],
    "undersampling-random-1": ["undersampling-random", "undersampling.ratio=1"],
    "undersampling-vgae-4": ["undersampling-vgae", "undersampling.ratio=4"],
    "undersampling-vgae-1": ["undersampling-vgae", "undersampling.ratio=1"],
    "curriculum-random": ["curriculum-random"],
    "curriculum-vgae": ["curriculum-vgae"],
}
KEYS = ["strategy", "seed"]


def run(config: DictConfig, overrides: list[str], folder: Path, strategy: str, seed: int) -> list[dict[str, Any]]:
    """Train one strategy with one seed (and the seed's VGAE, if need be); its rows, one a scenario."""
    name, *more = VARIANTS[strategy]
    settings = load_config(
        Path("config"), [*overrides, f"models.gat.sampling={name}", *(f"models.gat.{each}" for each in more)]
    )
    graphs = Path(artifacts.GRAPHS.format(results=config.results, dataset=config.dataset.name))
    vgae, gat = folder / f"seed-{seed}" / "vgae-teacher", folder / strategy / f"seed-{seed}" / "gat-teacher"
    if not (vgae / "model.safetensors").exists():
        AutoencoderTrainer(settings.models.vgae, settings.trainer, seed, "teacher", graphs, vgae).train()
    trained = gat_trainer(settings.models.gat, settings.trainer, seed, graphs, gat, vgae).train()
    present = [s for s in config.dataset.test if (graphs / f"{s}.safetensors").exists()]
    train, val, *tests = (load_store(graphs / f"{part}.safetensors") for part in ("train", "val", *present))
    models = load_vgae(vgae), load_gat(gat)
    calibration = fit_calibration(*models, train, val, config.calibration.false_alarms)
    states = fusion_states(*models, [val, *tests], calibration)
    facts = {key: trained[key] for key in ("best_epoch", "epochs", "training_seconds", "val_auroc")}
    return [
        {"strategy": strategy, "seed": seed, "scenario": scenario, **facts, **metrics}
        for scenario, metrics in by_scenario(states, config.evaluation.tolerance).items()
    ]


def by_scenario(states: FusionStates, tolerance: float) -> dict[str, dict[str, Any]]:
    """The GAT's metrics in each test scenario, at the threshold that validation sets."""
    score, calibrate, test = logit(states.gat), states.of_role("calibrate"), states.of_role("test")
    threshold = max(operating_point(score[calibrate], states.label[calibrate], tolerance), 0.0)
    scenario = np.array([name.split("/")[0] for name in states.captures])[states.capture]
    return {
        str(each): window_metrics(states.label[rows], score[rows], score[rows] > threshold)
        for each in np.unique(scenario[test])
        for rows in [test & (scenario == each)]
    }


def markdown(rows: pd.DataFrame, metric: str) -> str:
    """Strategies by scenarios: the mean over seeds, and from the least to the most."""
    groups = rows.groupby(["strategy", "scenario"], sort=False)[metric].agg(["mean", "min", "max"])
    text = groups.apply(lambda g: f"{g['mean']:.4f} ({g['min']:.4f} to {g['max']:.4f})", axis=1).unstack("scenario")
    text = text.reindex([each for each in VARIANTS if each in text.index])
    head = ["strategy", *(name.split("_")[0] + "_" + name.split("_")[1] for name in text.columns)]
    lines = [head, ["---"] * len(head), *([name, *cells] for name, *cells in text.itertuples())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings, as for canids")
    parser.add_argument("--seeds", nargs="*", type=int, default=[1, 2, 3])
    parser.add_argument("--strategies", nargs="*", choices=VARIANTS, default=list(VARIANTS))
    asked = parser.parse_args()
    log_to_console()
    torch.set_num_threads(1)
    config = load_config(Path("config"), asked.overrides)
    folder = Path(config.results) / config.dataset.name / "experiments" / "sampling"
    path = folder / "table.csv"
    rows = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=KEYS)
    for seed in asked.seeds:
        for strategy in asked.strategies:
            if not ((rows["strategy"] == strategy) & (rows["seed"] == seed)).any():
                rows = pd.concat([rows, pd.DataFrame(run(config, asked.overrides, folder, strategy, seed))])
                artifacts.write_text(path, rows.to_csv(index=False))
    for metric in ("f1", "auroc", "false_positive_rate"):
        print(f"\n{metric}, {rows['seed'].nunique()} seeds: mean (least to most)\n\n{markdown(rows, metric)}")


if __name__ == "__main__":
    main()
