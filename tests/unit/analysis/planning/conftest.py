"""Services whose queues have known answers."""

import numpy as np
import pytest

from analysis.planning.replica_model.service import Service, spread_of
from bench.stores.simulated_runs import cores_of_its_own

ALWAYS_THE_SAME = np.ones(1)
EXPONENTIAL = spread_of(np.random.default_rng(5).exponential(1.0, 200_000))


@pytest.fixture
def memoryless() -> Service:
    """One thread, exponential service times of 100 ms on average: the server of M/M/1."""
    return Service(alone_ms=100, spread=EXPONENTIAL, speeds=cores_of_its_own(1))


@pytest.fixture
def steady() -> Service:
    """Two threads, each request takes 100 ms exactly."""
    return Service(alone_ms=100, spread=ALWAYS_THE_SAME, speeds=cores_of_its_own(2))
