"""Every command of the README does what it says; the long ones as a dry run, in the folder of a finished demo."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
REAL_DATA = REPOSITORY.parent / "shared" / "data"
BLOCKS = re.findall(r"```sh\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
COMMANDS = [line.split("  #")[0].split("   #")[0].strip() for block in BLOCKS for line in block.splitlines() if line]


def test_readme_shows_commands():
    assert len(COMMANDS) > 8


@pytest.mark.parametrize("command", COMMANDS)
def test_command_of_the_readme_works(demo_copy, command):
    words = shlex.split(command.replace("/path/to/data", str(REAL_DATA)))
    if words[0] == "make":
        done = subprocess.run([*words, "--dry-run"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return
    if "dataset=hcrl_sa" in words and not REAL_DATA.is_dir():
        pytest.skip("the real captures are not at hand")
    folder = demo_copy.folder
    for name in ("Snakefile", "workflow", "config", "profiles"):
        (folder / name).symlink_to(REPOSITORY / name)
    if words[0] == "snakemake" and "--unlock" not in words and "--dry-run" not in words:
        words.insert(1, "--dry-run")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
