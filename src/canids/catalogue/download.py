"""One file over HTTP: resumed where it was cut off, checked, and in its place whole or not at all."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import requests
import urllib3
from filelock import FileLock, Timeout

from canids.artifacts import write_json
from canids.errors import FetchError

logger = logging.getLogger(__name__)

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)  # s before another try, after one that brought nothing new
LONGEST_PAUSE = 120.0  # s; a server that asks for more is given up
TIMEOUTS = (15.0, 60.0)  # s to connect, and from one packet to the next
CHUNK = 1 << 16
PASSING = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}

Report = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Expected:
    """What a file has to be: its size in bytes (0: not known), and one checksum or both, in hex."""

    size: int
    sha256: str | None
    md5: str | None


class _Interrupted(Exception):
    """The transfer ended early; another try may go on."""

    def __init__(self, why: str, pause: float = 0.0) -> None:
        super().__init__(why)
        self.pause = pause


def download(
    url: str,
    target: Path,
    expected: Expected,
    report: Report = lambda done, total: None,
    pauses: Sequence[float] = PAUSES,
) -> None:
    """Download a file to ``target``, unless it is there.

    What has arrived lies in ``<target>.part`` and survives a cut connection and a killed process: the next try, or the
    next call, asks for the rest. Each try begins with ``url`` itself, since redirections may be good for seconds only.

    Args:
        report: told the bytes that have arrived, and the bytes in all where known.
        pauses: seconds before each further try that follows one without progress.

    Raises:
        FetchError: the server refuses, does not answer, or serves something else; or another process is downloading it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part, notes = target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.part.json")
    try:
        with FileLock(f"{target}.lock", timeout=0):
            if target.exists():
                _verify(target, url, expected, f"delete {target}, and fetch again")
                return
            _persist(url, part, notes, expected, report, pauses)
            try:
                _verify(part, url, expected, "it was not kept; if this happens again, its publisher has changed it")
            except FetchError:
                part.unlink()
                raise
            finally:
                notes.unlink(missing_ok=True)
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            part.replace(target)
    except Timeout:
        raise FetchError(f"{target}: another process is downloading it") from None
    except OSError as error:
        raise FetchError(f"{target}: cannot be written: {error.strerror or error}") from None


def _persist(url: str, part: Path, notes: Path, expected: Expected, report: Report, pauses: Sequence[float]) -> None:
    """Try until the file is there, or so many tries in a row brought nothing new."""
    furthest, failures = _size(part), 0
    with requests.Session() as session:
        while True:
            try:
                return _continue(session, url, part, notes, expected, report)
            except (_Interrupted, requests.RequestException, urllib3.exceptions.HTTPError) as error:
                why, pause = error, getattr(error, "pause", 0.0)
            if isinstance(why, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema | ValueError):
                raise FetchError(f"{url}: not a link to download from: {why}")
            failures = 1 if _size(part) > furthest else failures + 1
            furthest = max(furthest, _size(part))
            if failures > len(pauses) or pause > LONGEST_PAUSE:
                raise FetchError(
                    f"{url}: {_said(why)}, {failures} times without progress; {_size(part):,} bytes have arrived, and "
                    f"the same command goes on from there"
                )
            pause = max(pause, pauses[failures - 1])
            logger.warning("%s: %s; trying again in %g s, from byte %d on", url, _said(why), pause, _size(part))
            time.sleep(pause)


def _continue(session: requests.Session, url: str, part: Path, notes: Path, expected: Expected, report: Report) -> None:
    """One try: ask for what is missing of ``part`` and append it."""
    noted = _noted(notes)
    have = _size(part) if noted.get("url") == url else 0
    if have and have == expected.size:
        return
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if noted["validator"]:
            headers["If-Range"] = noted["validator"]
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUTS) as response:
        status = response.status_code
        if status in PASSING:
            raise _Interrupted(f"the server answers {status} {response.reason}", _retry_after(response))
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            part.unlink()  # longer than what the server has by now
            raise _Interrupted("the server has no such rest")
        if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            raise FetchError(f"{url}: the server answers {status} {response.reason}")
        if status == HTTPStatus.OK:  # all of it: it knows no ranges, or has another version now
            have = 0
        elif _range_start(response) != have:
            part.unlink(missing_ok=True)
            raise _Interrupted("the server sent another part than it was asked for")
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdigit() else None
        if expected.size and total not in (None, expected.size):
            raise FetchError(f"{url}: {total:,} bytes, where {expected.size:,} are expected; the publisher changed it")
        if total is not None and total - have > shutil.disk_usage(part.parent).free:
            raise FetchError(f"{part.parent}: too little room for {total - have:,} bytes; make some, and fetch again")
        write_json(notes, {"url": url, "validator": _validator(response)})
        with part.open("ab" if have else "wb") as file:
            while chunk := response.raw.read1(CHUNK):
                have += len(chunk)
                if expected.size and have > expected.size:
                    raise FetchError(f"{url}: more than the {expected.size:,} bytes that are expected")
                file.write(chunk)
                file.flush()
                report(have, total)
        if total is not None and have < total:
            raise _Interrupted(f"the connection ended after {have:,} of {total:,} bytes")


def _verify(path: Path, url: str, expected: Expected, otherwise: str) -> None:
    for name in ("sha256", "md5"):
        wanted = getattr(expected, name)
        if wanted is None:
            continue
        with path.open("rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()  # noqa: B023
        if found != wanted.lower():
            raise FetchError(f"{url}: not the file expected: {name} {found}, where {wanted} is known; {otherwise}")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _noted(notes: Path) -> dict:
    try:
        noted = json.loads(notes.read_text())
        return {"url": noted["url"], "validator": noted["validator"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _validator(response: requests.Response) -> str:
    """What tells this version of the file from another: a strong ETag, or the date (RFC 9110, section 13.1.5)."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _range_start(response: requests.Response) -> int | None:
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _retry_after(response: requests.Response) -> float:
    asked = response.headers.get("Retry-After", "")
    return float(asked) if asked.isdigit() else 0.0


def _said(error: Exception) -> str:
    """The innermost words of an error, on one line: libraries wrap them in their own names."""
    while error.args and isinstance(error.args[0], Exception):
        error = error.args[0]
    return " ".join(str(error).split())[:200] or type(error).__name__
