"""What each stage costs per million frames, and how that grows: the tables of docs/scaling.md, made again.

    python benchmarks/scaling.py DATA_ROOT/hcrl_sa WORK_FOLDER [FACTOR[:TARGET] ...]

Each capture of the dataset is repeated FACTOR times (its times shifted), and the workflow is run on what comes of it,
up to a TARGET (default: the whole evaluation). Figures are those of the jobs' records (provenance/): CPU seconds, which
other work on the machine changes little, and the peak memory of a job. (Snakemake's benchmark files sample both, and
miss what comes after the last sample.) Disk is what lies in the stage's folder. Trainings run for two epochs, and their
figures are for one. What is in the work folder already is not made again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import polars as pl

REPOSITORY = Path(__file__).parents[1]
DEFAULT = ("1", *(f"{factor}:results/hcrl_sa/graphs/graphs.json" for factor in (4, 16, 64)))
EPOCHS = 2
FLEET = 1e6  # million frames of a fleet's corpus
SETTINGS = (
    f"models.vgae.teacher.epochs={EPOCHS} models.vgae.student.epochs={EPOCHS} models.gat.teacher.epochs={EPOCHS} "
    f"models.gat.student.epochs={EPOCHS} models.vgae.epoch_windows=1000000000 models.gat.epoch_windows=1000000000 "
    "training_data=labelled trainer.accelerator=cpu"
)
TRAININGS = ("train_vgae", "distill_vgae", "train_gat", "distill_gat")
DISK = {
    "ingest": "frames", "graphs": "graphs", "fusion_states-student": "seed-1/fusion-student/states.safetensors",
    "evaluate_scale-student": "seed-1/evaluation-student", "baselines": "seed-1/baselines",
}  # fmt: skip


def repeated(source: Path, factor: int, out: Path) -> None:
    """Write a capture over and over, each time later."""
    strings = {"arbitration_id": pl.String, "data_field": pl.String}
    capture = pl.read_csv(source, schema_overrides=strings)
    span = capture["timestamp"].max() - capture["timestamp"].min() + 0.001
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("wb") as file:
        for copy in range(factor):
            shifted = capture.with_columns(pl.col("timestamp") + copy * span)
            shifted.write_csv(file, include_header=copy == 0, float_precision=6)


def run(dataset: Path, work: Path, factor: int, target: str) -> Path:
    """The dataset's results folder after the workflow ran on so many times the dataset."""
    folder = work / f"times-{factor}"
    for source in sorted(dataset.glob("*/*.csv*")):
        out = folder / "data" / "hcrl_sa" / source.parent.name / source.name.removesuffix(".gz")
        if not out.exists():
            repeated(source, factor, out)
    subprocess.run(
        [sys.executable, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile", "--directory", folder, target,
         "--cores", "2", "--resources", "gpu=2", "--quiet", "all", "--rerun-triggers", "mtime",
         "--config", "dataset=hcrl_sa", f"data_root={folder.absolute() / 'data'}", f"set={SETTINGS}"],
        check=True,
    )  # fmt: skip
    return folder / "results" / "hcrl_sa"


def stage_of(record: dict) -> str:
    """Rule of a job, and scale where there are two."""
    scale = record["of"].get("scale")
    return f"{record['rule']}-{scale}" if scale else record["rule"]


def size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    return sum(each.stat().st_size for each in ([path] if path.is_file() else path.rglob("*")) if each.is_file())


def costs(results: Path) -> tuple[float, dict[str, dict[str, float]]]:
    """Million frames of a run, and of each stage its CPU seconds, the peak memory of a job, and its files (MB)."""
    frames = sum(json.loads(path.read_text())["frames"] for path in results.glob("frames/*/*.json")) / 1e6
    stages: dict[str, dict[str, float]] = defaultdict(lambda: {"cpu": 0.0, "memory": 0.0, "disk": 0.0})
    for path in sorted((results / "provenance").rglob("*.json")):
        record = json.loads(path.read_text())
        stage = stages[stage_of(record)]
        stage["cpu"] += record["cpu_seconds"] / (EPOCHS if record["rule"] in TRAININGS else 1)
        stage["memory"] = max(stage["memory"], record["peak_memory_mb"])
    for name in stages:
        if name in DISK:
            stages[name]["disk"] = size(results / DISK[name]) / 1e6
    return frames, stages


def growth(measured: list[tuple[str, float, dict]], name: str) -> tuple[str, dict[str, float]]:
    """What a million frames more cost a stage: between its two largest runs, so that no start-up counts.

    Of a stage that one run alone has, what a million frames cost it: at most as much as a million more (``"≤ "``).
    """
    runs = [(frames, stages[name]) for _, frames, stages in measured if name in stages]
    if len(runs) < 2:
        return "≤ ", {key: value / runs[0][0] for key, value in runs[0][1].items()}
    (few, small), (many, large) = runs[-2:]
    return "", {key: (large[key] - small[key]) / (many - few) for key in small}


def print_growth(measured: list[tuple[str, float, dict]]) -> None:
    """A table of what a million frames more cost, and of what so many take in all (CPU years, and disk)."""
    print("\n| stage | CPU s | peak memory, MB | disk, MB | 10^12 frames: core years | disk, TB |")
    print("|---" * 6 + "|")
    for name in measured[0][2]:
        most, more = growth(measured, name)
        years = more["cpu"] * FLEET / (3600 * 24 * 365.25)
        print(
            f"| {name} | {most}{more['cpu']:.2f} | {most}{more['memory']:.0f} | {more['disk']:.1f} | {most}{years:.2f} "
            f"| {more['disk'] * FLEET / 1e6:.1f} |"
        )


def main() -> None:
    dataset, work = Path(sys.argv[1]), Path(sys.argv[2])
    measured = []
    for word in sys.argv[3:] or DEFAULT:
        factor, _, target = word.partition(":")
        measured.append((factor, *costs(run(dataset, work, int(factor), target or "evaluate"))))
    print("| | " + " | ".join(f"{factor}x: {frames:.1f} M frames" for factor, frames, _ in measured) + " |")
    print("|---" * (len(measured) + 1) + "|")
    for name in measured[0][2]:
        cells = [
            f"{each[name]['cpu']:.1f} s, {each[name]['memory']:.0f} MB, {each[name]['disk']:.1f} MB"
            if name in each
            else ""
            for _, _, each in measured
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print_growth(measured)


if __name__ == "__main__":
    main()
