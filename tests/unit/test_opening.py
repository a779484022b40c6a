"""Packed files: content decides, and what is damaged is refused."""

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from reading import plain, read_bytes

from canids.errors import CaptureError
from canids.frames.lines import chunks_of_lines
from canids.frames.readers import capture_name

LOG = b"".join(b"(1436509052.%06d) can0 044#2A366C2BBA00\n" % k for k in range(500))


def zipped(*members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, content in enumerate(members):
            archive.writestr(f"folder/{number}.log", content)
    return out.getvalue()


def zstd(content: bytes) -> bytes:
    return pa.compress(content, "zstd", asbytes=True)


PACKERS = {"gzip": gzip.compress, "zstd": zstd, "xz": lzma.compress, "bz2": bz2.compress, "zip": zipped}


@pytest.mark.parametrize("packing", PACKERS)
class TestPacked:
    def test_it_reads_as_the_plain_file_whatever_its_name(self, tmp_path, packing):
        assert plain(read_bytes(tmp_path, PACKERS[packing](LOG))) == plain(read_bytes(tmp_path, LOG))

    @pytest.mark.parametrize("cut", [1, 30])
    def test_truncated_it_is_refused(self, tmp_path, packing, cut):
        with pytest.raises(CaptureError, match="cannot be read"):
            read_bytes(tmp_path, PACKERS[packing](LOG)[:-cut])

    def test_an_empty_content_is_called_empty(self, tmp_path, packing):
        with pytest.raises(CaptureError, match="the file is empty"):
            read_bytes(tmp_path, PACKERS[packing](b""))


@pytest.mark.parametrize("members", [[], [LOG, LOG]])
def test_an_archive_of_other_than_one_file_is_refused(tmp_path, members):
    with pytest.raises(CaptureError, match=f"holds {len(members)} files, not one"):
        read_bytes(tmp_path, zipped(*members))


@pytest.mark.parametrize(
    "name, capture",
    [
        ("DoS.csv", "DoS"),
        ("DoS-1.5.csv.gz", "DoS-1.5"),
        ("a.log.zst", "a"),
        ("a.ASC.xz", "a"),
        ("a.mf4.zip", "a"),
        ("a.md", None),
        ("a.gz", None),
        (".csv", None),
    ],
)
def test_a_captures_name_is_its_files_without_suffixes(name, capture):
    assert capture_name(Path(name)) == capture


@pytest.mark.parametrize("content, capture", [(LOG, "a"), (b"see the paper\n", None)])
def test_a_txt_file_is_a_capture_if_its_content_is(tmp_path, content, capture):
    (tmp_path / "a.txt").write_bytes(content)
    assert capture_name(tmp_path / "a.txt") == capture


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    "content", [b"a\r\nb\r\n", b"a\rb\r", b"a\n\nb", b"\r\n\r\n", b"a\r\r\nb", b"\n", b"abcdefgh\ni"]
)
def test_lines_do_not_depend_on_where_chunks_end(content, size):
    joined = b"".join(chunks_of_lines(io.BytesIO(content), size))
    assert joined.splitlines() == content.splitlines()
