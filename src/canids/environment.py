"""Where a computation runs: commit, versions, machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any


def environment(packages: Sequence[str]) -> dict[str, Any]:
    """Python, versions of some packages, host, its cores and, to a process that has loaded torch, its GPUs."""
    torch = sys.modules.get("torch")
    return {
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "platform": platform.platform(),
        "host": platform.node(),
        "cpus": os.cpu_count(),
        "cuda": [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())] if torch else [],
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit of the checkout that a folder lies in, and whether tracked files differ from it; None outside of one."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.CalledProcessError):
        return None
