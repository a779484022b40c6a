"""Files that come into being whole or not at all, and that tell when they are no longer what was written."""

import os
import socket
import subprocess

import numpy as np
import pytest
from makers import periodic
from safetensors.numpy import load_file, save_file

from canids.artifacts import read_names, write_json, write_tensors
from canids.errors import ArtifactError
from canids.frames.parquet import read_frames, write_frames

TENSORS = {"a": np.arange(500, dtype=np.float32), "b": np.ones((3, 4), np.int64)}


@pytest.fixture
def tensors(tmp_path):
    path = tmp_path / "a.safetensors"
    write_tensors(path, save_file, TENSORS, captures=["x", "y"])
    return path


def flip(path, position):
    """Flip one bit of a file."""
    content = bytearray(path.read_bytes())
    content[position] ^= 0x04
    path.write_bytes(content)


class TestTensors:
    def test_names_and_tensors_come_back(self, tensors):
        assert read_names(tensors) == {"captures": ["x", "y"]}
        np.testing.assert_array_equal(load_file(tensors)["a"], TENSORS["a"])

    def test_equal_tensors_are_equal_files(self, tensors, tmp_path):
        write_tensors(tmp_path / "b.safetensors", save_file, TENSORS, captures=["x", "y"])
        assert tensors.read_bytes() == (tmp_path / "b.safetensors").read_bytes()

    @pytest.mark.parametrize("position", [3, 12, 60, 300, 1000, -1])
    def test_a_flipped_bit_is_found_wherever_it_is(self, tensors, position):
        flip(tensors, position)
        with pytest.raises(
            ArtifactError, match=r"a\.safetensors: damaged.*delete it and run snakemake .*a\.safetensors"
        ):
            read_names(tensors)

    def test_a_missing_end_is_found(self, tensors):
        tensors.write_bytes(tensors.read_bytes()[:-8])
        with pytest.raises(ArtifactError, match="damaged"):
            read_names(tensors)

    def test_a_file_without_a_checksum_is_refused(self, tmp_path):
        save_file(TENSORS, tmp_path / "a.safetensors")
        with pytest.raises(KeyError, match="no checksum"):
            read_names(tmp_path / "a.safetensors")


def test_a_flipped_bit_in_a_frame_table_is_found(tmp_path):
    path = tmp_path / "a.parquet"
    write_frames(path, periodic(200, 1), {})
    flip(path, 200)
    with pytest.raises(ArtifactError, match=r"a\.parquet: not a canonical frame table .*delete it and ingest again"):
        read_frames(path)


def test_a_file_that_cannot_be_written_is_named_with_the_reason(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match=r"file/a\.json: not written .*nothing is left of it"):
        write_json(tmp_path / "file" / "a.json", {})


def test_what_a_killed_writer_left_is_removed_by_the_next_one(tmp_path):
    killed = subprocess.Popen(["true"])
    killed.wait()
    for number in (killed.pid, os.getppid()):
        (tmp_path / f".a.json.{socket.gethostname()}-{number}.part").write_text("{")
    write_json(tmp_path / "a.json", {})
    assert [path.name for path in tmp_path.glob(".*")] == [f".a.json.{socket.gethostname()}-{os.getppid()}.part"]
