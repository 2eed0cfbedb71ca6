"""Sweeps that are cut off in every way, again and again, and what is wrong with them at the end: it must be nothing."""

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path

from stacks.load.load_profiles import PROFILES, CapacitySearch
from stacks.server.serving_variant import ServingSettings
from sweep.candidates import Candidate
from sweep.conductor.conductor import Conductor
from sweep.conductor.snapshot import Ending, Outcome, Place
from sweep.journal.clock import Clock
from sweep.journal.database import JournalError
from sweep.journal.journal import Journal
from sweep.journal.records import Record, Resumption
from sweep.settings import SweepSettings
from sweep.simulation.cloud import Cloud
from sweep.simulation.event_loop import VirtualTimeLoop
from sweep.simulation.fleet import SimulatedFleet
from sweep.simulation.run import HEARTBEAT_S
from sweep.simulation.world import Faults, SimulatedStack, World
from sweep.strategy import Strategy

_HOUR_S, _DAY_S = 3600, 86_400
_LOAD = PROFILES["capacity"]
assert isinstance(_LOAD, CapacitySearch)
CANDIDATES = tuple(
    Candidate(
        label=f"{stack}, inter_op {inter_op}",
        stack=stack,
        serving=ServingSettings(protocol="rest", inter_op=inter_op),
        server=None,
        load=_LOAD,
    )
    for stack, inter_ops in {"a": (2, 4, 8), "b": (2, 4), "c": (2, 4), "d": (2,)}.items()
    for inter_op in inter_ops
)
_FAULTS = (0, 0.05, 0.3)


class Killed(SystemExit):
    """The process is killed here: asyncio lets this one through."""


@dataclass(frozen=True)
class Session:
    """What befalls one process. Times in s after it began; None where it does not happen. `writes` count from 1."""

    killed_s: float | None = None
    stopped_s: tuple[float, ...] = ()
    killed_at_write: int | None = None
    is_write_kept: bool = False
    disk_full_s: tuple[float, float] = (0, 0)
    clock_jump_s: float = 0
    down_s: float = 60


class ChaosJournal(Journal):
    """A journal whose process is killed at a write, before or after it is kept, and whose disk is full for a while."""

    session = Session()
    writes = 0
    now_s: Callable[[], float]

    def _write(self, change: Record | Resumption | None) -> None:
        self.writes += 1
        full_from_s, full_to_s = self.session.disk_full_s
        if full_from_s <= self.now_s() < full_to_s:
            raise JournalError("simulated: database or disk is full")
        is_last = self.writes == self.session.killed_at_write
        if not is_last or self.session.is_write_kept:
            super()._write(change)
        if is_last:
            raise Killed


def chaos_problems(seed: int, strategy_of: Callable[[SweepSettings], Strategy]) -> list[str]:
    """Cut off the sweep of a seed again and again, let it end undisturbed, and return what is wrong then."""
    with tempfile.TemporaryDirectory() as folder:
        return _Chaos(Path(folder) / "chaos", seed, strategy_of).problems()


