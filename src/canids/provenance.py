"""Code as an input: a digest of the modules that a stage imports, so that a mended bug reruns the stages it is in."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent
RESOURCES = (".j2", ".css")


def code_digest(*modules: str) -> str:
    """Digest of some modules of this package and of all that they import from it, directly or not.

    A package's ``__init__`` counts where something is imported from it, not where it merely lies on the way.

    Args:
        modules: dotted names, such as ``canids.frames.ingest``.
    """
    return _digest(modules, _read)


def code_digests(stages: Mapping[str, str]) -> dict[str, str]:
    """Stage → ``code_digest`` of its module; what several stages import is read once."""
    read = cache(_read)
    return {stage: _digest([module], read) for stage, module in stages.items()}


def _digest(modules: Iterable[str], read: Callable[[str], tuple[bytes, tuple[str, ...]] | None]) -> str:
    sources: dict[str, bytes] = {}
    waiting, seen = list(modules), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if module := read(name):
            sources[name], imports = module
            waiting += imports
    digest = hashlib.sha256()
    for name in sorted(sources):
        digest.update(name.encode() + b"\0" + sources[name])
    return digest.hexdigest()[:16]


def _read(name: str) -> tuple[bytes, tuple[str, ...]] | None:
    """A module's source and the names that it imports; None where no module of this package has the name."""
    path = _path(name)
    if path is None:
        return None
    # What lies beside a module and is no module (a template, a style sheet) is part of it.
    beside = sorted(each for suffix in RESOURCES for each in path.parent.glob(f"*{suffix}"))
    return b"".join(each.read_bytes() for each in [path, *beside]), _imports(path)


def _path(name: str) -> Path | None:
    """File of a module of this package; None for other packages and for names that are no module."""
    if name.partition(".")[0] != PACKAGE.name:
        return None
    stem = PACKAGE.parent.joinpath(*name.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


@cache
def _imports(path: Path) -> tuple[str, ...]:
    names = []
    for node in _statements(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(names)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """What a module, a statement or a branch of one holds, at any depth: no expression holds an import."""
    for part in ("body", "orelse", "finalbody", "handlers", "cases"):
        for each in getattr(node, part, ()):
            yield each
            yield from _statements(each)
