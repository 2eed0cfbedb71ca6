"""Makes the snapshots of a sweep from its state."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sweep.conductor.decisions import Decisions
from sweep.conductor.limits import Limits, left_s, task_s
from sweep.conductor.snapshot import CandidateView, Ending, ObjectiveView, Place, Snapshot, StackState, StackView
from sweep.conductor.state import StackRecord, SweepState
from sweep.conductor.steps import Look, Pause, Step, Wait
from sweep.fleet import Progress
from sweep.strategy import Decision
from sweep.tasks import Destroy, Measure


@dataclass
class Doing:
    """What a stack is doing in this process; `step` is None before its first step and after its last.

    `given_up` says why it gets no more runs in this process.
    """

    step: Step | None = None
    progress: Progress | None = None
    given_up: str = ""


@dataclass(frozen=True)
class Views:
    """Makes snapshots. Everything but the arguments of `snapshot` stays as it is while the sweep runs."""

    sweep_id: str
    decisions: Decisions
    limits: Limits

    def snapshot(
        self, state: SweepState, doing: Mapping[str, Doing], ending: Ending | None, at_s: float, active_s: float
    ) -> Snapshot:
        """The sweep at `at_s`."""
        expected, settings = self.limits.expected, self.limits.settings
        return Snapshot(
            self.sweep_id,
            tuple(self._stack(state, stack, doing[stack], ending, at_s) for stack in state.stacks),
            tuple(self._objective(state, objective) for objective in range(len(state.loads))),
            state.finished_runs,
            active_s / 3600,
            self.limits.spent_usd(state, at_s),
            tuple(stack for stack in state.stacks if expected[stack].billed_usd_hourly is None),
            self._left_at_most_s(state, at_s, ending),
            ending,
            settings.simulated,
        )

    def _stack(self, state: SweepState, stack: str, doing: Doing, ending: Ending | None, at_s: float) -> StackView:
        record, expected = state.stacks[stack], self.limits.expected[stack]
        running = next(reversed(record.open_tasks.values()), None) if doing.step else None
        return StackView(
            stack,
            _stack_state(record, doing, ending),
            running.task if running else None,
            doing.progress,
            at_s - running.begun_at_s if running else 0,
            left_s(state, running, expected, at_s) if running else None,
            None if expected.billed_usd_hourly is None else self.limits.stack_usd(state, stack, at_s),
            _why(record, doing),
        )

    def _objective(self, state: SweepState, objective: int) -> ObjectiveView:
        decision = self.decisions.decision(state, objective)
        costs = {key: decision.log_costs.get(key, self._log_cost(state, key)) for key in state.of_objective[objective]}
        of_leader = costs.get(decision.leader) if decision.leader else None
        views = {key: self._candidate(state, key, costs[key], of_leader) for key in costs}
        return ObjectiveView(
            state.loads[objective],
            tuple(views.values()),
            views.get(decision.leader) if decision.leader else None,
            decision.claim,
            self.decisions.is_decided(state, objective),
        )

    def _log_cost(self, state: SweepState, key: str) -> float | None:
        """The logarithm of a candidate's cost: the mean of its runs if it failed, the highest if it has bounds alone.

        In the mean each run has the weight that strategies give it.
        """
        runs = self.decisions.observed(state, key)
        if values := [run for run in runs if not run.is_bound]:
            return sum(run.weight * run.log_cost for run in values) / sum(run.weight for run in values)
        return max((run.log_cost for run in runs), default=None)

    def _candidate(self, state: SweepState, key: str, cost: float | None, of_leader: float | None) -> CandidateView:
        candidate = state.candidates[key]
        decision, runs = self.decisions.decision(state, state.objective[key]), self.decisions.observed(state, key)
        failed = state.failed.get(key)
        return CandidateView(
            candidate,
            _place(decision, key, failed),
            len(runs),
            None if cost is None else math.exp(cost),
            None if cost is None or of_leader is None else math.expm1(cost - of_leader),
            bool(runs) and all(run.is_bound for run in runs),
            failed if failed is not None else decision.why.get(key, ""),
            next((run.instances for run in reversed(state.measured[key].values())), 1.0),
        )

    def _left_at_most_s(self, state: SweepState, at_s: float, ending: Ending | None) -> float:
        """The longest of the stacks, or all of them one after the other where few may be up at once."""
        each_s = [self._stack_left_s(state, stack, at_s, ending) for stack in state.stacks]
        return max(*each_s, sum(each_s) / self.limits.settings.parallel)

    def _stack_left_s(self, state: SweepState, stack: str, at_s: float, ending: Ending | None) -> float:
        record, expected = state.stacks[stack], self.limits.expected[stack]
        seconds = sum(left_s(state, task, expected, at_s) for task in record.open_tasks.values())
        is_up = record.up_since_s is not None
        if not ending:
            for key, first in self.decisions.needing(state, stack).items():
                for block in range(first, self.decisions.most_blocks(state, state.objective[key]) + 1):
                    if block in state.measured[key]:
                        continue
                    task = self.decisions.task(state, key, block)
                    seconds += task_s(task, expected, makes_stack=not is_up)
                    is_up = True
            running = [task.task for task in record.open_tasks.values()]
            seconds -= sum(task_s(task, expected, makes_stack=False) for task in running if isinstance(task, Measure))
        return max(0.0, seconds) + (expected.destroy_s if is_up else 0.0)


def _place(decision: Decision, key: str, failed: str | None) -> Place:
    if failed is not None:
        return Place.failed
    return Place.may_be_best if key in decision.may_be_best else Place(decision.standings[key].value)


_STATES = {
    Look: StackState.looking,
    Wait: StackState.waiting,
    Pause: StackState.pausing,
    Destroy: StackState.destroying,
}


def _stack_state(record: StackRecord, doing: Doing, ending: Ending | None) -> StackState:
    if isinstance(doing.step, Measure):
        return StackState.measuring if record.is_used else StackState.creating
    if doing.step:
        return _STATES[type(doing.step)]
    if record.up_since_s is not None:
        return StackState.left if ending else StackState.up
    if record.failed or doing.given_up:
        return StackState.failed
    return StackState.destroyed if record.last else StackState.waiting


def _why(record: StackRecord, doing: Doing) -> str:
    if isinstance(doing.step, Wait | Pause):
        return doing.step.why
    if record.failed or doing.given_up:
        return record.failed or doing.given_up
    return record.last.why if doing.step is None and record.last else ""
