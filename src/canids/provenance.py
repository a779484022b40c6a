"""Code as an input: a digest of the modules that a stage imports, so that a mended bug reruns the stages it is in."""

from __future__ import annotations

import ast
import hashlib
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
    sources: dict[str, bytes] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = _path(name)
        if path is None or name in sources:
            continue
        # What lies beside a module and is no module (a template, a style sheet) is part of it.
        beside = sorted(each for suffix in RESOURCES for each in path.parent.glob(f"*{suffix}"))
        sources[name] = b"".join(each.read_bytes() for each in [path, *beside])
        waiting += _imports(path)
    digest = hashlib.sha256()
    for name in sorted(sources):
        digest.update(name.encode() + b"\0" + sources[name])
    return digest.hexdigest()[:16]


def _path(name: str) -> Path | None:
    """File of a module of this package; None for other packages and for names that are no module."""
    if name.partition(".")[0] != PACKAGE.name:
        return None
    stem = PACKAGE.parent.joinpath(*name.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


@cache
def _imports(path: Path) -> tuple[str, ...]:
    names = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(names)
