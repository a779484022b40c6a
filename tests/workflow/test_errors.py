"""What bad input gets: one clear message, no traceback, nothing half-written."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def canids(*arguments, folder=REPOSITORY):
    command = [sys.executable, "-c", "from canids.cli import main; main()", *arguments]
    if folder != REPOSITORY:
        command += ["--config-folder", str(REPOSITORY / "config")]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (("dataset=nonsense",), ["unknown dataset 'nonsense'", "demo", "hcrl_sa"]),
        (("dataset=hcrl_sa",), ["data/hcrl_sa", "is missing", "data_root"]),
        (("sedes=[1]",), ["sedes: unknown setting", "nearest known: seeds"]),
    ],
)
def test_workflow_stops_before_any_job_with_one_message_and_code_2(demo, config, words):
    done = demo.snakemake("--dry-run", config=config)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("models.gat.lrr=1", ["models.gat.lrr: unknown setting (given 1)", "nearest known: models.gat.lr"]),
        ("fusion.gamma=2", ["fusion.gamma: given 2.0, allowed: 0 to 0.999"]),
        ("seeds=[a]", ["seeds[0]: given 'a', allowed: list[int]"]),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_given_and_what_is_allowed(demo, setting, words):
    done = demo.snakemake("--dry-run", settings=setting)
    assert done.returncode == 2
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "gat", "models.gat.lrr=1"),
        ("ingest", "dataset=nonsense"),
        ("ingest", "dataset=hcrl_sa", "data_root=nowhere"),
        ("evaluate", "results=nowhere"),
        ("simulate", "dataset=hcrl_sa"),
        ("train", "gat", "results=nowhere"),
    ],
)
def test_cli_ends_with_code_2_and_one_message(arguments):
    done = canids(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.count("canids: ") == 1


@pytest.fixture
def workshop(demo, tmp_path):
    """A folder with the demo's log files alone."""
    shutil.copytree(demo.folder / "data", tmp_path / "data")
    return tmp_path


LOG = Path("data/demo/test_01_known_vehicle_known_attack/DoS-bravo.csv")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["DoS-bravo.csv", "the file is empty"]),
        ("timestamp,foo,bar,attack\n1,2,3,0\n", ["DoS-bravo.csv", "missing columns arbitration_id, data_field"]),
    ],
)
def test_an_unusable_log_file_is_named_with_the_reason_and_leaves_nothing_behind(workshop, text, words):
    (workshop / LOG).write_text(text)
    done = canids("ingest", folder=workshop)
    assert done.returncode == 2
    for word in words:
        assert word in done.stderr
    assert not list((workshop / "results").rglob("*DoS-bravo*"))


def test_strict_stops_at_a_bad_line_with_file_and_line(workshop):
    lines = (workshop / LOG).read_text().splitlines()
    lines[41] = lines[41].replace(",", ",XYZ", 1)
    (workshop / LOG).write_text("\n".join(lines))
    done = canids("ingest", "strict=true", folder=workshop)
    assert done.returncode == 2
    assert "DoS-bravo.csv, line 42: ID not hexadecimal" in done.stderr


def test_a_failed_job_ends_in_its_message_and_leaves_no_output(demo_copy):
    (demo_copy.folder / LOG).write_text("timestamp,arbitration_id,data_field,attack\nx,y,z,w\n")
    done = demo_copy.snakemake("--keep-going")
    assert done.returncode == 1
    assert "no usable frame among 1 lines (1 × unreadable timestamp)" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    log = demo_copy.results("demo", "logs", "ingest", LOG.parent.name, "DoS-bravo.log").read_text()
    assert "no usable frame" in log.splitlines()[-1]
    assert not demo_copy.results("demo", "frames", LOG.parent.name, "DoS-bravo.parquet").exists()


def test_a_state_dict_of_another_architecture_names_the_first_tensor_that_differs(demo_copy):
    folder = demo_copy.results("demo", "seed-1")
    shutil.copy(folder / "gat-teacher" / "model.safetensors", folder / "gat-student" / "model.safetensors")
    done = canids("fusion-states", folder=demo_copy.folder)
    assert done.returncode == 2
    assert "gat-student/model.safetensors: the state dict is of another architecture: encoder.project" in done.stderr
    assert "has shape" in done.stderr
