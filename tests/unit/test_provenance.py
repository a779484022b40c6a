"""The digest of a stage's code: it changes with what the stage imports, and with nothing else."""

import re
import shutil
from pathlib import Path

import pytest

from canids import provenance
from canids.provenance import code_digest
from canids.workflow import STAGES

PACKAGE = Path(provenance.__file__).parent


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A made-up package that stands for this one: a imports b, b imports c in a function; d is apart."""
    sources = {
        "__init__": "",
        "a": "import json\nfrom canids.b import thing\n",
        "b": "def thing():\n    from canids.inner import c\n    return c\n",
        "inner/__init__": "from canids.inner.e import more\n",
        "inner/c": "import numpy\n",
        "inner/e": "more = 1\n",
        "inner/f": "",
        "d": "import canids.inner.f\n",
    }
    for name, text in sources.items():
        path = tmp_path / "canids" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "canids")
    return tmp_path / "canids"


def touched(package: Path, module: str) -> None:
    path = package / f"{module}.py"
    path.write_text(path.read_text() + "# mended\n")


class TestDigest:
    @pytest.mark.parametrize("module", ["a", "b", "inner/c", "inner/__init__", "inner/e"])
    def test_it_changes_with_a_module_that_is_imported(self, package, module):
        before = code_digest("canids.a")
        touched(package, module)
        assert code_digest("canids.a") != before

    @pytest.mark.parametrize("module", ["d", "inner/f"])
    def test_it_does_not_change_with_a_module_that_is_not(self, package, module):
        before = code_digest("canids.a")
        touched(package, module)
        assert code_digest("canids.a") == before

    def test_an_init_on_the_way_alone_does_not_count(self, package):
        before = code_digest("canids.d")
        touched(package, "inner/__init__")
        assert code_digest("canids.d") == before

    def test_it_is_the_same_again(self, package):
        assert code_digest("canids.a") == code_digest("canids.a")

    def test_it_does_not_depend_on_where_the_package_lies(self, package, tmp_path, monkeypatch):
        here = code_digest("canids.a")
        shutil.copytree(package, tmp_path / "elsewhere" / "canids")
        monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "elsewhere" / "canids")
        assert code_digest("canids.a") == here

    def test_contents_that_change_places_change_it(self, package):
        before = code_digest("canids.inner.c", "canids.inner.f")
        c, f = (package / "inner" / f"{name}.py" for name in "cf")
        c_text, f_text = c.read_text(), f.read_text()
        c.write_text(f_text)
        f.write_text(c_text)
        assert code_digest("canids.inner.c", "canids.inner.f") != before

    def test_modules_that_import_each_other_have_one(self, package):
        (package / "inner" / "e.py").write_text("import canids.a\n")
        assert code_digest("canids.a") == code_digest("canids.a")


@pytest.fixture
def copied(tmp_path, monkeypatch) -> Path:
    """A copy of this package, to be changed."""
    shutil.copytree(PACKAGE, tmp_path / "canids", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "canids")
    return tmp_path / "canids"


def stages_that_rerun(package: Path, changed: str) -> set[str]:
    before = {stage: code_digest(module) for stage, module in STAGES.items()}
    with (package / changed).open("a") as file:
        file.write("\n")
    return {stage for stage, module in STAGES.items() if code_digest(module) != before[stage]}


TRAINING = {"train_vgae", "train_gat", "distill_vgae", "distill_gat"}


class TestStages:
    """Of this package: what a change reruns at the least, and what it must leave alone."""

    @pytest.mark.parametrize(
        ("changed", "reruns", "spared"),
        [
            ("models/vgae.py", {"train_vgae", "distill_vgae", "fusion_states"}, {"ingest", "graphs", "simulate"}),
            ("models/gat.py", {"train_gat", "distill_gat", "fusion_states"}, {"ingest", "graphs", "synthesise"}),
            ("training/fit.py", TRAINING, {"ingest", "graphs", "simulate", "synthesise", "report"}),
            ("training/sampling.py", {"train_gat"}, {"train_vgae", "ingest", "graphs"}),
            ("fusion/agent.py", {"train_fusion", "evaluate"}, TRAINING | {"graphs", "ingest"}),
            ("evaluation/thresholds.py", {"evaluate"}, TRAINING | {"graphs", "fusion_states", "train_fusion"}),
            ("evaluation/metrics.py", {"evaluate"}, TRAINING | {"train_fusion"}),
            ("graphs/store.py", {"graphs", *TRAINING, "fusion_states"}, {"ingest", "simulate", "synthesise"}),
            ("graphs/statistics.py", {"graphs"}, {"ingest", "simulate", "synthesise"}),
            ("simulate/attacks.py", {"simulate", "synthesise", "simulate_fleet"}, TRAINING | {"ingest", "graphs"}),
            ("simulate/fleet_vehicle.py", {"simulate_fleet"}, TRAINING | {"graphs", "synthesise", "simulate"}),
            ("report/tables.py", {"report"}, TRAINING | {"graphs", "evaluate", "fusion_states"}),
            ("report/report.html.j2", {"report"}, TRAINING | {"evaluate"}),
            ("report/report.css", {"report"}, TRAINING | {"evaluate"}),
            ("cli/data.py", set(), set(STAGES)),
            ("schema.py", {"search"}, set(STAGES) - {"search"}),  # a search knows which settings there are
        ],
    )
    def test_a_change_reruns_what_uses_it_and_spares_the_rest(self, copied, changed, reruns, spared):
        rerun = stages_that_rerun(copied, changed)
        assert (reruns - rerun, rerun & spared) == (set(), set())

    def test_no_module_imports_relatively_for_the_digest_would_not_see_it(self):
        relative = [path for path in PACKAGE.rglob("*.py") if re.search(r"^\s*from \.", path.read_text(), re.MULTILINE)]
        assert relative == []

    def test_every_stages_module_is_there(self):
        assert all(provenance._path(module) for module in STAGES.values())