@dataclass
class _Chaos:
    """One sweep in `folder`, with all that befalls it drawn from `seed`."""

    folder: Path
    seed: int
    strategy_of: Callable[[SweepSettings], Strategy]

    def problems(self) -> list[str]:
        draw = random.Random(f"chaos {self.seed}")  # noqa: S311 - no secret
        settings = SweepSettings(
            candidates=CANDIDATES,
            parallel=draw.randint(1, 4),
            blocks=draw.randint(2, 4),
            seed=self.seed,
            simulated=True,
        )
        cloud = Cloud(world(draw, self.seed))
        began_s, outcome = 0.0, None
        sessions = [_session(draw) for _ in range(draw.randint(1, 5))]
        try:
            for session in sessions:
                began_s, outcome = self._run(cloud, settings, session, began_s)
                kill_updates(cloud, draw)
            cloud.faults, cloud.world = Faults(), replace(cloud.world, quota=None)
            _, outcome = self._run(cloud, settings, Session(), began_s)
        except Exception as error:  # noqa: BLE001 - an exception of any kind is what chaos looks for
            return [f"{type(error).__name__}: {error}"]
        return self._wrong(cloud, outcome)

    def _run(
        self, cloud: Cloud, settings: SweepSettings, session: Session, began_s: float
    ) -> tuple[float, Outcome | None]:
        """One process. Returns when the next begins, and the outcome, if this one lived to see it."""
        loop = VirtualTimeLoop(began_s)
        clock = Clock(loop.time, lambda: loop.time() + session.clock_jump_s * (loop.time() > began_s + _HOUR_S / 2))
        outcome = None
        journal = self._journal(settings, clock, session, loop)
        try:
            conductor = Conductor(journal, SimulatedFleet(cloud), self.strategy_of(settings), heartbeat_s=HEARTBEAT_S)
            if session.killed_s is not None:
                loop.call_later(session.killed_s, kill)
            for stopped_s in session.stopped_s:
                loop.call_later(stopped_s, conductor.stop)
            outcome = loop.run_until_complete(conductor.run())
        except Killed:
            forget(loop)
        finally:
            journal.close()
            loop.close()
        if outcome and outcome.error:
            raise outcome.error
        return loop.time() + session.down_s, outcome

    def _journal(self, settings: SweepSettings, clock: Clock, session: Session, loop: VirtualTimeLoop) -> ChaosJournal:
        is_new = not self.folder.exists()
        journal = ChaosJournal.create(self.folder, settings, clock) if is_new else ChaosJournal.open(self.folder, clock)
        began_s = loop.time()
        journal.session, journal.now_s = session, lambda: loop.time() - began_s
        return journal

    def _wrong(self, cloud: Cloud, outcome: Outcome | None) -> list[str]:
        journal = Journal.open(self.folder)
        records = journal.records
        journal.close()
        measured = [record for record in records if record.measured]
        ids = Counter(record.measured.run_id for record in measured if record.measured)
        stored = Counter((key, block) for key, block, _ in cloud.runs)
        wrong = [f"the run {run_id} is recorded {times} times" for run_id, times in ids.items() if times > 1]
        wrong += [f"block {of[1]} of {of[0]} was measured {times} times" for of, times in stored.items() if times > 1]
        wrong += [f"the run {run.run_id} is lost" for _, _, run in cloud.runs if run.run_id not in ids]
        wrong += [f"{stack} is up" for stack in cloud.up_since_s]
        wrong += [f"task {record.number} is open" for record in records if record.is_open]
        if not outcome or outcome.ending != Ending.decided or outcome.may_be_up or outcome.leftovers:
            return [*wrong, f"it ended with {outcome}"]
        # What failed in an earlier process is tried again, and nothing fails in the last one.
        views = [view for objective in outcome.last.objectives for view in objective.candidates]
        return wrong + [f"{view.candidate.label} failed: {view.why}" for view in views if view.place is Place.failed]


def world(draw: random.Random, seed: int) -> World:
    outages = sorted(draw.uniform(0, 6 * _HOUR_S) for _ in range(draw.randint(0, 3)))
    stacks = sorted({candidate.stack for candidate in CANDIDATES})
    return World(
        {stack: SimulatedStack(0.5 + 0.1 * place, 0.8 + 0.1 * place) for place, stack in enumerate(stacks)},
        {candidate.key: 100 * draw.uniform(0.5, 1.5) for candidate in CANDIDATES},
        faults=Faults(
            create=draw.choice(_FAULTS),
            run=draw.choice(_FAULTS),
            destroy=draw.choice(_FAULTS),
            outages=tuple((begin_s, begin_s + draw.uniform(30, 1800)) for begin_s in outages),
        ),
        quota=draw.choice((1, 2, 3, None)),
        seed=seed,
    )


def _session(draw: random.Random) -> Session:
    at_s, write = draw.uniform(0, 2 * _HOUR_S), draw.randint(1, 60)
    again_s = at_s + draw.uniform(0.1, 600)
    session = draw.choice(
        (
            Session(killed_s=at_s),
            Session(killed_at_write=write, is_write_kept=draw.random() < 0.5),
            Session(stopped_s=(at_s,)),
            Session(stopped_s=(at_s, again_s)),
            Session(stopped_s=(at_s,), killed_s=again_s),
            Session(disk_full_s=(at_s, again_s)),
            Session(disk_full_s=(at_s, at_s + _DAY_S)),
        )
    )
    return replace(session, clock_jump_s=draw.choice((0, -_DAY_S, _DAY_S)), down_s=draw.uniform(1, 2 * _HOUR_S))


def kill() -> None:
    raise Killed


def kill_updates(cloud: Cloud, draw: random.Random) -> None:
    """Kill what runs the updates; each goes on without it with a probability of a half."""
    for stack in [stack for stack in cloud.operations if draw.random() < 0.5]:
        cloud.abandon(stack)


def forget(loop: VirtualTimeLoop) -> None:
    """Let go of the coroutines of a killed process, without what asyncio says of each."""
    loop.set_exception_handler(lambda _loop, _context: None)
    for task in asyncio.all_tasks(loop):
        coroutine = task.get_coro()
        assert isinstance(coroutine, Coroutine)
        coroutine.close()
