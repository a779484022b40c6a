"""Faults: nothing lost, nothing half-written, and the next run ends where an undisturbed one does."""

import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import replace

import psutil
import pytest
from snakemake_runs import VGAE, digest
from test_errors import canids

FRAMES = "results/demo/frames/test_06_masquerade/masquerade-alpha.parquet"
LOG = "results/demo/logs/seed-1/train_vgae.log"


def wait_for(condition, process, timeout=120):
    """Wait for something that a running snakemake does."""
    end = time.monotonic() + timeout
    while not condition():
        assert process.poll() is None, "snakemake ended before"
        assert time.monotonic() < end
        time.sleep(0.05)


def scripts_of(folder):
    """Processes that compute a stage of a workflow's folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(f"{folder}/.snakemake/scripts/" in word for word in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture
def without_vgae(demo_copy):
    """The finished demo, less its teacher VGAE and the log of it."""
    shutil.rmtree((demo_copy.folder / VGAE).parent)
    (demo_copy.folder / LOG).unlink()
    return demo_copy


@pytest.fixture
def tmpfs(tmp_path):
    """A small file system of its own, and a way to change how it is mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    if (
        os.geteuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], check=False).returncode
    ):
        pytest.skip("no file system can be mounted here")

    def remount(options):
        subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)

    yield folder, remount
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_workflow_killed_with_9_goes_on_after_unlocking(without_vgae, demo):
    process = without_vgae.start(VGAE)
    wait_for((without_vgae.folder / LOG).exists, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    refused = without_vgae.snakemake(VGAE)
    assert refused.returncode == 1
    assert "--unlock" in refused.stderr
    # The stage that ran is an orphan now. It ends by itself, and what it writes is whole.
    for script in scripts_of(without_vgae.folder):
        script.wait(120)
    assert without_vgae.half_written() == []
    assert without_vgae.snakemake("--unlock").returncode == 0
    assert without_vgae.snakemake(VGAE).returncode == 0
    assert digest(without_vgae.folder / VGAE) == digest(demo.folder / VGAE)


def test_a_training_process_killed_with_9_fails_its_job_and_is_made_up_for_by_the_next_run(without_vgae, demo):
    process = without_vgae.start(VGAE)
    wait_for((without_vgae.folder / LOG).exists, process)
    for script in scripts_of(without_vgae.folder):
        script.kill()
    assert process.wait(120) == 1
    assert not (without_vgae.folder / VGAE).exists()
    assert without_vgae.half_written() == []
    assert without_vgae.snakemake(VGAE).returncode == 0
    assert digest(without_vgae.folder / VGAE) == digest(demo.folder / VGAE)


def test_a_second_workflow_on_the_same_folder_is_refused_and_the_first_goes_on(without_vgae, demo):
    first = without_vgae.start(VGAE)
    wait_for((without_vgae.folder / LOG).exists, first)
    # It must not be done before the second has even started.
    for script in scripts_of(without_vgae.folder):
        script.suspend()
    second = without_vgae.snakemake(VGAE)
    for script in scripts_of(without_vgae.folder):
        script.resume()
    assert second.returncode == 1
    assert "Directory cannot be locked" in second.stderr
    assert first.wait(120) == 0
    assert digest(without_vgae.folder / VGAE) == digest(demo.folder / VGAE)


@pytest.mark.parametrize("target", [FRAMES, VGAE])
def test_a_full_disk_fails_the_job_with_the_reason_and_leaves_nothing(demo_copy, demo, tmpfs, target):
    folder, remount = tmpfs
    remount("size=200m")
    shutil.copytree(demo_copy.results(), folder / "results", copy_function=shutil.copy2)
    shutil.rmtree(demo_copy.results())
    demo_copy.results().symlink_to(folder / "results")
    made = demo_copy.folder / target
    made.unlink()
    made.with_suffix(".json").unlink(missing_ok=True)
    used = shutil.disk_usage(folder).used
    remount(f"size={used + 40_000}")
    failed = demo_copy.snakemake(target)
    assert failed.returncode == 1
    said = failed.stdout + failed.stderr
    assert re.search(r"(?i)not written \(.*no space left on device", said), said[-3000:]
    assert "Traceback" not in said
    assert not made.exists()
    assert demo_copy.half_written() == []
    remount("size=200m")
    assert demo_copy.snakemake(target).returncode == 0
    assert digest(made) == digest(demo.folder / target)


def flip(path):
    """Flip a bit in the middle of a file, and let it look as old as before, as a bad disk does."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def truncate(path):
    """Lose the end of a file."""
    with path.open("rb+") as file:
        file.truncate(path.stat().st_size - 100)


@pytest.mark.parametrize(
    ("artifact", "harm", "command"),
    [
        (FRAMES, flip, ("graphs",)),
        (FRAMES, truncate, ("graphs",)),
        ("results/demo/graphs/train.safetensors", flip, ("train", "vgae")),
        ("results/demo/seed-1/gat-student/model.safetensors", flip, ("fusion-states",)),
        ("results/demo/seed-1/fusion-student/states.safetensors", flip, ("evaluate",)),
        ("results/demo/seed-1/fusion-student/states.safetensors", truncate, ("evaluate",)),
    ],
)
def test_a_damaged_file_is_named_by_the_stage_that_reads_it_with_how_to_make_it_again(
    demo_copy, artifact, harm, command
):
    harm(demo_copy.folder / artifact)
    done = canids(*command, folder=demo_copy.folder)
    assert done.returncode == 2
    assert f"{artifact}: " in done.stderr
    assert re.search("again|delete it", done.stderr)


def test_a_damaged_file_that_is_deleted_comes_back_as_it_was(demo_copy, demo):
    flip(demo_copy.folder / VGAE)
    failed = demo_copy.snakemake("--forcerun", "fusion_states")
    assert failed.returncode == 1
    assert f"{VGAE}: damaged" in failed.stdout + failed.stderr
    (demo_copy.folder / VGAE).unlink()
    assert demo_copy.snakemake(VGAE).returncode == 0
    assert digest(demo_copy.folder / VGAE) == digest(demo.folder / VGAE)


def test_a_read_only_data_folder_is_enough_once_the_log_files_are_there(demo_copy, demo, tmpfs):
    folder, remount = tmpfs
    remount("size=200m")
    data = demo_copy.folder / "data"
    shutil.copytree(data, folder / "data", copy_function=shutil.copy2)
    shutil.rmtree(data)
    data.symlink_to(folder / "data")
    (demo_copy.folder / FRAMES).unlink()
    remount("ro")
    assert demo_copy.snakemake(FRAMES).returncode == 0
    assert digest(demo_copy.folder / FRAMES) == digest(demo.folder / FRAMES)


def test_a_read_only_data_folder_refuses_the_simulation_with_the_reason(demo_copy, tmpfs):
    folder, remount = tmpfs
    remount("ro")
    done = canids("simulate", "simulate.seconds=12", f"data_root={folder}", folder=demo_copy.folder)
    assert done.returncode == 2
    assert "not written" in done.stderr
    assert "Read-only file system" in done.stderr


def test_a_file_from_the_future_stops_the_stage_that_reads_it_until_it_is_touched(demo_copy, demo):
    log = demo_copy.folder / "data" / "demo" / "test_06_masquerade" / "masquerade-alpha.csv"
    ahead = time.time() + 3600
    os.utime(log, (ahead, ahead))
    (demo_copy.folder / FRAMES).unlink()
    failed = demo_copy.snakemake(FRAMES)
    assert failed.returncode == 1
    assert "masquerade-alpha.csv" in failed.stdout + failed.stderr
    assert "clock skew problem" in failed.stdout + failed.stderr
    log.touch()
    assert demo_copy.snakemake(FRAMES).returncode == 0
    assert digest(demo_copy.folder / FRAMES) == digest(demo.folder / FRAMES)


def test_a_training_job_without_the_gpu_that_it_is_to_use_says_so(without_vgae):
    no_gpu = replace(without_vgae, settings=f"{without_vgae.settings} trainer.accelerator=cuda")
    failed = no_gpu.snakemake(VGAE)
    assert failed.returncode == 1
    said = failed.stdout + failed.stderr
    assert "trainer.accelerator: given 'cuda', but there is no CUDA device; use auto or cpu" in said
    assert "Traceback" not in said
    assert not (without_vgae.folder / VGAE).exists()
