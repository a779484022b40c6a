"""Archives of others, unpacked so that nothing lands outside the folder that they are meant for."""

from __future__ import annotations

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from canids.errors import FetchError

MOST_MEMBERS = 100_000
MOST_GROWTH = 100  # bytes unpacked for a byte of archive; logs of hex digits shrink to a fifth or a twentieth
CHUNK = 1 << 20
LITTER = ("__MACOSX", ".DS_Store")
DAMAGES = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,  # an encrypted zip member
    NotImplementedError,  # a zip member packed by an unknown method
)

# Name, whether it is a file (else a folder), and how to open it.
Member = tuple[str, bool, Callable[[], AbstractContextManager[BinaryIO]]]


def unpack(archive: Path, inside: str, folder: Path) -> int:
    """Unpack what an archive (zip or tar) holds below a folder of its own into ``folder``, and count the files.

    Everything is unpacked beside ``folder`` first and moved when all of it is there. Files of the same name in
    ``folder`` are replaced, others stay.

    Args:
        inside: the archive's folder whose content is wanted; empty for all.

    Raises:
        FetchError: the archive is damaged or too large, holds nothing there, or a name that leads out of the folder, a
            link or a device. Then ``folder`` is as it was.
    """
    staging = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(staging, ignore_errors=True)  # of a call that was killed
    staging.mkdir(parents=True)
    try:
        count = _unpack(archive, PurePosixPath(inside), staging)
        if not count:
            raise FetchError(f"{archive}: no file in {inside or 'it'}")
        _move(staging, folder)
        return count
    except DAMAGES as error:
        raise FetchError(f"{archive}: cannot be unpacked: {' '.join(str(error).split())[:200]}") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _unpack(archive: Path, inside: PurePosixPath, staging: Path) -> int:
    room = min(MOST_GROWTH * archive.stat().st_size, shutil.disk_usage(staging).free)
    count = 0
    for number, (name, is_file, open_member) in enumerate(_members(archive), 1):
        if number > MOST_MEMBERS:
            raise FetchError(f"{archive}: more than {MOST_MEMBERS:,} members")
        path = _safe(archive, name)
        if not path.is_relative_to(inside) or any(part in LITTER for part in path.parts):
            continue
        target = staging / path.relative_to(inside)
        if not is_file:
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with open_member() as source, target.open("xb") as file:
            while chunk := source.read(CHUNK):
                room -= len(chunk)
                if room < 0:
                    raise FetchError(
                        f"{archive}: unpacks to more than {MOST_GROWTH} times its size, or than there is room for"
                    )
                file.write(chunk)
        count += 1
    return count


def _members(archive: Path) -> Iterator[Member]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for member in packed.infolist():
                mode = member.external_attr >> 16
                if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or not stat.S_IFMT(mode)):
                    raise FetchError(f"{archive}: member {member.filename!r} is a link or a device; not unpacked")
                yield member.filename, not member.is_dir(), lambda m=member: packed.open(m)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as packed:
            for member in packed:
                if not (member.isreg() or member.isdir()):
                    raise FetchError(f"{archive}: member {member.name!r} is a link or a device; not unpacked")
                yield member.name, member.isreg(), lambda m=member: packed.extractfile(m)
    else:
        raise FetchError(f"{archive}: neither a zip nor a tar archive")


def _safe(archive: Path, name: str) -> PurePosixPath:
    """A member's path, if it stays where it is unpacked on any system."""
    path, on_windows = PurePosixPath(name), PureWindowsPath(name)
    outside = path.is_absolute() or ".." in path.parts or ".." in on_windows.parts
    if outside or on_windows.drive or on_windows.root or "\0" in name or not name:
        raise FetchError(f"{archive}: member {name!r} leads out of the folder; nothing of the archive was kept")
    return path


def _move(staging: Path, folder: Path) -> None:
    if not folder.exists():
        staging.replace(folder)
        return
    for path in sorted(staging.rglob("*")):
        target = folder / path.relative_to(staging)
        if path.is_dir():
            target.mkdir(exist_ok=True)
        else:
            path.replace(target)
