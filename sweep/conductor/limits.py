"""What a sweep has spent, and whether one more task, then destroying every stack, stays within its limits."""

from collections.abc import Mapping
from dataclasses import dataclass

from sweep.conductor.snapshot import Ending
from sweep.conductor.state import SweepState
from sweep.fleet import Expected
from sweep.journal.records import Record
from sweep.lengths import load_of
from sweep.settings import SweepSettings
from sweep.tasks import Destroy, Measure, Task

_HOUR_S = 3600
# Destroying cannot be cut off, so its price is reserved for longer than it usually takes.
_DESTROYING_RESERVE = 1.5


def task_s(task: Task, expected: Expected, *, makes_stack: bool) -> float:
    """How long a task takes at most, if all goes well, in s."""
    if isinstance(task, Destroy):
        return expected.destroy_s
    return (expected.create_s if makes_stack else expected.update_s) + load_of(task).total_s


def left_s(state: SweepState, record: Record, expected: Expected, at_s: float) -> float:
    """How long a task that runs takes from now on, in s; 0 if it takes longer than expected already."""
    makes_stack = state.stacks[record.task.stack].up_since_s == record.begun_at_s
    return max(0.0, record.begun_at_s + task_s(record.task, expected, makes_stack=makes_stack) - at_s)


@dataclass(frozen=True)
class Limits:
    """The limits of a sweep. Stacks without a price count as free; a sweep with `max_usd` has none such."""

    settings: SweepSettings
    expected: Mapping[str, Expected]

    def stack_usd(self, state: SweepState, stack: str, at_s: float) -> float:
        """What a stack has cost by then, in USD."""
        return self._usd(stack, state.stacks[stack].up_s(at_s))

    def spent_usd(self, state: SweepState, at_s: float) -> float:
        """What all stacks have cost by then, in USD."""
        return sum(self.stack_usd(state, stack, at_s) for stack in state.stacks)

    def reached(self, state: SweepState, at_s: float, active_s: float) -> Ending | None:
        """The limit that would be exceeded if destroying everything began any later."""
        destroying_s = {stack: self._destroying_s(stack) for stack in state.up}
        usd = self.spent_usd(state, at_s) + sum(self._usd(stack, seconds) for stack, seconds in destroying_s.items())
        return self._exceeded(usd, active_s + max(destroying_s.values(), default=0.0))

    def forbids(self, state: SweepState, task: Measure, at_s: float, active_s: float) -> Ending | None:
        """The limit that the sweep would exceed with one more task, then destroying everything."""
        usd = self.spent_usd(state, at_s)
        for stack in state.up:
            running_s = sum(
                left_s(state, record, self.expected[stack], at_s) for record in state.stacks[stack].open_tasks.values()
            )
            usd += self._usd(stack, running_s + self._destroying_s(stack))
        of_task, is_down = self.expected[task.stack], task.stack not in state.up
        one_more_s = task_s(task, of_task, makes_stack=is_down)
        usd += self._usd(task.stack, one_more_s + (self._destroying_s(task.stack) if is_down else 0.0))
        return self._exceeded(usd, active_s + one_more_s + self._destroying_s(task.stack))

    def _destroying_s(self, stack: str) -> float:
        return _DESTROYING_RESERVE * self.expected[stack].destroy_s

    def _usd(self, stack: str, seconds: float) -> float:
        return (self.expected[stack].billed_usd_hourly or 0.0) * seconds / _HOUR_S

    def _exceeded(self, usd: float, seconds: float) -> Ending | None:
        if self.settings.max_usd is not None and usd > self.settings.max_usd:
            return Ending.max_usd
        if self.settings.max_hours is not None and seconds > self.settings.max_hours * _HOUR_S:
            return Ending.max_hours
        return None
