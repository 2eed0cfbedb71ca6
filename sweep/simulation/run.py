"""Runs a whole sweep on a simulated cloud, in simulated time."""

import asyncio
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
    # It cancels the tasks at Ctrl-C, which would leave a traceback of each.
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        time_s = runner.get_loop().time
        journal = Journal.create(folder, settings.model_copy(update={"simulated": True}), Clock(time_s, time_s))
        try:
            conductor = Conductor(journal, SimulatedFleet(cloud), strategy, observe, heartbeat_s=HEARTBEAT_S)
            outcome = runner.run(conductor.run())
        finally:
            journal.close()
    if outcome.error:
        raise outcome.error
    return outcome
