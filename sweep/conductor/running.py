"""What the loops of all stacks share while a sweep runs: state, decisions, and the events that they wait for."""

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from analysis.formatting import counted
from sweep.conductor.decisions import Decisions, observation
from sweep.conductor.limits import Limits
from sweep.conductor.snapshot import Ending, Observer, Snapshot
from sweep.conductor.state import SweepState
from sweep.conductor.views import Doing, Views
from sweep.fleet import Expected, Fleet, FleetError
from sweep.journal.journal import Journal
from sweep.journal.records import Record, Result
from sweep.room import Room
from sweep.strategy import Strategy
from sweep.tasks import Measure, Measured, Task

_Found = TypeVar("_Found")


class Running:
    """What the coroutines of all stacks share. `ending` is None as long as tasks are begun.

    `destroyed` are stacks that are destroyed, while the journal does not say so yet, or cannot.
    """

    def __init__(
        self,
        journal: Journal,
        fleet: Fleet,
        strategy: Strategy,
        expected: Mapping[str, Expected],
        observe: Observer | None,
    ) -> None:
        self.journal, self.fleet, self._observe = journal, fleet, observe
        self.settings = journal.settings
        self.state = SweepState.of(self.settings.candidates, journal.records, journal.resumptions)
        usd_hourly = {stack: of.usd_hourly for stack, of in expected.items() if of.usd_hourly is not None}
        self.decisions = Decisions(
            strategy,
            usd_hourly,
            on_one_machine=self.settings.on_one_machine,
            fresh_nodes=[stack for stack, of in expected.items() if of.fresh_nodes],
        )
        self.limits = Limits(self.settings, expected)
        self._views = Views(journal.sweep_id, self.decisions, self.limits)
        self.doing = {stack: Doing() for stack in self.state.stacks}
        self.destroyed: set[str] = set()
        self.ending: Ending | None = None
        self.message, self.journal_is_lost = "", False
        self.notes: list[str] = []
        self.is_cut_off = False
        self.room = Room()
        self.error: Exception | None = None
        self.ended = asyncio.Event()
        self._changed, self._idle = asyncio.Event(), set[str]()
        self._measuring: dict[str, asyncio.Task[Any]] = {}

    @property
    def is_over(self) -> bool:
        """Whether no stack will get a run any more. One that is made or looked for may still change a decision."""
        return self.ending is not None or (not self._has_open_runs and self.decisions.all_decided(self.state))

    @property
    def _has_open_runs(self) -> bool:
        return any(
            isinstance(record.task, Measure)
            for stack, of in self.state.stacks.items()
            if not self.doing[stack].given_up
            for record in of.open_tasks.values()
        )

    @property
    def is_measuring(self) -> bool:
        return bool(self._measuring)

    def snapshot(self) -> Snapshot:
        return self._views.snapshot(self.state, self.doing, self.ending, self.journal.at_s, self.journal.active_s)

    def show(self) -> None:
        """Call the observer. One that raises is not called again, and ends the sweep."""
        if self._observe:
            try:
                self._observe(self.snapshot())
            except Exception as error:  # noqa: BLE001 - kept in `error`
                self._observe = None
                # Not at once: the task that is shown may not be among those that are cancelled yet.
                asyncio.get_running_loop().call_soon(self.fail, error)

    async def leftovers(self, stack: str) -> tuple[str, ...]:
        """What a stack that is destroyed has left, or that this is not known."""
        try:
            return tuple(await self.fleet.leftovers(stack))
        except FleetError as error:
            return (f"not known, because the search for leftovers failed: {error}",)
        except Exception as error:  # noqa: BLE001 - kept in `error`
            self.fail(error)
            return (f"not known, because the search for leftovers failed: {error!r}",)

    def resume(self) -> None:
        """Record that the sweep is resumed; raises JournalError."""
        self.journal.resume()
        self.state.resume()
        self._change()

    def begin(self, task: Task) -> Record:
        """Record the beginning of a task; raises JournalError."""
        record = self.journal.begin(task)
        self.state.begin(record)
        self._change()
        return record

    def end(self, record: Record, result: Result, why: str = "", leftovers: tuple[str, ...] = ()) -> None:
        """Record the end of a task that measured nothing; raises JournalError."""
        self._apply(self.journal.end(record.number, result, why=why, leftovers=leftovers))

    def finish(self, record: Record, measured: Measured) -> None:
        """Record a finished run; raises JournalError."""
        task = record.task
        assert isinstance(task, Measure)
        if observation(record.number, task.block, task.length, measured, 1.0):
            self._apply(self.journal.end(record.number, Result.measured, measured))
        else:
            self.end(
                record,
                Result.refused,
                f"The run {measured.run_id} met the objective at every rate that it tried, so its capacity and cost are"
                " not known. Give a higher load.highestRps.",
            )

    async def ask_for_room(self) -> None:
        """Read the quotas that the stacks share. Where they are not known, each is created until one is refused."""
        try:
            self.room = await self.fleet.room(list(self.state.stacks))
        except FleetError:
            self.room = Room()

    async def compare_with_store(self) -> None:
        """Take back the runs that the results store no longer has as they were recorded, so that they are made again.

        Which ones, and which cannot be compared, is in `notes`. Raises JournalError.
        """
        self.notes, unknown, why = [], 0, ""
        lost: dict[Record, str] = {}
        for record in [record for record in self.journal.records if record.measured]:
            assert isinstance(record.task, Measure)
            assert record.measured is not None
            if self.is_cut_off:
                return
            try:
                if reason := await self.fleet.lost(record.task, record.measured):
                    lost[record] = reason
            except FleetError as error:
                unknown, why = unknown + 1, str(error)
        for record, reason in lost.items():
            assert isinstance(record.task, Measure)
            label = f"{record.task.candidate.label}, block {record.task.block}"
            self.notes.append(f"The run of {label} does not count, and is to be made again: {reason}")
            self.journal.lose(record.number, reason)
        if unknown:
            runs = counted(unknown, "run")
            self.notes.append(f"{runs} could not be compared with the results store, but count as recorded: {why}")
        if lost:
            self.state = SweepState.of(self.settings.candidates, self.journal.records, self.journal.resumptions)
            self.decisions.forget()
            self._change()

    def give_up(self, stack: str, why: str) -> None:
        """The stack gets no more runs in this process; other stacks may have waited for its last one."""
        self.doing[stack].given_up = why
        self._change()

    def close(self, ending: Ending, message: str = "") -> None:
        """Begin no more runs, and finish those that are being made. The first reason stays."""
        if self.ending is None:
            self.ending, self.message = ending, message
        self.ended.set()
        self._change()

    def stop(self, ending: Ending, message: str = "") -> None:
        """Begin no more runs, and cancel those that are being made."""
        self.close(ending, message)
        for measuring in self._measuring.values():
            # A fleet that is cancelled twice no longer waits for the update to end.
            if not measuring.cancelling():
                measuring.cancel()

    def fail(self, error: Exception) -> None:
        """End the sweep because of a mistake in the program. The first one stays."""
        if self.error is None:
            self.error = error
        self.stop(Ending.error, f"there was an error in shapebench itself: {error!r}")

    def lose_journal(self, message: str) -> None:
        """End the sweep because nothing can be recorded any more."""
        self.journal_is_lost = True
        self.ending, self.message = Ending.journal, message
        self.stop(Ending.journal)

    async def unless_stopped(self, stack: str, work: Coroutine[Any, Any, _Found]) -> _Found | None:
        """What `work` gives; None if the sweep ended first and `work` was cancelled."""
        task = asyncio.create_task(work)
        self._measuring[stack] = task
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current and current.cancelling():
                raise
            return None
        finally:
            del self._measuring[stack]

    async def idle(self, stack: str) -> None:
        """Wait for a change. Where all stacks wait for one, none will come, and the sweep ends."""
        self._idle.add(stack)
        if len(self._idle) == len(self.doing):
            self.close(Ending.undecided)
        else:
            await self._changed.wait()

    async def rest(self, seconds: float) -> None:
        """Wait so long; if the sweep has not ended yet, at most until it does."""
        seconds = max(seconds, 0.01)  # shorter ones do not move a clock with the resolution of a float
        if self.ending:
            await asyncio.sleep(seconds)
        else:
            # Unlike wait_for, it lets no cancellation get lost that comes with the end.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self.ended.wait()

    def _apply(self, record: Record) -> None:
        self.state.end(record)
        self._change()

    def _change(self) -> None:
        self._idle.clear()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        self.show()
