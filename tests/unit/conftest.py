"""A simulated vehicle and a drive of it, for the tests of traffic, arbitration and attacks."""

import logging

import pytest
from makers import rng

from canids.frames.frames import Frames
from canids.simulate.traffic import drive
from canids.simulate.vehicle import make_vehicle


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
