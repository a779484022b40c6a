"""Enrolment: a vehicle's profile and limits from its own captures, whatever they hold, and its captures by them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from typer.testing import CliRunner

from canids.artifacts import read_json, write_json
from canids.cli import app
from canids.evaluation.cascade import load_cascade
from canids.evaluation.enrolment import ENROLMENT_FILE, load_enrolment
from canids.frames.reading import ReadOptions
from canids.fusion.calibration import FEWEST, READ_BY, Calibration
from canids.fusion.states import fusion_states
from canids.graphs.captures import labelled_capture
from canids.graphs.one_vehicle import known_store, profile_of, read_log
from canids.schema import Graph
from canids.shipped import SCALE, SHIPPED
from canids.simulate.demo import simulate_demo
from canids.simulate.fleet import simulate_drive
from canids.simulate.fleet_vehicle import make_fleet_vehicle

BOTH = 3
CONFIG = Path(__file__).parents[2] / "config"
REPLAY = "test_03_known_vehicle_unknown_attack/replay-alpha.csv"
GRAPH = OmegaConf.structured(Graph)
DETECTORS = ("fusion", "cusum")
ALPHA = "train_01_attack_free/attack-free-alpha.csv"


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    """Of twenty captures with limits that differ."""
    random = np.random.default_rng(0)
    samples = [(random.normal(number / 10, 1, 400), np.full(400, BOTH), np.full(400, number)) for number in range(20)]
    return Calibration.fit(1.0, samples, 1e-3)


def limit_of(calibration: Calibration, score: np.ndarray) -> float:
    samples = [(score, np.full(len(score), BOTH), np.zeros(len(score), int))]
    return float(calibration.enrolled(samples, 1e-3).limit[BOTH])


class TestLimit:
    def test_a_vehicle_that_scores_higher_has_a_higher_one(self, calibration):
        assert limit_of(calibration, np.random.default_rng(1).normal(4, 1, 400)) > calibration.limit[BOTH]

    def test_a_vehicle_that_scores_lower_has_a_lower_one(self, calibration):
        assert limit_of(calibration, np.random.default_rng(1).normal(-4, 1, 400)) < calibration.limit[BOTH]

    def test_an_attack_on_the_whole_enrolment_cannot_silence_the_detector(self, calibration):
        assert limit_of(calibration, np.full(100_000, 1e6)) <= calibration.highest[BOTH]

    def test_a_slowly_ramping_attack_still_alarms(self, calibration):
        ramp = np.linspace(-3, calibration.highest[BOTH] + 1, 2000)
        assert ramp[-1] > limit_of(calibration, ramp)

    def test_the_fewer_windows_the_less_it_moves(self, calibration):
        moved = [limit_of(calibration, np.full(count, 50.0)) - calibration.limit[BOTH] for count in (FEWEST, 200, 2000)]
        assert 0 < moved[0] < moved[1] < moved[2]

    def test_too_few_windows_do_not_move_it(self, calibration):
        assert limit_of(calibration, np.full(FEWEST - 1, 50.0)) == calibration.limit[BOTH]

    def test_one_of_other_readings_stays(self, calibration):
        samples = [(np.full(400, 50.0), np.full(400, BOTH), np.zeros(400, int))]
        others = np.arange(READ_BY) != BOTH
        moved = calibration.enrolled(samples, 1e-3)
        np.testing.assert_array_equal(moved.limit[others], calibration.limit[others])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The demo's captures, ingested and read, and its vehicle alpha enrolled with the shipped models."""
    folder = tmp_path_factory.mktemp("demo")
    simulate_demo(folder / "data" / "demo", 7, 16.0)
    for command in ("ingest", "graphs"):
        assert run(folder, command, *settings(folder)).exit_code == 0
    assert run(folder, "enroll", str(folder / "data/demo" / ALPHA), "--out", str(folder / "alpha")).exit_code == 0
    return folder


def settings(folder: Path) -> list[str]:
    return [f"data_root={folder / 'data'}", f"results={folder / 'results'}", "training_data=labelled"]


def run(folder: Path, *words: str):
    return CliRunner().invoke(app, [*words, "--config-folder", str(CONFIG)])


