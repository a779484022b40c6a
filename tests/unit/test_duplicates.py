"""canids duplicates: which captures of ingested datasets are one recording."""

import json

import numpy as np
import pytest
import yaml
from makers import rng
from typer.testing import CliRunner

from canids.cli import app
from canids.frames.dataset import Capture
from canids.frames.ingest import ingest
from canids.simulate.capture_file import write_capture
from canids.simulate.traffic import drive

pytestmark = pytest.mark.usefixtures("own_logging")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, vehicle, driven):
    """Datasets one and two, ingested: two tests on a piece of what one trains on."""
    folder = tmp_path_factory.mktemp("duplicates")
    contents = {
        "one/train/a": driven,
        "one/test/b": drive(vehicle, 2.0, rng(8)),
        "two/train/c": drive(vehicle, 2.0, rng(9)),
        "two/test/d": driven.take(slice(500, 2000)),
    }
    (folder / "config/datasets").mkdir(parents=True)
    (folder / "config/config.yaml").write_text(f"data_root: {folder}\nresults: {folder}/results\n")
    for name in ("one", "two"):
        settings = {"folder": f"{folder}/{name}", "train": ["train"], "test": ["test"], "vehicles": {"any": "*"}}
        (folder / f"config/datasets/{name}.yaml").write_text(yaml.safe_dump(settings))
    for key, frames in contents.items():
        dataset, scenario, name = key.split("/")
        source = folder / f"{key}.csv"
        source.parent.mkdir(parents=True, exist_ok=True)
        write_capture(source, frames)
        out = folder / "results" / dataset / "frames" / scenario
        capture = Capture(scenario, name, source, "any", "DoS")
        ingest(capture, out / f"{name}.parquet", out / f"{name}.json", None, False)
    return folder


def run(folder, *words):
    return CliRunner().invoke(app, ["duplicates", *words, "--config-folder", str(folder / "config")])


def test_within_a_dataset_without_any_it_says_so(folder):
    assert run(folder, "one").stdout == "no two captures are one recording\n"


def test_across_datasets_a_pair_is_named_with_its_roles_share_and_clock(folder, driven):
    done = run(folder, "one", "two", "--json")
    (pair,) = [json.loads(line) for line in done.stdout.splitlines()]
    expected = float(driven.timestamp[500] - driven.timestamp[0])
    assert pair.pop("offset_s") == pytest.approx(expected, abs=1e-5)
    assert pair == {
        "first": "one/train/a",
        "first_role": "train",
        "second": "two/test/d",
        "second_role": "test",
        "share": 1.0,
        "crossing": True,
    }


def test_the_table_counts_what_crosses_training_and_test(folder):
    stdout = run(folder, "one", "two").stdout
    assert "pairs of captures that are one recording: 1, across training and test: 1" in stdout
    assert np.isin(["one/train/a", "two/test/d"], stdout.split()).all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["results=nowhere"], "name one or more datasets"),
        (["one", "results=/nowhere"], "there is no such file; run the ingest stage"),
        (["three"], "unknown dataset 'three'"),
    ],
)
def test_what_is_missing_is_named(folder, words, message):
    done = run(folder, *words)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
