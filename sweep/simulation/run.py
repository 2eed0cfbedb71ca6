"""Runs a whole sweep on a simulated cloud, in simulated time."""

from pathlib import Path

from sweep.conductor.conductor import Conductor
from sweep.conductor.snapshot import Observer, Outcome
from sweep.journal.clock import Clock
from sweep.journal.journal import Journal
from sweep.settings import SweepSettings
from sweep.simulation.cloud import Cloud
from sweep.simulation.event_loop import VirtualTimeLoop
from sweep.simulation.fleet import SimulatedFleet
from sweep.strategy import Strategy

HEARTBEAT_S = 300


def simulate(
    folder: Path, settings: SweepSettings, cloud: Cloud, strategy: Strategy, observe: Observer | None = None
) -> Outcome:
    """The outcome of a sweep that is recorded in `folder`, which does not exist yet. Takes no time but to compute.

    Raises what a mistake in the program raises: nothing is up that would have to be named.
    """
    loop = VirtualTimeLoop()
    clock = Clock(loop.time, loop.time)
    journal = Journal.create(folder, settings.model_copy(update={"simulated": True}), clock)
    try:
        conductor = Conductor(journal, SimulatedFleet(cloud), strategy, observe, heartbeat_s=HEARTBEAT_S)
        outcome = loop.run_until_complete(conductor.run())
    finally:
        journal.close()
        loop.close()
    if outcome.error:
        raise outcome.error
    return outcome
