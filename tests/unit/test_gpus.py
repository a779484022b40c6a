"""Jobs on a machine with several GPUs: each sees its own."""

import os

import pytest

from canids.gpus import VISIBLE, own_gpus


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch, tmp_path):
    """Nobody has said what is visible; claims are this test's own."""
    monkeypatch.setenv(VISIBLE, "")
    monkeypatch.delenv(VISIBLE)
    monkeypatch.setattr("canids.gpus.tempfile.gettempdir", lambda: tmp_path)


def visible() -> str | None:
    return os.environ.get(VISIBLE)


def another(monkeypatch, wanted, present) -> str | None:
    """What a second job would see."""
    monkeypatch.delenv(VISIBLE)
    with own_gpus(wanted, present):
        return visible()


@pytest.mark.parametrize(("first", "second", "seen"), [(1, 1, ("0", "1")), (2, 1, ("0,1", "2")), (1, 2, ("0", "1,2"))])
def test_two_jobs_see_different_ones(monkeypatch, first, second, seen):
    with own_gpus(first, 3):
        assert (visible(), another(monkeypatch, second, 3)) == seen
        monkeypatch.setenv(VISIBLE, seen[0])


def test_what_a_job_had_is_free_when_it_has_ended():
    for _ in range(2):
        with own_gpus(2, 2):
            assert visible() == "0,1"
        assert visible() is None


def test_what_a_scheduler_said_holds(monkeypatch):
    monkeypatch.setenv(VISIBLE, "3")
    with own_gpus(1, 4):
        assert visible() == "3"
    assert visible() == "3"


@pytest.mark.parametrize(("wanted", "present"), [(1, 0), (1, 1), (0, 2), (3, 2)])
def test_nothing_is_hidden_where_there_is_no_choice(wanted, present):
    with own_gpus(wanted, present):
        assert visible() is None
