"""The next step of a stack, from records that are written by hand."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from analysis.interval import Interval
from sweep.conductor.decisions import Decisions
from sweep.conductor.state import ATTEMPTS, SweepState
from sweep.conductor.steps import DESTROY_ATTEMPTS, Look, Pause, Step, Wait, last_step, next_step
from sweep.journal.journal import Journal
from sweep.journal.records import Record, Result
from sweep.simulation.cloud import Cloud
from sweep.simulation.fleet import SimulatedFleet
from sweep.simulation.world import Faults
from sweep.strategies.race import Race
from sweep.strategy import Decision, Observation
from sweep.tasks import Destroy, Length, Measure, Measured, Task
from tests.support.sweeps import Blocks, Rehearsal, candidates, settings, world

A, B = candidates(a=(2,), b=(2,))
RUN = Measure(A, 1, Length.short)


class Written:
    """Records, each task a minute long and a minute after the one before."""

    def __init__(self) -> None:
        self.state = SweepState((A, B))
        self._numbers = itertools.count(1)
        self.at_s = 0.0

    def begin(self, task: Task) -> Record:
        self.at_s += 60
        record = Record(next(self._numbers), task, self.at_s)
        self.state.begin(record)
        return record

    def end(self, record: Record, result: Result, why: str = "") -> None:
        self.at_s += 60
        measured = Measured(f"run-{record.number}", Interval(100.0, 95.0, 105.0)) if result is Result.measured else None
        self.state.end(
            Record(record.number, record.task, record.begun_at_s, next(self._numbers), self.at_s, result, measured, why)
        )

    def do(self, task: Task, result: Result, why: str = "") -> None:
        self.end(self.begin(task), result, why)

    def resume(self) -> None:
        next(self._numbers)
        self.state.resume()

    def step(self, stack: str, *, later_s: float = 0, parallel: int = 4) -> Step | None:
        asked = settings(A, B, parallel=parallel)
        decisions = Decisions(Blocks(2), {"a": 1.0, "b": 1.0})
        return next_step(self.state, decisions, asked, stack, self.at_s + later_s)


def test_a_stack_begins_with_its_first_candidate() -> None:
    assert Written().step("a") == RUN


def test_a_task_that_is_open_is_looked_for_before_anything_else() -> None:
    written = Written()
    record = written.begin(RUN)
    assert written.step("a") == Look(record)


def test_a_run_that_was_cut_off_is_made_again_and_is_no_failure() -> None:
    written = Written()
    for _ in range(5):
        written.do(RUN, Result.cut_off)
    assert written.step("a") == RUN


@pytest.mark.parametrize(("failures", "pause_s"), [(1, 15), (2, 60)])
def test_another_attempt_waits_longer_each_time(failures: int, pause_s: float) -> None:
    written = Written()
    for _ in range(failures):
        written.do(RUN, Result.failed, "no network")
    assert written.step("a") == Pause(written.at_s + pause_s, "no network")
    assert written.step("a", later_s=pause_s) == Measure(A, 1, Length.full), "the short one may have been too short"


def test_a_stack_that_needs_no_runs_is_destroyed_and_then_has_no_step() -> None:
    written = Written()
    for block, length in ((1, Length.short), (2, Length.full)):
        written.do(Measure(A, block, length), Result.measured)
    assert written.step("a") == Destroy("a")
    written.do(Destroy("a"), Result.destroyed)
    assert written.step("a") is None


def test_a_candidate_whose_rivals_have_failed_gets_a_full_run_and_the_certainty_of_all_that_were_asked_for() -> None:
    class Noting(Race):
        asked: int | None = None

        def decide(self, observed: Mapping[str, Sequence[Observation]], asked: int | None = None) -> Decision:
            self.asked = asked
            assert list(observed) == [A.key]
            return super().decide(observed, asked)

    written, race = Written(), Noting(0.05)
    written.do(Measure(B, 1, Length.short), Result.refused)
    step = next_step(written.state, Decisions(race, {"a": 1.0, "b": 1.0}), settings(A, B), "a", written.at_s)
    assert step == Measure(A, 1, Length.full)
    assert race.asked == 2


def test_a_stack_that_was_never_made_is_not_destroyed() -> None:
    assert last_step(Written().state, "a", 0) is None


def test_destroying_is_tried_four_times_and_again_when_the_sweep_is_resumed() -> None:
    written = Written()
    written.do(RUN, Result.failed)
    for _ in range(DESTROY_ATTEMPTS):
        assert last_step(written.state, "a", written.at_s + 300) == Destroy("a")
        written.do(Destroy("a"), Result.failed)
    assert last_step(written.state, "a", written.at_s + 300) is None
    written.resume()
    assert last_step(written.state, "a", written.at_s) == Destroy("a")


def test_a_run_that_failed_three_times_is_made_again_at_once_when_the_sweep_is_resumed() -> None:
    written = Written()
    for _ in range(ATTEMPTS):
        written.do(RUN, Result.failed, "no network")
    assert written.step("a") == Destroy("a")
    written.resume()
    assert written.step("a") == RUN


def test_a_stack_that_failed_or_waits_for_quota_is_tried_again_when_the_sweep_is_resumed() -> None:
    written = Written()
    written.do(Measure(B, 1, Length.short), Result.measured)
    written.do(RUN, Result.no_quota)
    written.do(Destroy("a"), Result.destroyed)
    assert isinstance(written.step("a"), Wait)
    written.resume()
    assert written.step("a") == RUN
    written.do(Destroy("b"), Result.destroyed)
    written.do(RUN, Result.no_quota)  # alone, so that it fails
    written.do(Destroy("a"), Result.destroyed)
    assert written.step("a") is None
    written.resume()
    assert (written.state.failed, written.state.stacks["a"].failed) == ({}, "")
    assert written.step("a") == RUN


def test_a_stack_waits_while_as_many_are_up_as_may_be() -> None:
    written = Written()
    written.do(Measure(B, 1, Length.short), Result.measured)
    assert isinstance(written.step("a", parallel=1), Wait)
    assert written.step("a", parallel=2) == RUN
    assert written.step("b", parallel=1) == Measure(B, 2, Length.full)


def test_a_stack_without_quota_is_destroyed_waits_and_tries_again_once_a_used_one_is_gone() -> None:
    written = Written()
    written.do(Measure(B, 1, Length.short), Result.measured)
    written.do(RUN, Result.no_quota, "no CPUs")
    assert written.step("a") == Destroy("a")
    written.do(Destroy("a"), Result.destroyed)
    assert isinstance(written.step("a"), Wait)
    written.do(Destroy("b"), Result.destroyed)
    assert written.step("a") == RUN


@pytest.mark.parametrize("result", [Result.failed, Result.cut_off])
def test_a_run_that_fails_after_its_stack_has_waited_for_quota_does_not_make_the_stack_again(result: Result) -> None:
    written = Written()
    written.do(Measure(B, 1, Length.short), Result.measured)
    written.do(RUN, Result.no_quota, "no CPUs")
    written.do(Destroy("a"), Result.destroyed)
    written.do(Destroy("b"), Result.destroyed)
    written.do(RUN, result, "the run was disturbed")
    assert isinstance(written.step("a"), Pause | Measure)


def test_two_stacks_that_kept_each_other_from_their_quota_are_made_one_after_the_other() -> None:
    written = Written()
    runs = [written.begin(RUN), written.begin(Measure(B, 1, Length.short))]
    for run in runs:
        written.end(run, Result.no_quota)
    for stack in "ab":
        written.do(Destroy(stack), Result.destroyed)
    assert written.step("a") == RUN
    assert isinstance(written.step("b"), Wait)
    assert written.state.failed == {}


def test_a_stack_does_not_wait_for_the_quota_of_one_that_has_failed() -> None:
    written = Written()
    written.do(RUN, Result.no_quota)  # alone, so that it fails
    written.do(Destroy("a"), Result.destroyed)
    written.state.stacks["b"].waits_for_quota = True
    assert list(written.state.failed) == [A.key]
    assert written.step("b") == Measure(B, 1, Length.short)


def test_a_stack_waits_for_the_quota_of_one_that_could_not_be_destroyed() -> None:
    written = Written()
    written.do(Measure(B, 1, Length.short), Result.failed)
    written.do(RUN, Result.no_quota)
    written.do(Destroy("a"), Result.destroyed)
    for _ in range(DESTROY_ATTEMPTS):
        written.do(Destroy("b"), Result.failed)
    assert isinstance(written.step("a"), Wait)
    written.do(Destroy("b"), Result.destroyed)
    assert written.step("a") == RUN


@pytest.mark.parametrize("seed", range(5))
def test_the_records_give_the_same_state_as_the_sweep_had(tmp_path: Path, seed: int) -> None:
    """So a sweep that is resumed goes on as it would have."""
    many = candidates(a=(2, 4), b=(2, 4), d=(2, 4))
    cloud = Cloud(world(many, seed=seed, quota=2, faults=Faults(0.3, 0.4, 0.2)))
    sweep = Rehearsal(tmp_path / "s1", settings(*many), SimulatedFleet(cloud), Blocks(3))
    states: list[SweepState] = []
    apply = SweepState.end

    def noting(state: SweepState, record: Record) -> None:
        apply(state, record)
        states.append(state)

    for stop_s in ([3000.0], []):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SweepState, "end", noting)
            sweep.sweep(stop_s=stop_s)
        journal = Journal.open(sweep.folder)
        journal.close()
        replayed = SweepState.of(many, journal.records, journal.resumptions)
        assert replayed.__dict__ == states[-1].__dict__
    assert journal.resumptions


def test_blocks_of_a_stack_share_their_machines_unless_it_has_fresh_nodes() -> None:
    written = Written()
    for block in (1, 2):
        written.do(Measure(A, block, Length.full), Result.measured)
    for fresh, sets in (((), {"a"}), (("a",), {"a, block 1", "a, block 2"})):
        decisions = Decisions(Blocks(2), {"a": 1.0, "b": 1.0}, fresh_nodes=fresh)
        assert {run.machines for run in decisions.observed(written.state, A.key)} == sets
