"""A simulated vehicle and a drive of it, for the tests of traffic, arbitration and attacks."""

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
