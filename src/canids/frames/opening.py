"""A log file's content, whatever it is packed in: gzip, zstd, xz, bz2 or zip, and UTF-16 as UTF-8."""

from __future__ import annotations

import bz2
import codecs
import io
import lzma
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from canids.errors import CaptureError

HEAD = 1 << 22  # bytes that formats are recognised by; longer than any sane line
PACKINGS = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\0": "xz",
    b"BZh": "bz2",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",  # without a member
}
PACKED_SUFFIXES = (".gz", ".zst", ".xz", ".bz2", ".zip")
UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
DAMAGES = (
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,  # a zip member packed by an unknown method
    RuntimeError,  # an encrypted zip member
    pa.ArrowException,
    lzma.LZMAError,
    zlib.error,
    zipfile.BadZipFile,
)


@dataclass(frozen=True)
class Source:
    """A log file to read.

    Attributes:
        path: the file.
        packing: a value of ``PACKINGS``, or None.
        head: the first ``HEAD`` bytes of its content.
    """

    path: Path
    packing: str | None
    head: bytes

    @contextmanager
    def stream(self) -> Iterator[BinaryIO]:
        """The content from its beginning: unpacked, without a byte order mark, UTF-16 as UTF-8.

        Raises:
            CaptureError: it cannot be unpacked; also while it is read from within the ``with`` block.
        """
        try:
            with _unpacked(self.path, self.packing) as raw:
                yield _text(raw)
        except DAMAGES as error:
            raise CaptureError(f"{self.path}: cannot be read: {_said(error)}") from None

    @contextmanager
    def file(self) -> Iterator[Path]:
        """A plain file with the content, for readers that need one: the file itself, or an unpacked copy."""
        if self.packing is None:
            yield self.path
            return
        with tempfile.TemporaryDirectory(prefix="canids-") as folder:
            copy = Path(folder) / "capture"
            with self.stream() as stream, copy.open("wb") as out:
                shutil.copyfileobj(stream, out, 1 << 20)
            yield copy


def open_source(path: Path) -> Source:
    """Look into a log file.

    Raises:
        CaptureError: it is missing, empty or cannot be unpacked.
    """
    path = Path(path)
    if not path.is_file():
        raise CaptureError(f"{path}: there is no such file")
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise CaptureError(f"{path}: cannot be read: {error.strerror}") from None
    packing = next((name for magic, name in PACKINGS.items() if start.startswith(magic)), None)
    source = Source(path, packing, b"")
    with source.stream() as stream:
        head = stream.read(HEAD)
    if not head:
        raise CaptureError(f"{path}: the file is empty")
    return Source(path, packing, head)


@contextmanager
def _unpacked(path: Path, packing: str | None) -> Iterator[BinaryIO]:
    if packing == "zip":
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) != 1:
                raise ValueError(f"the archive holds {len(members)} files, not one; unpack it")
            with archive.open(members[0]) as member:
                yield member
    elif packing == "xz":
        with lzma.open(path) as stream:
            yield stream
    elif packing == "bz2":
        with bz2.open(path) as stream:
            yield stream
    elif packing:
        with pa.input_stream(str(path), compression=packing) as stream:
            yield stream
    else:
        with path.open("rb") as stream:
            yield stream


def _text(raw: BinaryIO) -> BinaryIO:
    """A stream behind its byte order mark, if it has one."""
    if isinstance(raw, io.BufferedReader) and not raw.peek(3).startswith((codecs.BOM_UTF8, *UTF16)):
        return raw  # a plain file as it is: what stands before the rest of it would have to be copied together with it
    start = _exactly(raw, 3)
    if start == codecs.BOM_UTF8:
        return _Joined(b"", raw)
    codec = UTF16.get(start[:2])
    joined = _Joined(start[2:] if codec else start, raw)
    return _Recoded(joined, codec) if codec else joined


def _exactly(stream: BinaryIO, size: int) -> bytes:
    """``size`` bytes of a stream, fewer at its end only."""
    parts, missing = [], size
    while missing and (part := stream.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


class _Joined(io.RawIOBase):
    """Some bytes, and a stream behind them; ``read`` gives fewer bytes at the end only."""

    def __init__(self, first: bytes, rest: BinaryIO) -> None:
        self.first, self.rest = first, rest

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            first, self.first = self.first, b""
            return first + self.rest.read()
        first, self.first = self.first[:size], self.first[size:]
        return first + _exactly(self.rest, size - len(first))


class _Recoded(_Joined):
    """UTF-16 as UTF-8; what is no character becomes U+FFFD, which fails in its own line."""

    def __init__(self, raw: BinaryIO, codec: str) -> None:
        super().__init__(b"", raw)
        self.decode = codecs.getincrementaldecoder(codec)("replace").decode

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return self.first + self.decode(self.rest.read(), True).encode()
        while len(self.first) < size:
            raw = self.rest.read(max(size, 2))
            self.first += self.decode(raw, not raw).encode("utf-8", "replace")
            if not raw:
                break
        first, self.first = self.first[:size], self.first[size:]
        return first


def _said(error: Exception) -> str:
    """An error's own words, on one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
