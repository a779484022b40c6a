"""The summary of all evaluations, the comparisons with the fusion, and the table for papers."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from canids.artifacts import write_json
from canids.errors import ArtifactError
from canids.evaluation.judge import judge
from canids.evaluation.summary import summarise
from canids.report import detection_table, paper_table

SPAN = {"start": 50.0, "end": 100.0, "first_frame": 5000, "injected": 9, "kind": "DoS"}
GRAPHS = {
    "captures": {
        "test_a/one": {"recording": "r", "attack_spans": [SPAN]},
        "test_a/two": {"recording": "r", "attack_spans": [SPAN]},
        "test_quiet/three": {"recording": "s", "attack_spans": []},
    }
}


def evaluation(folder: Path, scale: str, seed: int, **wrong: int) -> Path:
    """100 windows a capture, attacked from the 50th on; each detector misses so many of the attacked ones."""
    parts = []
    for key in GRAPHS["captures"]:
        scenario, capture = key.split("/")
        label = (np.arange(100) >= 50).astype(int) * (scenario == "test_a")
        scores = {name: np.where(label & (np.arange(100) >= 50 + n), 3.0, -3.0) for name, n in wrong.items()}
        parts.append(
            pl.DataFrame(
                {
                    "scenario": scenario, "capture": capture, "role": "test", "position": np.arange(100),
                    "last_frame": 100 * np.arange(100) + 99, "start": np.arange(100.0), "end": np.arange(1.0, 101),
                    "label": label, "attack_type": np.where(label == 1, "DoS", "attack-free"), **scores,
                    **{f"{name}_alarm": score > 0 for name, score in scores.items()},
                }
            )
        )  # fmt: skip
    scores = pl.concat(parts)
    facts = {"scale": scale, "seed": seed, "tolerance": 0.02, "thresholds": dict.fromkeys(wrong, 0.0)}
    write_json(folder / "metrics.json", {**facts, **judge(scores, tuple(wrong), GRAPHS)})
    scores.write_parquet(folder / "scores.parquet")
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> list[Path]:
    root = tmp_path_factory.mktemp("summary")
    write_json(root / "graphs.json", GRAPHS)
    return [
        each
        for seed in (1, 2)
        for each in (
            evaluation(root / f"student-{seed}", "student", seed, gat=5, fusion=10 * seed),
            evaluation(root / f"baselines-{seed}", "baseline", seed, lightgbm=2),
        )
    ]


@pytest.fixture(scope="module")
def written(folders) -> tuple[pl.DataFrame, pl.DataFrame]:
    root = folders[0].parent
    paths = root / "summary.csv", root / "comparisons.csv"
    summarise(folders, root / "graphs.json", "made", "both", *paths)
    return tuple(pl.read_csv(path) for path in paths)


class TestSummary:
    def test_the_keys_come_first(self, written):
        assert written[0].columns[:6] == ["dataset", "scenario", "model", "scale", "training_data", "seed"]

    def test_there_is_a_row_for_each_scenario_model_and_seed(self, written):
        keys = written[0].select("scenario", "model", "scale", "seed").rows()
        assert len(keys) == len(set(keys)) == 2 * 3 * 2

    def test_what_is_undefined_is_empty(self, written):
        quiet = written[0].filter(pl.col("scenario") == "test_quiet")
        assert quiet["f1"].null_count() == len(quiet)

    def test_counts_are_over_all_captures_of_the_scenario(self, written):
        row = written[0].filter(pl.col("scenario") == "test_a", pl.col("model") == "lightgbm", pl.col("seed") == 1)
        assert row.select("windows", "attacked", "fn", "bursts").row(0) == (200, 100, 4, 2)


class TestComparisons:
    def test_the_fusion_is_compared_with_its_scale_and_the_baselines(self, written):
        assert written[1].select("scenario", "other_scale", "other").rows() == [
            ("test_a", "student", "gat"),
            ("test_a", "baseline", "lightgbm"),
        ]

    def test_the_difference_is_of_the_means_over_seeds(self, written):
        f1 = written[0].filter(pl.col("scenario") == "test_a").group_by("model").agg(pl.col("f1").mean())
        f1 = dict(f1.rows())
        assert written[1]["f1_difference"].to_list() == pytest.approx(
            [f1["fusion"] - f1["gat"], f1["fusion"] - f1["lightgbm"]]
        )

    def test_a_lag_has_an_interval_below_zero_or_at_it(self, written):
        assert (written[1]["high"] <= 0).all()

    def test_evaluations_of_other_windows_are_refused(self, folders, tmp_path):
        other = evaluation(tmp_path / "other", "student", 3, gat=5, fusion=1)
        scores = pl.read_parquet(other / "scores.parquet").head(250)
        scores.write_parquet(other / "scores.parquet")
        paths = tmp_path / "summary.csv", tmp_path / "comparisons.csv"
        with pytest.raises(ArtifactError, match=r"other/scores\.parquet: other windows than in .*student-1"):
            summarise([*folders, other], folders[0].parent / "graphs.json", "made", "both", *paths)


class TestPaperTable:
    def test_markdown_shows_mean_interval_and_errors(self, folders):
        lines = paper_table(detection_table(folders), "made", "md").splitlines()
        row = next(line for line in lines if "Fusion" in line)
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        f1 = [2 * (100 - 2 * n) / (200 - 2 * n) for n in (10, 20)]
        reach = 12.7062 * abs(f1[0] - f1[1]) / 2
        assert cells[:6] == ["test_a", "student", "Fusion", f"{np.mean(f1):.4f} ± {reach:.4f}", "30", "0 + 30"]

    def test_latex_escapes_names(self, folders):
        table = paper_table(detection_table(folders), "made", "latex")
        assert r"test\_a" in table
        assert table.startswith(r"\begin{tabular}")

    def test_figures_of_others_are_marked_and_say_where_they_stand(self, folders):
        table = paper_table(detection_table(folders), "hcrl_sa", "md")
        assert "| published" in table
        assert "under others' protocol" in table

    def test_a_dataset_of_ones_own_has_none(self, folders):
        assert "published" not in paper_table(detection_table(folders), "made", "md")