def evaluated(folder: Path, enrolled: Path):
    return run(folder, "evaluate", "--model", "pretrained", "--enrolled", str(enrolled), *settings(folder))


def alarms_of(folder: Path, log: Path) -> np.ndarray:
    """(w,) bool, where the shipped GAT alarms by alpha's profile and limits."""
    enrolment, cascade = load_enrolment(folder / "alpha"), load_cascade(SHIPPED, SCALE)
    graph = OmegaConf.create(enrolment.graph)
    capture, _ = read_log(log, 0, "alpha", graph, ReadOptions())
    store = known_store([capture], enrolment.profile, graph)
    calibration = cascade.calibration.with_limits(enrolment.limits)
    return fusion_states(cascade.vgae, cascade.gat, [store], calibration).gat > 0.5


def flooded(source: Path, out: Path) -> Path:
    """A capture with a frame of ID 0 behind each of its own, from the first on."""
    header, *lines = source.read_text().splitlines()
    flood = []
    for line in lines:
        time, _, _, attack = line.split(",")
        flood += [line, f"{float(time) + 5e-5:.6f},000,0000000000000000,{attack}"]
    out.write_text("\n".join([header, *flood]) + "\n")
    return out


def cut(source: Path, out: Path, lines: int) -> Path:
    with source.open() as file:
        out.write_text("".join(line for _, line in zip(range(lines), file, strict=False)))
    return out


