"""The state of each stack and candidate, from the journal's records alone: the same records give the same state."""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from sweep.candidates import Candidate
from sweep.journal.records import Record, Result, Resumption
from sweep.tasks import Destroy, Length, Measure, Measured

# Tries of one run, and failed tasks in a row on one stack: with more, the stack is the reason, not its candidates. Both
# are counted anew once the sweep is resumed.
ATTEMPTS, MOST_FAILED_IN_A_ROW = 3, 6
_FAILURES = (Result.failed, Result.refused)


@dataclass
class StackRecord:
    """A stack, as recorded. `up_since_s` is when the task began that made it; None while nothing of it is up.

    `open_tasks` are begun and not ended. `is_used`: a run has finished since it was made. `failed_in_a_row` counts runs
    that failed one after the other, and `destroys_failed` failed destructions. `failed` says why it gets no more runs.
    """

    up_since_s: float | None = None
    up_before_s: float = 0
    open_tasks: dict[int, Record] = field(default_factory=dict)
    is_used: bool = False
    failed_in_a_row: int = 0
    destroys_failed: int = 0
    last: Record | None = None
    failed: str = ""
    leftovers: tuple[str, ...] = ()
    # About quota: whether another stack was up during the task, whether it waits, and what was freed before that.
    is_shared: bool = False
    waits_for_quota: bool = False
    refused_in_a_row: int = 0
    freed_before: int = 0

    def up_s(self, at_s: float) -> float:
        """How long the stack has been up by then, in s."""
        return self.up_before_s + (0 if self.up_since_s is None else at_s - self.up_since_s)


class SweepState:
    """The state after all records that were applied, each at its beginning and at its end."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self.candidates = {candidate.key: candidate for candidate in candidates}
        self.stacks = {candidate.stack: StackRecord() for candidate in candidates}
        # Objectives are known by their place in `loads`; `of_objective` and `of_stack` are keys of candidates.
        self.loads = list(dict.fromkeys(candidate.load for candidate in candidates))
        self.objective = {key: self.loads.index(candidate.load) for key, candidate in self.candidates.items()}
        self.of_objective: list[list[str]] = [[] for _ in self.loads]
        self.of_stack: dict[str, list[str]] = {stack: [] for stack in self.stacks}
        for key, candidate in self.candidates.items():
            self.of_objective[self.objective[key]].append(key)
            self.of_stack[candidate.stack].append(key)
        self.measured: dict[str, dict[int, Measured]] = {key: {} for key in self.candidates}
        self.lengths: dict[tuple[str, int], Length] = {}
        self.ends: dict[tuple[str, int], int] = {}
        self.failures: Counter[tuple[str, int]] = Counter()
        self.failed: dict[str, str] = {}
        # Candidates that had failed when the sweep was resumed, with the runs that they had.
        self.returned: dict[str, int] = {}
        # How often what the decision on an objective rests on has changed.
        self.versions = [0 for _ in self.loads]
        # How often a stack that was of use has been destroyed, so that there may be quota again.
        self.freed = 0

    @classmethod
    def of(
        cls, candidates: Sequence[Candidate], records: Sequence[Record], resumptions: Sequence[Resumption] = ()
    ) -> "SweepState":
        """The state after the records of a journal."""
        state = cls(candidates)
        events: list[tuple[int, Callable[[], None]]] = [
            (record.number, partial(state.begin, record)) for record in records
        ]
        events += [(record.end_number, partial(state.end, record)) for record in records if record.end_number]
        events += [(resumption.number, state.resume) for resumption in resumptions]
        for _, apply in sorted(events, key=lambda event: event[0]):
            apply()
        return state

    @property
    def up(self) -> list[str]:
        """The stacks of which something may be up."""
        return [stack for stack, of in self.stacks.items() if of.up_since_s is not None]

    @property
    def finished_runs(self) -> int:
        return sum(map(len, self.measured.values()))

    def next_block(self, key: str) -> int:
        """The first block in which a candidate has no run. Later ones may have one, where an earlier run is lost."""
        return next(block for block in itertools.count(1) if block not in self.measured[key])

    def begin(self, record: Record) -> None:
        """Apply the beginning of a task."""
        stack = self.stacks[record.task.stack]
        stack.open_tasks[record.number] = record
        if isinstance(record.task, Destroy):
            return
        stack.is_shared = any(name != record.task.stack for name in self.up)
        if stack.up_since_s is None:
            stack.up_since_s, stack.is_used = record.begun_at_s, False
            for name in self.up:
                self.stacks[name].is_shared |= name != record.task.stack

    def end(self, record: Record) -> None:
        """Apply the end of a task."""
        stack = self.stacks[record.task.stack]
        del stack.open_tasks[record.number]
        if record.result != Result.cut_off:
            stack.last = record
        if isinstance(record.task, Destroy):
            self._end_of_destroy(stack, record)
        else:
            self._end_of_measure(stack, record, record.task)

    def resume(self) -> None:
        """Apply a resumption: what failed gets as many tries as at first, since its cause may be fixed."""
        for key in self.failed:
            self.returned[key] = len(self.measured[key])
            self.versions[self.objective[key]] += 1
        self.failed.clear()
        self.failures.clear()
        for stack in self.stacks.values():
            stack.failed, stack.failed_in_a_row, stack.destroys_failed = "", 0, 0
            stack.waits_for_quota, stack.refused_in_a_row = False, 0

    def _end_of_destroy(self, stack: StackRecord, record: Record) -> None:
        if record.result == Result.destroyed:
            assert record.ended_at_s is not None
            stack.up_before_s, stack.up_since_s = stack.up_s(record.ended_at_s), None
            stack.destroys_failed, stack.leftovers = 0, record.leftovers
            self.freed += stack.is_used
        elif record.result == Result.failed:
            stack.destroys_failed += 1

    def _end_of_measure(self, stack: StackRecord, record: Record, task: Measure) -> None:
        key = task.candidate.key
        if record.result == Result.no_quota:
            stack.waits_for_quota, stack.freed_before = True, self.freed
            stack.refused_in_a_row += 1
            if not stack.is_shared or stack.refused_in_a_row > len(self.stacks):
                self._fail_stack(task.stack, record.why)
            return
        # It has its quota, whatever became of the run: it need not be made again.
        stack.waits_for_quota, stack.refused_in_a_row = False, 0
        if record.measured:
            self.measured[key][task.block] = record.measured
            assert record.end_number is not None
            self.lengths[key, task.block], self.ends[key, task.block] = task.length, record.end_number
            self.versions[self.objective[key]] += 1
            stack.is_used, stack.failed_in_a_row = True, 0
        elif record.result in _FAILURES:
            stack.failed_in_a_row += 1
            self.failures[key, task.block] += 1
            if record.result == Result.refused or self.failures[key, task.block] >= ATTEMPTS:
                self._fail(key, record.why)
            if stack.failed_in_a_row >= MOST_FAILED_IN_A_ROW:
                self._fail_stack(task.stack, record.why)

    def _fail_stack(self, stack: str, why: str) -> None:
        self.stacks[stack].failed = why
        for key in self.of_stack[stack]:
            self._fail(key, f"its stack failed: {why}")

    def _fail(self, key: str, why: str) -> None:
        self.failed.setdefault(key, why)
        self.versions[self.objective[key]] += 1
