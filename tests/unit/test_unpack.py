"""Archives: what they hold lands in its folder, and nothing outside it."""

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from canids.catalogue import unpack as module
from canids.catalogue.unpack import unpack
from canids.errors import FetchError

KINDS = ("zip", "tar", "tar.gz", "tar.xz", "tar.bz2")
OUTSIDE = ["../evil", "a/../../evil", "/tmp/evil", "..\\evil", "C:\\evil", "C:evil", "\\evil", "//host/share/evil"]


@pytest.fixture
def pack(tmp_path):
    """An archive of (name → content)."""

    def pack(kind: str, content: dict[str, str]) -> Path:
        archive = tmp_path / f"archive.{kind}"
        if kind == "zip":
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
                for name, text in content.items():
                    info = zipfile.ZipInfo()  # whose constructor would mend the name
                    info.filename, info.compress_type = name, zipfile.ZIP_DEFLATED
                    packed.writestr(info, text)
        else:
            mode = "w:" + kind.partition(".")[2]
            with tarfile.open(archive, mode) as packed:
                for name, text in content.items():
                    info = tarfile.TarInfo(name)
                    info.size = len(text)
                    packed.addfile(info, io.BytesIO(text.encode()))
        return archive

    return pack


def files(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("kind", KINDS)
class TestContent:
    def test_what_lies_in_the_wanted_folder_is_unpacked(self, pack, tmp_path, kind):
        archive = pack(kind, {"top/a/one.csv": "1", "top/two.csv": "2", "readme": "r", "topmost/x": "x"})
        assert unpack(archive, "top", tmp_path / "out") == 2
        assert files(tmp_path / "out") == {"a/one.csv": "1", "two.csv": "2"}

    def test_a_folder_that_it_does_not_hold_is_named(self, pack, tmp_path, kind):
        with pytest.raises(FetchError, match="no file in other"):
            unpack(pack(kind, {"top/a": "1"}), "other", tmp_path / "out")

    @pytest.mark.parametrize("name", OUTSIDE)
    def test_a_name_that_leads_out_is_refused(self, pack, tmp_path, kind, name):
        archive = pack(kind, {"good.csv": "1", name: "evil"})
        with pytest.raises(FetchError, match="leads out of the folder"):
            unpack(archive, "", tmp_path / "deep" / "out")
        assert not [p for p in tmp_path.rglob("*") if p.is_file() and p != archive]

    def test_an_archive_that_fails_midway_leaves_the_folder_as_it_was(self, pack, tmp_path, kind):
        (tmp_path / "out").mkdir()
        (tmp_path / "out/mine.csv").write_text("mine")
        with pytest.raises(FetchError):
            unpack(pack(kind, {"mine.csv": "theirs", "../evil": ""}), "", tmp_path / "out")
        assert files(tmp_path / "out") == {"mine.csv": "mine"}

    def test_files_of_ones_own_stay(self, pack, tmp_path, kind):
        (tmp_path / "out/a").mkdir(parents=True)
        (tmp_path / "out/a/mine.csv").write_text("mine")
        unpack(pack(kind, {"a/one.csv": "1"}), "", tmp_path / "out")
        assert files(tmp_path / "out") == {"a/mine.csv": "mine", "a/one.csv": "1"}

    def test_one_that_grows_without_measure_is_refused(self, pack, tmp_path, kind, monkeypatch):
        monkeypatch.setattr(module, "MOST_GROWTH", 0.1)
        with pytest.raises(FetchError, match="unpacks to more than"):
            unpack(pack(kind, {"big": "0" * 100_000}), "", tmp_path / "out")

    def test_one_with_countless_members_is_refused(self, pack, tmp_path, kind, monkeypatch):
        monkeypatch.setattr(module, "MOST_MEMBERS", 3)
        with pytest.raises(FetchError, match="more than 3 members"):
            unpack(pack(kind, {str(n): "" for n in range(4)}), "", tmp_path / "out")

    def test_a_damaged_one_is_named(self, pack, tmp_path, kind):
        archive = pack(kind, {"a.csv": "text" * 10_000})
        archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
        with pytest.raises(FetchError, match=r"archive\.\S+: (cannot be unpacked|neither a zip nor a tar)"):
            unpack(archive, "", tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_a_file_that_it_holds_twice_is_refused(self, pack, tmp_path, kind):
        with pytest.raises(FetchError, match="cannot be unpacked"):
            unpack(pack(kind, {"a": "1", "./a": "2"}), "", tmp_path / "out")


class TestLinks:
    @pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
    def test_links_and_devices_of_a_tar_are_refused(self, tmp_path, kind):
        with tarfile.open(tmp_path / "a.tar", "w") as packed:
            info = tarfile.TarInfo("passwd")
            info.type, info.linkname = kind, "/etc/passwd"
            packed.addfile(info)
        with pytest.raises(FetchError, match="'passwd' is a link or a device"):
            unpack(tmp_path / "a.tar", "", tmp_path / "out")

    def test_links_of_a_zip_are_refused(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
            info = zipfile.ZipInfo("passwd")
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            packed.writestr(info, "/etc/passwd")
        with pytest.raises(FetchError, match="'passwd' is a link or a device"):
            unpack(tmp_path / "a.zip", "", tmp_path / "out")


def test_a_file_that_is_no_archive_is_named(tmp_path):
    (tmp_path / "a.zip").write_text("<html>log in first</html>")
    with pytest.raises(FetchError, match=r"a\.zip: neither a zip nor a tar archive"):
        unpack(tmp_path / "a.zip", "", tmp_path / "out")


def test_what_a_killed_call_left_does_not_disturb(tmp_path, pack):
    (tmp_path / ".out.unpacking").mkdir()
    (tmp_path / ".out.unpacking/old").write_text("old")
    unpack(pack("zip", {"a": "1"}), "", tmp_path / "out")
    assert files(tmp_path / "out") == {"a": "1"}
