"""What tests share: threads as the workflow's jobs have them, and a simulated vehicle with a drive of it."""

import logging
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import pytest
from makers import rng

from canids.frames.frames import Frames
from canids.simulate.traffic import drive
from canids.simulate.vehicle import make_vehicle


def pytest_collection_modifyitems(items):
    """Interrupted trainings come first: they run in forked processes, which do not survive other tests' threads."""
    items.sort(key=lambda item: item.path.name != "test_resume.py")


@pytest.fixture(scope="session")
def vehicle():
    return make_vehicle("tango", rng(3))


@pytest.fixture(scope="session")
def driven(vehicle) -> Frames:
    return drive(vehicle, 5.0, rng(4))


@pytest.fixture
def own_logging():
    """What a command sets up for the package's log lines ends with the test."""
    package = logging.getLogger("canids")
    handlers, level, propagate = package.handlers, package.level, package.propagate
    yield
    package.handlers, package.propagate = handlers, propagate
    package.setLevel(level)
