"""The whole workflow, from log files to the report."""

import csv
import json
import pickle
import subprocess
import sys
import zipfile

import polars as pl
import pytest
from safetensors import safe_open

MODELS = [f"{model}-{scale}" for model in ("vgae", "gat", "fusion") for scale in ("teacher", "student")]


def metrics(workflow, dataset, scale="student"):
    return json.loads(workflow.results(dataset, "seed-1", f"evaluation-{scale}", "metrics.json").read_text())


def row(workflow, dataset, scenario, detector, scale="student"):
    table = metrics(workflow, dataset, scale)["table"]
    return next(
        r for r in table if r["scenario"].startswith(scenario) and r["capture"] == "all" and r["detector"] == detector
    )


@pytest.mark.parametrize("model", MODELS)
def test_each_model_is_a_folder_of_state_dict_config_metrics_and_history(demo, model):
    folder = demo.results("demo", "seed-1", model)
    with safe_open(folder / "model.safetensors", framework="pt") as state:
        assert len(list(state.keys())) > 0
    assert json.loads((folder / "metrics.json").read_text())["model"]["parameters"] > 0
    assert f"scale: {model.split('-')[1]}" in (folder / "config.yaml").read_text()
    assert len(list(csv.DictReader((folder / "history.csv").open()))) > 1


def test_no_artifact_is_or_holds_a_pickle(demo):
    artifacts = [path for path in demo.results().rglob("*") if path.is_file()]
    assert len(artifacts) > 50
    for path in artifacts:
        content = path.read_bytes()
        # What torch.save writes is a ZIP file of pickles; both name the functions that rebuild what they hold.
        assert not zipfile.is_zipfile(path) and b"_rebuild_tensor" not in content, path
        with pytest.raises((pickle.UnpicklingError, ValueError, EOFError, KeyError, IndexError, AttributeError)):
            Nothing(path.open("rb")).load()


class Nothing(pickle.Unpickler):
    """Reads pickles, but nothing that has to be imported."""

    def find_class(self, module, name):
        pytest.fail(f"a pickle that imports {module}.{name}")


def test_every_tensor_is_read_by_safetensors_alone(demo):
    """By a process that has no torch."""
    paths = sorted(map(str, demo.results().rglob("*.safetensors")))
    assert len(paths) > 10
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from safetensors.numpy import load_file\n"
        "assert all(load_file(path) for path in sys.argv[1:])"
    )
    done = subprocess.run([sys.executable, "-c", program, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("scale", ["teacher", "student"])
def test_gat_ranks_known_attacks_on_known_vehicles_far_above_chance(demo, scale):
    assert row(demo, "demo", "test_01", "gat", scale)["auroc"] > 0.95


def test_vgae_ranks_known_attacks_far_above_chance_without_a_label(demo):
    assert row(demo, "demo", "test_01", "vgae")["auroc"] > 0.8


def test_fusion_detects_known_attacks_on_a_vehicle_never_seen(demo):
    assert row(demo, "demo", "test_02", "fusion")["auroc"] > 0.9


def test_students_have_at_most_a_fifth_of_their_teachers_parameters_by_default(tmp_path):
    from pathlib import Path

    from canids.config import load_config
    from canids.models.build import build_gat, build_vgae
    from canids.training.model_manager import ModelManager

    config = load_config(Path(__file__).parents[2] / "config")
    for build, settings in ((build_vgae, config.models.vgae), (build_gat, config.models.gat)):
        teacher, student = (
            ModelManager.get_model_info(build(settings, s))["parameters"] for s in ("teacher", "student")
        )
        assert student <= teacher / 5


def test_every_window_of_every_test_capture_is_scored(demo):
    graphs = json.loads(demo.results("demo", "graphs", "graphs.json").read_text())
    wanted = {name: each["windows"] for name, each in graphs["captures"].items() if "test" in each["windows_by_role"]}
    scores = pl.read_parquet(demo.results("demo", "seed-1", "evaluation-student", "scores.parquet"))
    counted = scores.filter(pl.col("role") == "test").group_by("scenario", "capture").len()
    assert {f"{s}/{c}": n for s, c, n in counted.iter_rows()} == wanted


def test_suppression_is_judged_though_no_frame_is_labelled(demo):
    suppressed = row(demo, "demo", "test_05", "fusion")
    assert suppressed["attacked"] > 0
    assert suppressed["auroc"] is not None


def test_a_repeated_capture_is_counted_once(demo):
    graphs = json.loads(demo.results("demo", "graphs", "graphs.json").read_text())
    assert (
        graphs["repeated_captures"]["train_02_with_attacks/attack-free-alpha"]
        == "train_01_attack_free/attack-free-alpha"
    )


def test_an_attacked_copy_has_its_recordings_role_at_each_time(demo):
    graphs = json.loads(demo.results("demo", "graphs", "graphs.json").read_text())
    copies = [name for name in graphs["captures"] if name.startswith("synthesised/")]
    assert copies
    for name in copies:
        assert {"train", "select", "fuse", "calibrate"} <= set(graphs["captures"][name]["windows_by_role"])


def test_report_is_one_page_that_needs_no_network(demo):
    page = demo.results("demo", "report.html").read_text()
    assert "test_02_unknown_vehicle_known_attack" in page
    assert 'src="http' not in page
    assert '<link rel="stylesheet" href="http' not in page


def test_thresholds_do_not_depend_on_test_windows(demo, tmp_path):
    from omegaconf import OmegaConf

    from canids.evaluation.evaluate import evaluate
    from canids.fusion.states import load_states, save_states
    from canids.schema import Evaluation

    fusion = demo.results("demo", "seed-1", "fusion-student")
    states = load_states(fusion / "states.safetensors")
    states.vgae[states.of_role("test")] = 0.5
    states.gat[states.of_role("test")] = 0.99
    save_states(tmp_path / "states.safetensors", states)
    settings = OmegaConf.structured(Evaluation(tolerance=metrics(demo, "demo")["tolerance"]))
    graphs = demo.results("demo", "graphs", "graphs.json")
    changed = evaluate(tmp_path / "states.safetensors", fusion, graphs, settings, tmp_path)
    assert changed["thresholds"] == pytest.approx(metrics(demo, "demo")["thresholds"])


@pytest.mark.parametrize("scenario", ["test_01", "test_02", "test_03", "test_04"])
def test_real_captures_are_ranked_far_above_chance_in_every_scenario(real, scenario):
    assert row(real, "hcrl_sa", scenario, "gat")["auroc"] > 0.9


def test_real_ingest_reads_every_line(real):
    record = json.loads(real.results("hcrl_sa", "frames", "train_02_with_attacks", "DoS-kia.json").read_text())
    assert (record["lines"], record["frames"], record["rejected"]) == (181901, 181901, {})
