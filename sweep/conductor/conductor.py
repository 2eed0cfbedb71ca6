"""Runs a sweep: every stack's loop side by side, until every objective is decided and every stack destroyed."""

import asyncio
import contextlib
from collections.abc import Callable

from sweep.conductor.running import Running
from sweep.conductor.snapshot import Ending, Observer, Outcome, Snapshot
from sweep.conductor.stack_loop import StackLoop
from sweep.fleet import Expected, Fleet, LastingError
from sweep.journal.database import JournalError
from sweep.journal.journal import Journal
from sweep.journal.records import Result
from sweep.prior import by_promise
from sweep.settings import SweepSettings
from sweep.strategy import Strategy
from sweep.tasks import Destroy

HEARTBEAT_S = 10
NOT_SEARCHED = "not known, because the sweep was ended before it searched for leftovers"


class Conductor:
    """Runs the sweep of a journal, from the beginning or from where it was cut off.

    `observe` is called at each change and every `heartbeat_s`, from the event loop; between two runs of a stack it is
    called before the next begins. Raises LastingError where a stack has no price that is needed.
    """

    def __init__(
        self,
        journal: Journal,
        fleet: Fleet,
        strategy: Strategy,
        observe: Observer | None = None,
        *,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._sweep = Running(journal, fleet, strategy, expectations(journal.settings, fleet.expected), observe)
        self._heartbeat_s = heartbeat_s
        self._loops: list[asyncio.Task[None]] = []
        self._stops = 0
        self._notes: list[str] = []

    @property
    def snapshot(self) -> Snapshot:
        """The sweep now."""
        return self._sweep.snapshot()

    async def run(self) -> Outcome:
        """Run to the end. Raises LastingError, with nothing made, where the sweep cannot begin."""
        sweep = self._sweep
        await sweep.fleet.check([stack for stack in sweep.state.stacks if stack not in sweep.state.up])
        try:
            await sweep.ask_for_room()
            if sweep.journal.records:
                sweep.resume()
                await sweep.compare_with_store()
                self._notes += sweep.notes
            self._end_destroys_cut_off()
        except JournalError as error:
            sweep.lose_journal(str(error))
        except Exception as error:  # noqa: BLE001 - the outcome has it; the loops destroy what is up from before
            sweep.fail(error)
        # Those that begin first have the first places among the stacks that are up.
        stacks = list(dict.fromkeys([*by_promise(sweep.settings.priors), *sweep.state.stacks]))
        self._loops = [asyncio.create_task(StackLoop(sweep, stack).run()) for stack in stacks]
        if self._stops > 1:
            for loop in self._loops:
                loop.cancel()
        heartbeat = asyncio.create_task(self._heartbeat())
        try:
            ends = await asyncio.gather(*self._loops, return_exceptions=True)
        finally:
            heartbeat.cancel()
        for stack, end in zip(stacks, ends, strict=True):
            if isinstance(end, Exception):
                sweep.doing[stack].given_up = repr(end)
                sweep.fail(end)
        await self._compare_at_end()
        return self._outcome(await self._leftovers())

    def stop(self) -> None:
        """Once: begin no task, cancel those that run, destroy every stack. Twice: cancel that too, and end at once."""
        self._stops += 1
        self._sweep.stop(Ending.interrupted)
        if self._stops > 1:
            self._sweep.is_cut_off = True
            for loop in self._loops:
                loop.cancel()

    def _end_destroys_cut_off(self) -> None:
        """A stack whose destruction was cut off may be up, and is destroyed again."""
        records = [record for stack in self._sweep.state.stacks.values() for record in stack.open_tasks.values()]
        for record in records:
            if isinstance(record.task, Destroy):
                self._sweep.end(record, Result.cut_off)

    async def _heartbeat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            try:
                self._beat()
            except Exception as error:  # noqa: BLE001 - without limits the sweep could cost too much
                return self._sweep.fail(error)

    def _beat(self) -> None:
        """Record that the sweep is running, and end it at a limit."""
        sweep = self._sweep
        with contextlib.suppress(JournalError):  # the next task finds the same
            sweep.journal.heartbeat()
        limit = sweep.limits.reached(sweep.state, sweep.journal.at_s, sweep.journal.active_s)
        if limit and sweep.is_measuring:
            sweep.stop(limit)
        sweep.show()

    async def _compare_at_end(self) -> None:
        """The answer rests on what the results store has at the end, too. What is lost then is not made again."""
        sweep = self._sweep
        if self._stops > 1:
            return
        was_decided = sweep.decisions.all_decided(sweep.state)
        try:
            await sweep.compare_with_store()
        except JournalError as error:
            sweep.lose_journal(str(error))
        except Exception as error:  # noqa: BLE001 - kept in `error`
            sweep.fail(error)
        self._notes += [note for note in sweep.notes if note not in self._notes]
        if was_decided and not sweep.decisions.all_decided(sweep.state):
            sweep.close(Ending.lost)

    async def _leftovers(self) -> dict[str, tuple[str, ...]]:
        """A last look at the stacks that had any, or of which it is not known."""
        sweep = self._sweep
        # Where the destruction is not recorded, the search after it is neither.
        to_search = {stack: of for stack, of in sweep.state.stacks.items() if of.leftovers or stack in sweep.destroyed}
        looked = {
            stack: (of.leftovers or (NOT_SEARCHED,)) if self._stops > 1 else await sweep.leftovers(stack)
            for stack, of in to_search.items()
        }
        return {stack: found for stack, found in looked.items() if found}

    def _outcome(self, leftovers: dict[str, tuple[str, ...]]) -> Outcome:
        sweep = self._sweep
        state = sweep.state
        if sweep.ending is None:
            sweep.ending = Ending.all_failed if len(state.failed) == len(state.candidates) else Ending.decided
        may_be_up = {stack: self._why_up(stack) for stack in state.up if stack not in sweep.destroyed}
        try:
            last = sweep.snapshot()
        except Exception as error:
            for stack, why in may_be_up.items():
                error.add_note(
                    f"The stack {stack} may be up and cost money: {why}. Destroy it: `tools/take_down {stack}` if it is"
                    f" a GKE stack, else `pulumi destroy --stack {stack}`."
                )
            for stack, left in leftovers.items():
                error.add_note(f"Left of the stack {stack}: {', '.join(left)}")
            raise
        return Outcome(sweep.ending, sweep.message, last, leftovers, may_be_up, sweep.error, tuple(self._notes))

    def _why_up(self, stack: str) -> str:
        last = self._sweep.state.stacks[stack].last
        if last and isinstance(last.task, Destroy) and last.result == Result.failed:
            return last.why
        return self._sweep.doing[stack].given_up or "the sweep was interrupted before it was destroyed"


def expectations(settings: SweepSettings, expected_of: Callable[[str], Expected]) -> dict[str, Expected]:
    """What is known of the stacks of a sweep; raises LastingError where a price is missing that is needed."""
    stacks = dict.fromkeys(candidate.stack for candidate in settings.candidates)
    expected = {stack: expected_of(stack) for stack in stacks}
    for stack, of in expected.items():
        if of.usd_hourly is None:
            raise LastingError(
                f"The stack {stack} has no hourly price, so its cost cannot be compared. Leave the stack out;"
                f" `shapebench price --stack {stack}` says which price is missing."
            )
        if of.billed_usd_hourly is None and settings.max_usd is not None:
            raise LastingError(
                f"A price of the stack {stack} is missing, so it is not known what it costs and --max-usd cannot be"
                f" kept. Leave --max-usd or the stack out; `shapebench price --stack {stack}` says which price is"
                " missing."
            )
    return expected
