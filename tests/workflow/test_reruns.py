"""What is run again after what: inputs, outputs and params are exact."""

import pytest


def test_after_a_full_run_there_is_nothing_to_do(demo):
    assert demo.planned() == {}


def test_number_of_cores_reruns_nothing(demo):
    assert demo.planned("--cores", "1") == {}


STUDENT = {"fusion_states": 1, "train_fusion": 1, "evaluate_scale": 1, "explain": 1, "summary": 1, "report": 1}
BOTH = {"fusion_states": 2, "train_fusion": 2, "evaluate_scale": 2, "explain": 1, "summary": 1, "report": 1}
TRAINING = {"train_vgae": 1, "train_gat": 1, "distill_vgae": 1, "distill_gat": 1}


@pytest.mark.parametrize(
    ("setting", "jobs"),
    [
        ("models.gat.student.epochs=5", {"distill_gat": 1, **STUDENT}),
        ("models.gat.distillation.temperature=2", {"distill_gat": 1, **STUDENT}),
        ("models.vgae.student.latent=6", {"distill_vgae": 1, **STUDENT}),
        ("models.gat.curriculum.refresh=2", {"train_gat": 1, "distill_gat": 1, **BOTH}),
        ("models.gat.focal.gamma=1", {}),
        ("models.gat.sampling=focal", {"train_gat": 1, "distill_gat": 1, **BOTH}),
        ("models.vgae.beta=0.02", {**TRAINING, **BOTH}),
        ("models.gat.node_budget=auto", {"batch_size": 2, "train_gat": 1, "distill_gat": 1, **BOTH}),
        ("batch_size.safety=0.4", {}),
        ("fusion.gamma=0.8", {"train_fusion": 2, "evaluate_scale": 2, "explain": 1, "summary": 1, "report": 1}),
        ("evaluation.tolerance=0.01", {"evaluate_scale": 2, "baselines": 1, "explain": 1, "summary": 1, "report": 1}),
        ("graph.block=20", {"graphs": 1, "baselines": 1, **TRAINING, **BOTH}),
    ],
)
def test_a_changed_setting_reruns_the_stages_that_read_it_and_what_depends_on_them(demo, setting, jobs):
    assert demo.planned(settings=setting) == jobs


@pytest.mark.parametrize(
    ("strategy", "jobs"),
    [("undersampling-vgae", {"train_vgae": 1, "train_gat": 1}), ("undersampling-random", {"train_gat": 1})],
)
def test_the_teacher_gat_waits_for_a_vgae_only_where_its_sampling_strategy_asks_one(demo, strategy, jobs):
    model = str(demo.results("demo", "seed-1", "gat-teacher", "model.safetensors").relative_to(demo.folder))
    assert demo.planned(model, "--forcerun", "train_vgae", settings=f"models.gat.sampling={strategy}") == jobs


def test_forced_fusion_reruns_fusion_evaluation_and_report(demo):
    assert demo.planned("--forcerun", "train_fusion") == {
        "train_fusion": 2,
        "evaluate_scale": 2,
        "summary": 1,
        "report": 1,
    }


def test_a_deleted_frame_table_is_ingested_again_and_nothing_else(demo_copy):
    table = demo_copy.results("demo", "frames", "test_03_known_vehicle_unknown_attack", "replay-alpha.parquet")
    before = table.read_bytes()
    table.unlink()
    assert demo_copy.planned() == {"ingest": 1}
    assert demo_copy.snakemake().returncode == 0
    assert table.read_bytes() == before
    assert demo_copy.planned() == {}


def test_a_changed_log_file_is_ingested_and_everything_behind_it_runs_again(demo_copy):
    log = demo_copy.folder / "data" / "demo" / "test_06_masquerade" / "masquerade-alpha.csv"
    log.write_text(log.read_text() + "99.0,123,00,0\n")
    assert demo_copy.planned() == {"ingest": 1, "graphs": 1, "baselines": 1, **TRAINING, **BOTH}


@pytest.mark.parametrize(
    ("target", "jobs"),
    [
        ("train", {"fusion_states": 2, "train_fusion": 2, **TRAINING}),
        ("evaluate", {"fusion_states": 2, "train_fusion": 2, "evaluate_scale": 2, "summary": 1, **TRAINING}),
        ("report", {**TRAINING, **BOTH}),
    ],
)
def test_named_targets_make_what_their_name_says(demo, target, jobs):
    assert demo.planned(target, "--forcerun", "train_vgae") == jobs
