"""The workflow through profiles/slurm on a real scheduler: a job a stage, GPUs where they belong."""

import re
from collections import Counter
from itertools import pairwise

import pytest

GPU_STAGES = {
    "train_vgae": 1, "distill_vgae": 1, "train_gat": 1, "distill_gat": 1, "fusion_states": 2, "train_fusion": 2,
}  # fmt: skip
CPU_STAGES = {
    "simulate": 1, "graphs": 1, "baselines": 1, "evaluate_scale": 2, "explain": 1, "summary": 1, "report": 1,
}  # fmt: skip
GROUPS = {"small-ingest": 1, "small-synthesis": 1}


def test_every_stage_ran_as_a_job_of_its_own_and_small_ones_in_groups(finished):
    assert Counter(job.rule for job in finished.jobs) == {**GPU_STAGES, **CPU_STAGES, **GROUPS}
    assert {job.state for job in finished.jobs} == {"COMPLETED"}


def test_the_jobs_that_snakemake_submitted_are_those_that_slurm_ran(finished):
    submitted = {int(number) for number in re.findall(r"submitted with SLURM jobid (\d+)", finished.said)}
    assert submitted == {job.number for job in finished.jobs}


@pytest.mark.parametrize(("rules", "gpus"), [(GPU_STAGES, 1), ({**CPU_STAGES, **GROUPS}, 0)])
def test_gpu_stages_ask_for_one_gpu_and_others_for_none(finished, rules, gpus):
    assert {job.rule: job.gpus for job in finished.jobs if job.rule in rules} == dict.fromkeys(rules, gpus)


def test_no_two_jobs_shared_the_gpu(finished):
    times = sorted(job.running_time for job in finished.jobs if job.gpus)
    assert len(times) == sum(GPU_STAGES.values())
    for (_, end), (start, _) in pairwise(times):
        assert start >= end


def test_memory_and_time_are_what_the_rules_ask_for_by_the_size_of_their_inputs(finished):
    asked = {job.rule: (job.facts["MinMemoryNode"], job.facts["TimeLimit"]) for job in finished.jobs}
    stores = [finished.workflow.results("demo", "graphs", f"{part}.safetensors") for part in ("train", "val")]
    megabytes = sum(path.stat().st_size for path in stores) / 1e6
    memory, (hours, minutes, _) = asked["train_gat"][0], map(int, asked["train_gat"][1].split(":"))
    assert memory.endswith("M") and int(memory[:-1]) >= 4000 + round(6 * megabytes)
    assert 60 * hours + minutes >= 240 + round(0.1 * megabytes)
    assert asked["report"] == ("2000M", "00:30:00")


def test_everything_is_there_and_nothing_half_written(finished):
    assert finished.workflow.results("demo", "report.html").is_file()
    assert finished.workflow.half_written() == []
    assert finished.workflow.planned() == {}


def test_jobs_computed_with_the_settings_of_the_start(finished):
    folder = finished.workflow.results("demo", "seed-1", "vgae-teacher")
    assert "epochs: 40" in (folder / "config.yaml").read_text()
