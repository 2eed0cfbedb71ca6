"""Snapshots of a sweep for the tests of what it shows: those of a simulated sweep of nine candidates."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sweep.asked import read_settings
from sweep.conductor.snapshot import Outcome, Snapshot
from sweep.settings import SweepSettings
from sweep.simulation.cloud import Cloud
from sweep.simulation.run import simulate
from tests.support.sweeps import Blocks, world

SWEEP_ID = "20261127-005501"
SETTINGS = read_settings(
    None, {"stacks": ["2cpu-4gb", "4cpu-8gb", "8cpu-16gb"], "inter_op": [2, 4, 8], "max_usd": 30.0}
).model_copy(update={"simulated": True})


@cache
def simulated(settings: SweepSettings = SETTINGS) -> tuple[list[Snapshot], Outcome]:
    """Every snapshot, and the outcome; the first candidate is the cheapest."""
    snapshots: list[Snapshot] = []
    with TemporaryDirectory() as folder:
        outcome = simulate(
            Path(folder) / SWEEP_ID,
            settings,
            Cloud(world(settings.candidates)),
            Blocks(3, halving=True),
            snapshots.append,
        )
    return snapshots, outcome
