"""The loop of one stack: takes one step after the other, and destroys the stack however the loop ends."""

from sweep.conductor.running import Running
from sweep.conductor.state import ATTEMPTS
from sweep.conductor.steps import PAUSES_S, Look, Pause, Step, last_step, next_step
from sweep.conductor.takedown import destroy
from sweep.fleet import FleetError, LastingError, Progress, QuotaError
from sweep.journal.database import JournalError
from sweep.journal.records import Record, Result
from sweep.tasks import Destroy, Measure


class StackLoop:
    """Runs the tasks of one stack."""

    def __init__(self, sweep: Running, stack: str) -> None:
        self._sweep, self._stack = sweep, stack
        self._doing = sweep.doing[stack]
        self._looks_failed = 0

    async def run(self) -> None:
        """Until nothing is left to do for this stack. Raises only a mistake in what destroys it."""
        try:
            await self._steps()
        except JournalError as error:
            self._sweep.lose_journal(str(error))
        except Exception as error:  # noqa: BLE001 - the outcome has it
            self._sweep.fail(error)
        else:
            if not self._sweep.journal_is_lost:
                return
        await self._destroy_unrecorded()

    async def _steps(self) -> None:
        while not self._sweep.journal_is_lost:
            step = self._doing.step = self._next()
            self._doing.progress = None
            if step is None and self._sweep.is_over:
                break
            await self._take(step)

    def _next(self) -> Step | None:
        sweep, at_s = self._sweep, self._sweep.journal.at_s
        if sweep.ending or self._doing.given_up:
            return last_step(sweep.state, self._stack, at_s)
        step = next_step(sweep.state, sweep.decisions, sweep.settings, self._stack, at_s, sweep.room)
        if isinstance(step, Measure) and (
            limit := sweep.limits.forbids(sweep.state, step, at_s, sweep.journal.active_s)
        ):
            sweep.close(limit)
            return last_step(sweep.state, self._stack, at_s)
        return step

    async def _take(self, step: Step | None) -> None:
        sweep = self._sweep
        match step:
            case Look(record):
                await self._look(record)
            case Pause(until_s):
                sweep.show()
                await sweep.rest(until_s - sweep.journal.at_s)
            case Measure():
                await self._measure(step)
            case Destroy():
                await self._destroy(step)
            case _:
                await sweep.idle(self._stack)

    async def _look(self, record: Record) -> None:
        """Find the run of a task that was cut off. While that is not known, the run is not made again."""
        sweep, task = self._sweep, record.task
        assert isinstance(task, Measure)
        sweep.show()
        try:
            found = await sweep.unless_stopped(self._stack, sweep.fleet.find(task))
        except FleetError as error:
            self._looks_failed += 1
            if self._looks_failed >= ATTEMPTS:
                why = f"cannot tell whether a run that was cut off has finished: {error}"
                sweep.give_up(self._stack, why)
            else:
                await sweep.rest(PAUSES_S[self._looks_failed - 1])
            return
        if found:
            sweep.finish(record, found)
        elif not sweep.ending:
            sweep.end(record, Result.cut_off)

    async def _measure(self, task: Measure) -> None:
        sweep = self._sweep
        record = sweep.begin(task)
        try:
            measured = await sweep.unless_stopped(self._stack, sweep.fleet.measure(task, self._report))
        except LastingError as error:
            sweep.end(record, Result.refused, str(error))
        except QuotaError as error:
            sweep.end(record, Result.no_quota, str(error))
        except FleetError as error:
            sweep.end(record, Result.failed, str(error))
        else:
            # Without a result it was cancelled, and stays open: `find` tells later whether the run had finished.
            if measured:
                sweep.finish(record, measured)

    async def _destroy(self, task: Destroy) -> None:
        sweep = self._sweep
        record = sweep.begin(task)
        try:
            await sweep.fleet.destroy(self._stack, self._report)
        except (FleetError, OSError) as error:
            sweep.end(record, Result.failed, str(error))
            return
        # Should the journal fail now, the stack is destroyed all the same.
        sweep.destroyed.add(self._stack)
        sweep.end(record, Result.destroyed, leftovers=await sweep.leftovers(self._stack))
        sweep.destroyed.discard(self._stack)

    async def _destroy_unrecorded(self) -> None:
        """Destroy the stack without a record, after a mistake or without a journal; a resumed sweep does it again."""
        sweep = self._sweep
        if self._stack not in sweep.state.up or self._stack in sweep.destroyed:
            return
        self._doing.step = Destroy(self._stack)
        if why := await destroy(sweep.fleet, self._stack, self._report):
            self._doing.given_up = why
        else:
            sweep.destroyed.add(self._stack)

    def _report(self, progress: Progress) -> None:
        self._doing.progress = progress
        self._sweep.show()
