"""Vector BLF: objects in (mostly deflated) containers.

python-can's reader is not used: it passes in silence over objects that it cannot read, and damage can send it round in
circles. It is the tests' other side.
Source: https://bitbucket.org/tobylorenz/vector_blf and python-can's ``can.io.blf``
"""

from __future__ import annotations

import datetime
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import islice

import polars as pl

from canids.errors import CaptureError
from canids.frames.messages import AT_ONCE, MESSAGE, collect_messages
from canids.frames.opening import Source
from canids.frames.reading import NO_FRAME, Reading, ReadOptions

MAGIC, OBJECT = b"LOGG", b"LOBJ"
FILE_HEADER = struct.Struct("<4sL")  # signature, size of the header
START = slice(40, 56)  # of the file: the measurement's first moment, as eight numbers
BASE = struct.Struct("<4sHHLL")  # signature, header size, header version, object size, object type
OBJECT_HEADER = struct.Struct("<L4xQ")  # unit of the timestamp, timestamp
BODY_AT = {1: 32, 2: 40}  # header version → where an object's own fields begin
CONTAINER, CONTAINER_HEADER = 10, struct.Struct("<HxxxxxxLxxxx")  # packing, size of the content
PLAIN, DEFLATED = 0, 2
TEN_MICROSECONDS, MICROSECONDS_10, NANOSECOND = 1, 1e-5, 1e-9
CLASSIC, ERROR, ERROR_EXT, FD, FD_64 = (1, 86), 2, 73, 100, 101
MESSAGE_BODY = struct.Struct("<HBBL8s")  # channel, flags, DLC, ID, data
FD_BODY = struct.Struct("<HBBLLBBB5x")  # channel, flags, DLC, ID, -, -, FD flags, valid bytes
FD_64_BODY = struct.Struct("<BBBBLLLLLLLHBBL")  # channel, DLC, valid bytes, -, ID, -, flags, … direction, data's end, -
EXTENDED, REMOTE, REMOTE_64 = 1 << 31, 0x80, 0x10
LENGTH_OF_DLC = [*range(9), 12, 16, 20, 24, 32, 48, 64]
UNREAD = "CAN object that cannot be read"
DAMAGED = "damaged container or end of file"


def recognises(head: bytes) -> bool:
    return head.startswith(MAGIC)


def read(source: Source, options: ReadOptions) -> Reading:
    """Read a capture; see ``readers.Format``. Objects take the place of lines; channels are counted from 1."""
    with source.stream() as stream:
        content = stream.read()
    if len(content) < START.stop or FILE_HEADER.unpack_from(content)[1] < START.stop:
        raise CaptureError(f"{source.path}: cannot be read as BLF: the file's header is damaged")
    others: Counter[int | str] = Counter()
    messages = _messages(content, others)
    collector = collect_messages(_batches(messages), options)
    kinds = {kind: number for kind, number in others.items() if isinstance(kind, int)}
    told = ", ".join(f"{number} of type {kind}" for kind, number in sorted(kinds.items()))
    return collector.reading(
        {UNREAD: others[UNREAD], DAMAGED: others[DAMAGED], NO_FRAME: sum(kinds.values())},
        (f"objects that are no frames: {told}",) if kinds else (),
    )


def _batches(messages: Iterator[tuple]) -> Iterator[pl.DataFrame]:
    while batch := list(islice(messages, AT_ONCE)):
        yield pl.DataFrame(batch, schema=MESSAGE, orient="row")


def _messages(content: bytes, others: Counter[int | str]) -> Iterator[tuple]:
    """Rows of ``messages.MESSAGE``; what is none is counted in ``others``, by object type or by what is wrong."""
    start = _start(content)
    for item in _objects(content, others):
        kind = int.from_bytes(item[12:16], "little")
        if kind not in (*CLASSIC, ERROR, ERROR_EXT, FD, FD_64):
            others[kind] += 1
            continue
        try:
            unit, count = OBJECT_HEADER.unpack_from(item, BASE.size)
            time = start + count * (MICROSECONDS_10 if unit == TEN_MICROSECONDS else NANOSECOND)
            yield (time, *_message(kind, item))
        except (struct.error, IndexError, KeyError):
            others[UNREAD] += 1


