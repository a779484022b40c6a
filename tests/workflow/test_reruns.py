"""What is run again after what: the tables of docs/reliability.md, row by row, and what they rest on."""

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from snakemake_runs import REPOSITORY

from canids import provenance
from canids.status import DONE, job_statuses

PAGE = (REPOSITORY / "docs" / "reliability.md").read_text()
ROWS = re.findall(r"^\| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)
FROM = {name.removeprefix("from "): jobs for name, jobs in ROWS if name.startswith("from `")}
SETTINGS = [(name.strip("`"), jobs) for name, jobs in ROWS if "=" in name and name.startswith("`")]
CODE = [(name.strip("`"), jobs) for name, jobs in ROWS if name.startswith("`src/")]
STUDENT = {"fusion_states": 1, "train_fusion": 1, "evaluate_scale": 1, "explain": 1, "summary": 1, "report": 1}
BOTH = {"fusion_states": 2, "train_fusion": 2, "evaluate_scale": 2, "explain": 1, "summary": 1, "report": 1}
OTHER_VGAE = "models.vgae.teacher.epochs=5"
TRAINING = {"train_vgae": 1, "train_gat": 1, "distill_vgae": 1, "distill_gat": 1}


def jobs_of(row: str) -> Counter:
    """What a row says, as counts: nothing, or what the page's first table has behind the stages that it names."""
    jobs = Counter()
    for stage in re.findall(r"`\w+`", row):
        pairs = (each.split() for each in FROM[stage].split(", "))
        jobs |= Counter({rule: int(count) for count, rule in pairs})
    return jobs


@pytest.fixture
def reruns(demo, monkeypatch):
    """The jobs that would run in the demo's folder with other settings, or other code, by rule."""
    monkeypatch.chdir(demo.folder)

    def plan(*settings: str) -> Counter:
        statuses = job_statuses(REPOSITORY / "Snakefile", [*demo.settings.split(), *settings])
        return Counter(each.rule for each in statuses if each.state != DONE)

    return plan


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """A copy of the package, to edit."""
    folder = tmp_path_factory.mktemp("code") / "canids"
    return shutil.copytree(provenance.PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))


def test_the_page_has_its_tables():
    assert len(SETTINGS) > 20
    assert len(CODE) > 10


def test_after_a_full_run_there_is_nothing_to_do(demo):
    assert demo.planned() == {}


@pytest.mark.parametrize(
    "arguments", [("--cores", "1"), ("--resources", "gpu=1"), ("--set-resources", "train_gat:mem_mb=9000")]
)
def test_where_and_how_jobs_run_reruns_nothing(demo, arguments):
    assert demo.planned(*arguments) == {}


@pytest.mark.parametrize(("setting", "jobs"), SETTINGS)
def test_a_changed_setting_reruns_the_stages_that_read_it_and_what_depends_on_them(reruns, setting, jobs):
    assert reruns(setting) == jobs_of(jobs)


@pytest.mark.parametrize(("module", "jobs"), CODE)
def test_changed_code_reruns_the_stages_that_import_it_and_what_depends_on_them(
    reruns, package, monkeypatch, module, jobs
):
    monkeypatch.setattr(provenance, "PACKAGE", package)
    path = package / Path(module).relative_to("src/canids")
    before = path.read_text()
    path.write_text(before + "\n# edited\n")
    try:
        assert reruns() == jobs_of(jobs)
    finally:
        path.write_text(before)


def test_a_dry_run_lists_what_the_tables_say(demo):
    assert demo.planned(settings="models.gat.student.epochs=5") == {"distill_gat": 1, **STUDENT}


@pytest.mark.parametrize(
    ("strategy", "jobs"),
    [("undersampling-vgae", {"train_vgae": 1, "train_gat": 1}), ("undersampling-random", {"train_gat": 1})],
)
def test_the_teacher_gat_waits_for_a_vgae_only_where_its_sampling_strategy_asks_one(demo, strategy, jobs):
    model = str(demo.results("demo", "seed-1", "gat-teacher", "model.safetensors").relative_to(demo.folder))
    assert demo.needed(model, settings=f"{OTHER_VGAE} models.gat.sampling={strategy}") == jobs


def test_forced_fusion_reruns_fusion_evaluation_and_report(demo):
    assert demo.planned("--forcerun", "train_fusion") == {
        "train_fusion": 2,
        "evaluate_scale": 2,
        "explain": 1,
        "summary": 1,
        "report": 1,
    }


def test_a_deleted_frame_table_is_ingested_again_and_nothing_else(demo_copy):
    table = demo_copy.results("demo", "frames", "test_03_known_vehicle_unknown_attack", "replay-alpha.parquet")
    before = table.read_bytes()
    table.unlink()
    assert demo_copy.needed() == {"ingest": 1}
    assert demo_copy.snakemake().returncode == 0
    assert table.read_bytes() == before
    assert demo_copy.needed() == {}


def test_a_deleted_fingerprint_is_made_again_and_nothing_else(demo_copy):
    frames = demo_copy.results("demo", "frames", "test_03_known_vehicle_unknown_attack")
    (frames / "replay-alpha.fingerprint.safetensors").unlink()
    assert demo_copy.needed() == {"ingest": 1}


def test_a_changed_log_file_is_ingested_and_everything_behind_it_runs_again(demo_copy):
    log = demo_copy.folder / "data" / "demo" / "test_06_masquerade" / "masquerade-alpha.csv"
    log.write_text(log.read_text() + "99.0,123,00,0\n")
    assert demo_copy.needed() == {"ingest": 1, "graphs": 1, "baselines": 1, **TRAINING, **BOTH}


@pytest.mark.parametrize(
    ("target", "jobs"),
    [
        ("train", {"fusion_states": 2, "train_fusion": 2, **TRAINING}),
        ("evaluate", {"fusion_states": 2, "train_fusion": 2, "evaluate_scale": 2, "summary": 1, **TRAINING}),
        ("report", {**TRAINING, **BOTH}),
    ],
)
def test_named_targets_make_what_their_name_says(demo, target, jobs):
    assert demo.needed(target, settings=OTHER_VGAE) == jobs