class TestVehicle:
    def test_its_captures_are_read_against_its_profile(self, folder):
        done = evaluated(folder, folder / "alpha")
        assert done.exit_code == 0, done.output
        metrics = read_json(folder / "results/demo/evaluation-pretrained-enrolled-alpha/metrics.json")
        assert (metrics["enrolled"], {row["scenario"][:7] for row in metrics["table"]}) == (
            "alpha", {"test_01", "test_03", "test_06"},
        )  # fmt: skip

    def test_a_drive_that_alarms_raises_its_drift(self, folder, tmp_path):
        attacked = str(folder / "data/demo" / REPLAY)
        assert run(folder, "enroll", attacked, "--out", str(tmp_path / "alpha")).exit_code == 0
        content = read_json(tmp_path / "alpha" / ENROLMENT_FILE)
        assert content["cusum_before"]["drift"] < content["cusum"]["drift"]

    def test_a_short_drive_raises_its_threshold(self, folder):
        content = read_json(folder / "alpha" / ENROLMENT_FILE)
        assert content["cusum_limit_before"] < content["cusum_limit"]

    @pytest.mark.parametrize("raised", [{"cusum": {"drift": 1000.0, "ceiling": 12.0}}, {"cusum_limit": 1000.0}])
    def test_its_captures_are_held_to_its_drift_and_threshold(self, folder, tmp_path, raised):
        shutil.copytree(folder / "alpha", tmp_path / "alpha")
        content = read_json(tmp_path / "alpha" / ENROLMENT_FILE)
        write_json(tmp_path / "alpha" / ENROLMENT_FILE, {**content, **raised})
        assert evaluated(folder, tmp_path / "alpha").exit_code == 0
        metrics = read_json(folder / "results/demo/evaluation-pretrained-enrolled-alpha/metrics.json")
        highest = {name: max(r["recall"] for r in metrics["table"] if r["detector"] == name) for name in DETECTORS}
        assert (highest["cusum"], highest["fusion"]) == (0.0, 1.0)

    def test_an_attack_from_the_first_frame_alarms(self, folder, tmp_path):
        assert alarms_of(folder, flooded(folder / "data/demo" / ALPHA, tmp_path / "flooded.csv"))[:10].all()

    def test_an_attack_that_never_ends_alarms_to_the_end(self, folder, tmp_path):
        assert alarms_of(folder, flooded(folder / "data/demo" / ALPHA, tmp_path / "flooded.csv"))[-10:].all()

    def test_what_comes_later_changes_no_alarm(self, folder, tmp_path):
        whole = folder / "data/demo" / REPLAY
        early = alarms_of(folder, cut(whole, tmp_path / "early.csv", 10_001))
        np.testing.assert_array_equal(early, alarms_of(folder, whole)[: len(early)])

    def test_without_one_of_its_captures_nothing_is_evaluated(self, folder, tmp_path):
        capture = str(folder / "data/demo" / ALPHA)
        assert run(folder, "enroll", capture, "--out", str(tmp_path / "nobody")).exit_code == 0
        done = evaluated(folder, tmp_path / "nobody")
        assert (done.exit_code, "no test capture is of the enrolled vehicle" in done.output) == (2, True)

    def test_where_no_vehicle_is_enrolled_it_says_how_to(self, folder, tmp_path):
        done = evaluated(folder, tmp_path)
        assert (done.exit_code, "run canids enroll" in done.output) == (2, True)

    def test_windows_cut_otherwise_are_refused(self, folder, tmp_path):
        shutil.copytree(folder / "alpha", tmp_path / "alpha")
        content = read_json(tmp_path / "alpha" / ENROLMENT_FILE)
        content["graph"]["window"] = 50
        write_json(tmp_path / "alpha" / ENROLMENT_FILE, content)
        done = evaluated(folder, tmp_path / "alpha")
        assert (done.exit_code, "graph.window=" in done.output) == (2, True)

    def test_a_capture_too_short_is_refused(self, folder, tmp_path):
        short = cut(folder / "data/demo" / ALPHA, tmp_path / "short.csv", 3000)
        done = run(folder, "enroll", str(short), "--out", str(tmp_path / "out"))
        assert (done.exit_code, "record for longer" in done.output) == (2, True)

    def test_the_same_capture_twice_counts_once(self, folder, tmp_path):
        twice = [str(folder / "data/demo" / ALPHA)] * 2
        assert run(folder, "enroll", *twice, "--out", str(tmp_path), "--vehicle", "alpha").exit_code == 0
        assert read_json(tmp_path / ENROLMENT_FILE)["limits"] == read_json(folder / "alpha" / ENROLMENT_FILE)["limits"]

    def test_a_recording_that_enrolled_it_is_not_tested_on(self, folder, tmp_path):
        assert (
            run(folder, "enroll", str(folder / "data/demo" / REPLAY), "--out", str(tmp_path / "alpha")).exit_code == 0
        )
        shutil.copytree(folder / "results", tmp_path / "results")
        there = [word.replace(str(folder / "results"), str(tmp_path / "results")) for word in settings(folder)]
        done = run(folder, "evaluate", "--model", "pretrained", "--enrolled", str(tmp_path / "alpha"), *there)
        assert done.exit_code == 0, done.output
        metrics = read_json(tmp_path / "results/demo/evaluation-pretrained-enrolled-alpha/metrics.json")
        assert metrics["excluded_captures"] == {"test_03_known_vehicle_unknown_attack/replay-alpha": ["0-replay-alpha"]}

    def test_the_profile_of_another_vehicle_is_refused(self, folder, tmp_path):
        other = str(folder / "data/demo/train_01_attack_free/attack-free-bravo.csv")
        assert run(folder, "enroll", other, "--out", str(tmp_path), "--vehicle", "alpha").exit_code == 0
        done = evaluated(folder, tmp_path)
        assert (done.exit_code, "capture of another vehicle" in done.output) == (2, True)

    def test_a_capture_in_which_most_of_the_vehicle_is_silent_is_one_of_it(self):
        drive = simulate_drive(make_fleet_vehicle("quiet", np.random.default_rng(0)), 20.0, 0, np.random.default_rng(1))
        ids, count = np.unique(drive[0].arbitration_id, return_counts=True)
        rare = ids[np.argsort(count)][: len(ids) // 2]  # which send less than half of the frames
        awake = drive[0].take(np.isin(drive[0].arbitration_id, rare)), {**drive[1], "capture": "ignition"}
        whole, ignition = (labelled_capture(*each, GRAPH, Path("quiet")) for each in (drive, awake))
        assert len(ignition.windows.timestamp) < 0.5 * len(whole.windows.timestamp)
        assert len(known_store([ignition], profile_of([whole]), GRAPH)) == len(ignition.windows)