def _message(kind: int, item: bytes) -> tuple:
    """ID, extended, error, remote, bytes told, data and channel of an object.

    Raises:
        struct.error, IndexError, KeyError: the object is too short, or has an impossible DLC or header.
    """
    at = BODY_AT[BASE.unpack_from(item)[2]]
    if kind in (ERROR, ERROR_EXT):
        channel = int.from_bytes(item[at : at + 2], "little")
        return 0, False, True, False, 0, b"", str(channel)
    if kind == FD_64:
        fields = FD_64_BODY.unpack_from(item, at)
        channel, dlc, valid, _, number, _, flags = fields[:7]
        begin, end = at + FD_64_BODY.size, fields[13] or len(item)
        data = item[begin : min(begin + valid, end)].ljust(valid, b"\0")  # as Vector's own tools do
        return _frame(number, bool(flags & REMOTE_64), LENGTH_OF_DLC[dlc], data, channel)
    if kind == FD:
        channel, flags, dlc, number, _, _, _, valid = FD_BODY.unpack_from(item, at)
        begin = at + FD_BODY.size
        return _frame(number, bool(flags & REMOTE), LENGTH_OF_DLC[dlc], item[begin : begin + valid], channel)
    channel, flags, dlc, number, data = MESSAGE_BODY.unpack_from(item, at)
    length = min(LENGTH_OF_DLC[dlc], 8)  # a classic frame's DLC of 9 to 15 means 8 bytes
    return _frame(number, bool(flags & REMOTE), length, data[:length], channel)


def _frame(number: int, remote: bool, length: int, data: bytes, channel: int) -> tuple:
    extended = bool(number & EXTENDED)
    return number & ~EXTENDED, extended, False, remote, length, data, str(channel)


def _objects(content: bytes, others: Counter[int | str]) -> Iterator[bytes]:
    """The whole objects of a file, containers opened; places of damage are counted in ``others``."""
    tail = b""
    at = FILE_HEADER.unpack_from(content)[1]
    while at + BASE.size <= len(content):
        signature, _, _, size, kind = BASE.unpack_from(content, at)
        if signature != OBJECT or size < BASE.size:
            others[DAMAGED] += 1
            return
        item = content[at : at + size]
        others[DAMAGED] += len(item) < size
        at += size + size % 4
        if kind != CONTAINER:
            if len(item) == size:
                yield item
            continue
        data, whole = _unpacked(item[BASE.size :])
        others[DAMAGED] += not whole
        tail += data
        inner = 0
        # Objects are padded, by how much depends on their type; one may go on in the next container.
        while (begin := tail.find(OBJECT, inner, inner + 8)) >= 0 and begin + BASE.size <= len(tail):
            size = BASE.unpack_from(tail, begin)[3]
            if size < BASE.size or begin + size > len(tail):
                break
            yield tail[begin : begin + size]
            inner = begin + size
        tail = tail[inner:]
    others[DAMAGED] += (OBJECT in tail) + (len(content) - at > 4)


def _unpacked(body: bytes) -> tuple[bytes, bool]:
    """A container's content, and whether all of it is there."""
    if len(body) < CONTAINER_HEADER.size:
        return b"", False
    packing, size = CONTAINER_HEADER.unpack_from(body)
    data = body[CONTAINER_HEADER.size :]
    if packing == DEFLATED:
        try:
            data = zlib.decompressobj().decompress(data)
        except zlib.error:
            return b"", False
    elif packing != PLAIN:
        return b"", False
    return data, len(data) == size


def _start(content: bytes) -> float:
    """When the measurement began (Unix time); 0 where the header tells no such moment."""
    year, month, _, day, hour, minute, second, millisecond = struct.unpack("<8H", content[START])
    try:
        moment = datetime.datetime(year, month, day, hour, minute, second, 1000 * millisecond, datetime.UTC)
    except ValueError:
        return 0.0
    return moment.timestamp()
