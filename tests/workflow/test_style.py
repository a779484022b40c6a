"""The workflow's own house rules."""

import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_lint_advises_nothing_beyond_environments_per_rule(demo):
    done = demo.snakemake("--lint")
    advice = [line for line in (done.stdout + done.stderr).splitlines() if re.match(r"    \* ", line)]
    assert advice, "the linter did not run"
    assert {a.strip() for a in advice} == {"* Specify a conda environment or container for each rule.:"}


def test_snakefiles_are_formatted():
    command = [Path(sys.executable).with_name("snakefmt"), "--check", "Snakefile", "workflow"]
    assert subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False).returncode == 0


def test_every_script_is_thin():
    for script in (REPOSITORY / "workflow" / "scripts").glob("*.py"):
        assert len(script.read_text().splitlines()) < 40, script
