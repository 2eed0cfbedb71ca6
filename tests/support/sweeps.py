"""Sweeps for tests: candidates, and a strategy that is easy to follow."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from stacks.load.load_profiles import PROFILES, CapacitySearch
from stacks.server.serving_variant import ServingSettings
from sweep.candidates import Candidate
from sweep.conductor.conductor import Conductor
from sweep.conductor.snapshot import Observer, Outcome, Snapshot
from sweep.fleet import Fleet
from sweep.journal.clock import Clock
from sweep.journal.journal import Journal
from sweep.journal.records import Record
from sweep.settings import SweepSettings
from sweep.simulation.event_loop import VirtualTimeLoop
from sweep.simulation.world import SimulatedStack, World
from sweep.strategy import Decision, Observation, Standing, Strategy
from sweep.tasks import Length, Measure

LOAD = PROFILES["capacity"]


def candidate(stack: str, inter_op: int = 2, latency_ms: float = 500.0) -> Candidate:
    assert isinstance(LOAD, CapacitySearch)
    return Candidate(
        label=f"{stack}, inter_op {inter_op}",
        stack=stack,
        serving=ServingSettings(protocol="rest", inter_op=inter_op),
        server=None,
        load=LOAD.model_copy(update={"latency_ms": latency_ms}),
    )


def candidates(**inter_ops: Sequence[int]) -> tuple[Candidate, ...]:
    """`candidates(a=(2, 4), b=(8,))`: two on the stack `a`, one on `b`."""
    return tuple(candidate(stack, inter_op) for stack, ops in inter_ops.items() for inter_op in ops)


def settings(*of: Candidate, **changes: object) -> SweepSettings:
    return SweepSettings(candidates=of, simulated=True).model_copy(update=changes)


def world(of: Sequence[Candidate], **changes: object) -> World:
    """The later in the list, the dearer: each has 20 % less capacity than the one before."""
    made = World(
        {candidate.stack: SimulatedStack(0.5, 0.8) for candidate in of},
        {candidate.key: 100 * 0.8**place for place, candidate in enumerate(of)},
    )
    return World(**{**made.__dict__, **changes})


class Blocks:
    """Every candidate races for `blocks` blocks, then the cheapest is chosen.

    With `halving`, the dearer half is eliminated once each has a run.
    """

    def __init__(self, blocks: int = 2, *, halving: bool = False) -> None:
        self._blocks, self._halving = blocks, halving

    def decide(
        self,
        observed: Mapping[str, Sequence[Observation]],
        asked: int | None = None,  # noqa: ARG002 - the same for any number
    ) -> Decision:
        costs = {key: statistics.fmean(run.log_cost for run in runs) for key, runs in observed.items() if runs}
        ranked = sorted(costs, key=lambda key: costs[key])
        leader = ranked[0] if ranked else None
        standings = dict.fromkeys(observed, Standing.racing)
        if self._halving and len(ranked) == len(observed):
            first = sorted(observed, key=lambda key: observed[key][0].log_cost)
            standings |= dict.fromkeys(first[(len(first) + 1) // 2 :], Standing.eliminated)
        if all(len(observed[key]) >= self._blocks for key in observed if standings[key] == Standing.racing):
            standings = dict.fromkeys(observed, Standing.eliminated)
            if leader:
                standings[leader] = Standing.chosen
        return Decision(standings, {}, leader, "the cheapest")

    def length(self, block: int, candidates: int) -> Length:  # noqa: ARG002 - the same for any number
        return Length.short if block == 1 else Length.full

    def most_blocks(self, candidates: int) -> int:  # noqa: ARG002 - the same for any number
        return self._blocks


class Rehearsal:
    """One sweep in `folder`, in simulated time; `sweep` runs it, and again to resume it."""

    def __init__(self, folder: Path, settings: SweepSettings, fleet: Fleet, strategy: Strategy | None = None) -> None:
        self.folder, self.settings, self.fleet = folder, settings, fleet
        self.strategy = strategy or Blocks()
        self.snapshots: list[Snapshot] = []
        self._now_s = 0.0

    def sweep(self, *, stop_s: Sequence[float] = (), observe: Observer | None = None, may_err: bool = False) -> Outcome:
        """Run it to its end; `stop_s` is when it is interrupted, in s after this beginning.

        Raises what a mistake in the program raises, unless it `may_err`.
        """
        loop = VirtualTimeLoop(self._now_s)
        clock = Clock(loop.time, loop.time)
        if self.folder.exists():
            journal = Journal.open(self.folder, clock)
        else:
            journal = Journal.create(self.folder, self.settings, clock)
        try:
            conductor = Conductor(journal, self.fleet, self.strategy, observe or self.snapshots.append, heartbeat_s=60)
            for seconds in stop_s:
                loop.call_later(seconds, conductor.stop)
            outcome = loop.run_until_complete(conductor.run())
        finally:
            self._now_s = loop.time()
            journal.close()
            loop.close()
        if outcome.error and not may_err:
            raise outcome.error
        return outcome

    @property
    def records(self) -> Sequence[Record]:
        journal = Journal.open(self.folder)
        journal.close()
        return journal.records

    @property
    def measured(self) -> list[Measure]:
        """The tasks whose run is recorded, in their order."""
        return [record.task for record in self.records if record.measured and isinstance(record.task, Measure)]
