"""The datasets that ship: each fits its publisher's own layout, and the template can be copied, edited and run."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from canids.catalogue import captures_of
from canids.catalogue.presence import State, presence_of
from canids.config import TEMPLATE, known_datasets, load_config
from canids.frames.frames import ATTACK_FREE
from canids.frames.ingest import ingest
from canids.frames.parquet import read_frames

REPOSITORY = Path(__file__).parents[2]
SHIPPED = REPOSITORY / "config"
ALL = known_datasets(SHIPPED)
CANDUMP = "(1000.0) can0 0D0#00\n(1000.1) can0 0D0#FF\n(1000.2) can0 111#FF\n(1000.9) can0 0D0#FF\n"
OTIDS = "".join(
    f"Timestamp: 1479121434.{n}00000        ID: {number}    000    DLC: 1    05\n"
    for n, number in enumerate(("0000", "0350"))
)


@pytest.fixture
def unpacked(tmp_path, monkeypatch):
    """Files below a data_root, and the configuration of a dataset there."""
    monkeypatch.chdir(REPOSITORY)

    def unpacked(dataset: str, contents: dict[str, str]):
        for name, content in contents.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return load_config(SHIPPED, [f"dataset={dataset}", f"data_root={tmp_path}"])

    return unpacked


def kinds(config) -> dict[str, str]:
    return {capture.key: capture.attack_type for capture in captures_of(config)}


def frames_of(config, key: str, out: Path):
    capture = next(each for each in captures_of(config) if each.key == key)
    ingest(capture, out / "a.parquet", out / "a.json", None, False, config.dataset.reading)
    return read_frames(out / "a.parquet")


@pytest.mark.parametrize("name", ALL)
class TestDescriptions:
    def test_it_says_what_it_is_where_it_comes_from_and_on_what_terms(self, name):
        dataset = load_config(SHIPPED, [f"dataset={name}"]).dataset
        assert all([dataset.title, dataset.source, dataset.licence, dataset.obtain, dataset.vehicles, dataset.attacks])

    def test_what_it_downloads_has_a_secure_link_a_size_and_a_checksum(self, name):
        for remote in load_config(SHIPPED, [f"dataset={name}"]).dataset.files.values():
            assert remote.url.startswith("https://") and remote.bytes
            assert re.fullmatch("[0-9a-f]{64}", remote.sha256 or "") or re.fullmatch("[0-9a-f]{32}", remote.md5)


@pytest.mark.parametrize("name", [name for name in ALL if name != "demo"])
def test_the_complete_dataset_is_recognised(name, unpacked):
    config = unpacked(name, {})
    suffix = {"road": "log", "otids": "txt"}.get(name, "csv")
    contents = {}
    for scenario, names in config.dataset.expected.items():
        for each in names:
            plain = re.sub(r"\[.(.)\]", r"\1", each).replace("*", "")
            folder = {"road": "ambient/" if "ambient" in plain else "attacks/", "hcrl_ch": "", "otids": ""}
            contents[f"{name}/{folder.get(name, scenario + '/')}{plain}.{suffix}"] = OTIDS
    contents["road/attacks/capture_metadata.json"] = "{}"
    presence = presence_of(unpacked(name, contents).dataset)
    assert (presence.state, presence.missing) == (State.COMPLETE, ())


class TestLayouts:
    def test_car_hacking_lies_flat(self, unpacked):
        names = ["DoS_dataset.csv", "Fuzzy_dataset.csv", "gear_dataset.csv", "RPM_dataset.csv"]
        contents = {f"hcrl_ch/{name}": "x" for name in names} | {"hcrl_ch/normal_run_data/normal_run_data.txt": OTIDS}
        assert kinds(unpacked("hcrl_ch", contents)) == {
            "train_01_attack_free/normal_run_data": ATTACK_FREE,
            "train_02_with_attacks/DoS_dataset": "DoS",
            "train_02_with_attacks/gear_dataset": "gear",
            "test_03_known_vehicle_unknown_attack/Fuzzy_dataset": "fuzzing",
            "test_03_known_vehicle_unknown_attack/RPM_dataset": "rpm",
        }

    @pytest.fixture
    def road(self, unpacked):
        facts = {"injection_interval": [0.05, 0.5], "injection_id": "0d0", "injection_data_str": "FF"}
        metadata = {"fuzzing_attack_1": facts, "max_speedometer_attack_1_masquerade": facts}
        logs = [
            "ambient/ambient_dyno_reverse",
            *(f"attacks/{name}" for name in [*metadata, "accelerator_attack_drive_1"]),
        ]
        contents = {f"road/{name}.log": CANDUMP for name in logs}
        return unpacked("road", contents | {"road/attacks/capture_metadata.json": json.dumps(metadata)})

    def test_road_has_ambient_and_attack_captures(self, road):
        assert kinds(road) == {
            "train_01_attack_free/ambient_dyno_reverse": ATTACK_FREE,
            "test_03_known_vehicle_unknown_attack/fuzzing_attack_1": "fuzzing",
            "test_06_masquerade/max_speedometer_attack_1_masquerade": "max-speedometer",
        }

    def test_roads_companion_tells_what_was_injected(self, road, tmp_path):
        frames, _ = frames_of(road, "test_03_known_vehicle_unknown_attack/fuzzing_attack_1", tmp_path)
        assert frames.attack.tolist() == [False, True, False, False]

    def test_roads_ambient_captures_hold_no_attack(self, road, tmp_path):
        assert not frames_of(road, "train_01_attack_free/ambient_dyno_reverse", tmp_path)[0].attack.any()

    def test_the_flood_of_otids_is_told_by_its_id(self, unpacked, tmp_path):
        names = ["Attack_free_dataset", "DoS_attack_dataset", "Fuzzy_attack_dataset"]
        config = unpacked("otids", {f"otids/{name}.txt": OTIDS for name in names})
        frames, facts = frames_of(config, "test_03_known_vehicle_unknown_attack/DoS_attack_dataset", tmp_path)
        assert (frames.attack.tolist(), facts["attack_spans"][0]["kind"]) == ([True, False], "DoS")

    @pytest.mark.parametrize(
        "training",
        [
            ["train_01/attack-free-1", "train_01/accessory-1", "train_01/DoS-1"],
            ["train_01_attack_free/attack-free-1", "train_01_attack_free/accessory-1", "train_02_with_attacks/DoS-1"],
        ],
        ids=["version 1", "version 1.5"],
    )
    def test_either_edition_of_can_train_and_test_fits(self, unpacked, training):
        tests = [
            "test_01_known_vehicle_known_attack/rpm-3",
            "test_02_unknown_vehicle_known_attack/rpm-3",
            "test_03_known_vehicle_unknown_attack/fuzzing-3",
            "test_04_unknown_vehicle_unknown_attack/systematic-3",
        ]
        config = unpacked("set_01", {f"set_01/{name}.csv": "x" for name in [*training, *tests]})
        assert {(c.key, c.vehicle, c.attack_type) for c in captures_of(config)} == {
            ("train_01_attack_free/attack-free-1", "impala", ATTACK_FREE),
            ("train_01_attack_free/accessory-1", "impala", ATTACK_FREE),
            ("train_02_with_attacks/DoS-1", "impala", "DoS"),
            (tests[0], "impala", "rpm"),
            (tests[1], "silverado", "rpm"),
            (tests[2], "impala", "fuzzing"),
            (tests[3], "traverse", "systematic"),
        }


class TestTemplate:
    """Copied, three settings edited, run."""

    @pytest.fixture
    def workshop(self, tmp_path) -> Path:
        for name in ("monday.log", "tuesday.log"):
            (tmp_path / "logs/good/van").mkdir(parents=True, exist_ok=True)
            (tmp_path / "logs/good/van" / name).write_text(CANDUMP)
        (tmp_path / "logs/bad").mkdir()
        (tmp_path / "logs/bad/attacked.csv").write_text("timestamp,arbitration_id,data_field,attack\n1,1A,00,1\n")
        shutil.copytree(SHIPPED, tmp_path / "config")
        text = (SHIPPED / "datasets" / f"{TEMPLATE}.yaml").read_text()
        for old, new in (
            ("folder: ${data_root}/custom", f"folder: {tmp_path}/logs"),
            ('["attack_free/**/*"]', '["good/**/*"]'),
            ('["attacked/**/*"]', '["bad/*"]'),
        ):
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "config/datasets/mine.yaml").write_text(text)
        return tmp_path

    def run(self, folder: Path, *command: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False, env=dict(os.environ)
        )

    def test_its_captures_are_ingested(self, workshop):
        done = self.run(workshop, "-c", "from canids.cli import main; main()", "ingest", "dataset=mine")
        assert done.returncode == 0, done.stderr
        assert sorted(str(p.relative_to(workshop / "results/mine/frames")) for p in workshop.rglob("*.parquet")) == [
            "test_01_known_vehicle_known_attack/attacked.parquet",
            "train_01_attack_free/van-monday.parquet",
            "train_01_attack_free/van-tuesday.parquet",
        ]
        record = json.loads(next(workshop.rglob("attacked.json")).read_text())
        assert (record["vehicle"], record["attack_type"], record["attack_frames"]) == ("our_vehicle", "attack", 1)

    def test_the_workflow_plans_it(self, workshop):
        for name in ("Snakefile", "workflow", "profiles"):
            (workshop / name).symlink_to(REPOSITORY / name)
        done = self.run(workshop, "-m", "snakemake", "--dry-run", "--cores", "1", "--config", "dataset=mine")
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(r"^ingest +3$", done.stdout, re.MULTILINE)

    def test_it_is_no_dataset_of_its_own(self):
        assert TEMPLATE not in known_datasets(SHIPPED)

    def test_filled_in_itself_it_can_be_chosen(self):
        assert load_config(SHIPPED, [f"dataset={TEMPLATE}"]).dataset.train
