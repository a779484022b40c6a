"""The settings of a workflow run: resolved once, when it starts, and handed to its jobs; and how a job ends."""

import hashlib
import logging
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from omegaconf import OmegaConf
from safetensors.numpy import save_file
from snakemake.cli import parse_config

from canids import workflow
from canids.artifacts import read_json, write_tensors, written_checksum
from canids.errors import ConfigError, DatasetError
from canids.workflow import SETTINGS_VARIABLE, frozen_overrides, overrides_of, rule_graph, settings_of, stage

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture(autouse=True)
def run_folder(tmp_path, monkeypatch) -> Path:
    """An empty working folder, no settings handed over; what the process is handed in a test ends with it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(SETTINGS_VARIABLE, "")
    monkeypatch.delenv(SETTINGS_VARIABLE)
    return tmp_path


@pytest.fixture
def folder(tmp_path) -> Path:
    shutil.copytree(CONFIG, tmp_path / "config")
    return tmp_path / "config"


def plain(settings) -> dict:
    return OmegaConf.to_container(settings.config, resolve=True)


class TestOverrides:
    @pytest.mark.parametrize(
        ("given", "overrides"),
        [
            ({}, []),
            ({"dataset": "hcrl_sa"}, ["dataset=hcrl_sa"]),
            ({"strict": True}, ["strict=True"]),
            ({"set": "models.gat.lr=1e-3 fusion.gamma=0.9"}, ["models.gat.lr=1e-3", "fusion.gamma=0.9"]),
            ({"set": "a.b=1", "dataset": "demo"}, ["dataset=demo", "a.b=1"]),
            ({"set": "  a.b=1   c=2 "}, ["a.b=1", "c=2"]),
            ({"set": ""}, []),
        ],
    )
    def test_config_becomes_a_dot_list(self, given, overrides):
        assert overrides_of(given) == overrides

    @pytest.mark.parametrize("given", [1, ["a=1"], {"a": 1}])
    def test_a_set_that_is_no_text_is_refused_with_an_example(self, given):
        with pytest.raises(ConfigError, match=r"set: given .*allowed: text such as"):
            overrides_of({"set": given})

    @pytest.mark.parametrize("text", ["data_root=it's", 'data_root="data', "'"])
    def test_a_quote_that_does_not_close_is_refused(self, text):
        with pytest.raises(ConfigError, match="set: given"):
            overrides_of({"set": text})

    @pytest.mark.parametrize(
        ("given", "understood"),
        [
            ({"seeds": ["1", "2"]}, {"seeds": [1, 2]}),
            ({"data_root": "/my data"}, {"data_root": "/my data"}),
            ({"set": "seeds=[1,2]"}, {"seeds": [1, 2]}),
        ],
    )
    def test_they_are_understood(self, folder, given, understood):
        config = settings_of(given, folder, starts=True).config
        assert {name: config[name] for name in understood} == understood

    def test_a_set_wins_over_the_files(self, folder):
        assert settings_of({"set": "models.gat.dropout=0.45"}, folder, starts=True).config.models.gat.dropout == 0.45


class TestFreezing:
    def job(self, folder: Path):
        """What a job of the run sees."""
        return settings_of({}, folder, starts=False)

    def test_a_job_sees_what_the_start_resolved(self, folder):
        started = settings_of({"set": "graph.window=60"}, folder, starts=True)
        assert plain(self.job(folder)) == plain(started)

    def test_a_job_sees_the_overrides_of_the_start(self, folder):
        settings_of({"set": "graph.window=60"}, folder, starts=True)
        assert self.job(folder).overrides == frozen_overrides() == ["graph.window=60"]

    def test_a_file_edited_after_the_start_waits_for_the_next(self, folder):
        settings_of({}, folder, starts=True)
        (folder / "models/gat.yaml").write_text("dropout: 0.77\n")
        assert self.job(folder).config.models.gat.dropout != 0.77

    def test_the_next_start_sees_what_was_edited(self, folder):
        settings_of({}, folder, starts=True)
        (folder / "models/gat.yaml").write_text("dropout: 0.77\n")
        assert settings_of({}, folder, starts=True).config.models.gat.dropout == 0.77

    def test_code_edited_after_the_start_waits_for_the_next(self, folder, monkeypatch):
        started = settings_of({}, folder, starts=True)
        monkeypatch.setattr(workflow, "code_digests", lambda stages: dict.fromkeys(stages, "other"))
        assert self.job(folder).code == started.code

    def test_a_job_needs_no_configuration_folder(self, folder):
        started = settings_of({}, folder, starts=True)
        shutil.rmtree(folder)
        assert plain(self.job(folder)) == plain(started)

    def test_a_job_in_another_folder_sees_the_same(self, folder, tmp_path, monkeypatch):
        started = settings_of({}, folder, starts=True)
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert plain(self.job(folder)) == plain(started)

    def test_a_second_start_in_the_folder_leaves_the_first_runs_jobs_alone(self, folder, monkeypatch):
        """A dry run, or the drawing of the rule graph, while the workflow runs."""
        settings_of({"set": "graph.window=60"}, folder, starts=True)
        handed = os.environ[SETTINGS_VARIABLE]
        monkeypatch.delenv(SETTINGS_VARIABLE)
        settings_of({"set": "graph.window=70"}, folder, starts=True)
        monkeypatch.setenv(SETTINGS_VARIABLE, handed)
        assert self.job(folder).config.graph.window == 60

    def test_equal_settings_are_equal_for_start_and_job_in_every_section(self, folder):
        started, job = settings_of({}, folder, starts=True), self.job(folder)
        sections = ("graph", "models.vgae", "models.gat", "fusion", "evaluation", "trainer", "dataset", "synthesis")
        assert [OmegaConf.select(started.config, s) for s in sections] == [
            OmegaConf.select(job.config, s) for s in sections
        ]

    def test_a_setting_that_is_not_allowed_writes_nothing(self, folder, run_folder):
        with pytest.raises(ConfigError):
            settings_of({"set": "graph.window=0"}, folder, starts=True)
        assert not (run_folder / ".snakemake").exists()

    def test_each_stages_code_has_a_digest(self, folder):
        assert set(settings_of({}, folder, starts=True).code) == set(workflow.STAGES)


class TestRuleGraph:
    @pytest.fixture
    def called(self, monkeypatch) -> list:
        """The snakemake calls that would have been made."""
        calls = []

        def run(command, **options):
            calls.append((command, options))
            return SimpleNamespace(returncode=0, stdout="digraph {}", stderr="")

        monkeypatch.setattr(workflow.subprocess, "run", run)
        return calls

    @pytest.mark.parametrize(
        "given",
        [
            {"set": "graph.window=60 fusion.gamma=0.5"},
            {"dataset": "hcrl_sa", "set": "graph.window=60"},
            {"seeds": ["1", "2"]},
            {"data_root": "/my data"},
            {"data_root": "/my data", "set": "graph.window=60"},
            {"set": "dataset.train=[a,b]"},
        ],
    )
    def test_it_is_drawn_with_the_runs_own_settings(self, called, folder, monkeypatch, given):
        started = settings_of(given, folder, starts=True)
        rule_graph(Path("Snakefile"), started.overrides)
        command, options = called[0]
        words = command[command.index("--config") + 1 :] if "--config" in command else []
        monkeypatch.setattr(os, "environ", dict(options["env"]))
        assert plain(settings_of(parse_config(words), folder, starts=True)) == plain(started)

    def test_it_does_not_inherit_the_runs_settings_file(self, called, monkeypatch):
        monkeypatch.setenv(SETTINGS_VARIABLE, "somewhere")
        rule_graph(Path("Snakefile"), [])
        assert SETTINGS_VARIABLE not in called[0][1]["env"]


class TestStage:
    @pytest.fixture
    def job(self, tmp_path) -> SimpleNamespace:
        (tmp_path / "in.txt").write_text("read")
        (tmp_path / "logs" / "seed-1").mkdir(parents=True)
        return SimpleNamespace(
            rule="a_rule", wildcards={"seed": "1"}, threads=1, resources={},
            log=[str(tmp_path / "logs" / "seed-1" / "job.log")],
            params={"settings": {"lr": 0.5}, "code": "c0de"}, input=[str(tmp_path / "in.txt")],
            output=[str(tmp_path / name) for name in ("out.txt", "out.safetensors", "plain.safetensors")],
        )  # fmt: skip

    @pytest.fixture(autouse=True)
    def logging_as_before(self):
        logger = logging.getLogger("canids")
        before = (logger.handlers, logger.level, logger.propagate)
        yield
        logger.handlers, logger.level, logger.propagate = before

    def test_what_is_logged_goes_to_the_rules_log(self, job):
        with stage(job):
            logging.getLogger("canids.somewhere").info("half way")
        assert "half way" in Path(job.log[0]).read_text()

    def test_a_job_leaves_a_record_of_itself_beside_its_outputs(self, job, tmp_path):
        with stage(job):
            Path(job.output[0]).write_text("made")
            write_tensors(Path(job.output[1]), save_file, {"a": np.ones(3)})
            save_file({"a": np.ones(3)}, job.output[2])
        record = read_json(tmp_path / "provenance" / "seed-1" / "job.json")
        assert (record["rule"], record["of"], record["code"]) == ("a_rule", {"seed": "1"}, "c0de")
        assert record["settings"] == {"settings": {"lr": 0.5}}
        assert record["inputs"] == {job.input[0]: hashlib.sha256(b"read").hexdigest()}
        assert record["outputs"] == {
            job.output[0]: hashlib.sha256(b"made").hexdigest(),
            job.output[1]: written_checksum(Path(job.output[1])),
            job.output[2]: hashlib.sha256(Path(job.output[2]).read_bytes()).hexdigest(),
        }
        assert record["environment"]["packages"]["snakemake"] and record["environment"]["host"]
        assert record["wall_seconds"] > 0 and record["peak_memory_mb"] > 10

    def test_a_job_that_fails_leaves_no_record(self, job, tmp_path):
        self.run_into(job, DatasetError("no window is left"))
        assert not (tmp_path / "provenance").exists()

    def run_into(self, job, error: Exception) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended, stage(job):
            raise error
        return ended.value.code, Path(job.log[0]).read_text()

    def test_an_error_of_the_input_ends_in_its_message_as_the_last_line(self, job):
        code, log = self.run_into(job, DatasetError("no window is left"))
        assert (code, log.splitlines()[-1].endswith("ERROR no window is left")) == (1, True)

    def test_an_error_of_the_input_shows_no_traceback(self, job):
        assert "Traceback" not in self.run_into(job, DatasetError("no window is left"))[1]

    def test_a_defect_shows_its_traceback(self, job):
        code, log = self.run_into(job, KeyError("oops"))
        assert code == 1 and "Traceback" in log and "defect" in log
