"""Whole sweeps on the simulated fleet."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

import pytest

from analysis.interval import Interval
from sweep.conductor.limits import Limits
from sweep.conductor.snapshot import Ending, Place, Snapshot, StackState
from sweep.conductor.steps import DESTROY_ATTEMPTS, PAUSES_S
from sweep.conductor.views import Views
from sweep.fleet import Expected, FleetError, LastingError, QuotaError, Report
from sweep.journal.database import JournalError
from sweep.journal.journal import Journal
from sweep.journal.records import Result
from sweep.room import Room
from sweep.simulation.cloud import Cloud
from sweep.simulation.fleet import SimulatedFleet
from sweep.simulation.world import SimulatedStack, World
from sweep.strategies.race import Race
from sweep.tasks import Destroy, Length, Measure, Measured
from tests.support.sweeps import Blocks, Rehearsal, candidate, candidates, settings, world

FOUR = candidates(a=(2, 4), b=(2, 4))
_HOUR_S = 3600


class FailingFleet(SimulatedFleet):
    """A simulated fleet in which `fail` raises an error for some tasks, before anything is done."""

    def __init__(self, cloud: Cloud, fail: Callable[[Measure | Destroy], None]) -> None:
        super().__init__(cloud)
        self._fail = fail
        self.tried: list[Measure | Destroy] = []

    async def measure(self, task: Measure, report: Report) -> Measured:
        self.tried.append(task)
        self._fail(task)
        return await super().measure(task, report)

    async def destroy(self, stack: str, report: Report) -> None:
        self.tried.append(Destroy(stack))
        self._fail(Destroy(stack))
        await super().destroy(stack, report)


def failing(tmp_path: Path, cloud: Cloud, fail: Callable[[Measure | Destroy], None]) -> Rehearsal:
    return Rehearsal(tmp_path / "s1", settings(*FOUR), FailingFleet(cloud, fail))


def rehearsal(tmp_path: Path, cloud: Cloud, **changes: object) -> Rehearsal:
    return Rehearsal(tmp_path / "s1", settings(*FOUR, **changes), SimulatedFleet(cloud))


def fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal can be written five times more."""
    write, writes = Journal._write, itertools.count(1)

    def full(journal: Journal, record: object) -> None:
        if next(writes) > 5:
            raise JournalError("database or disk is full")
        write(journal, record)  # type: ignore[arg-type]

    monkeypatch.setattr(Journal, "_write", full)


def test_a_sweep_measures_each_block_once_and_names_the_cheapest(tmp_path: Path) -> None:
    cloud = Cloud(world(FOUR))
    sweep = rehearsal(tmp_path, cloud)
    outcome = sweep.sweep()

    assert outcome.ending is Ending.decided
    assert Counter((task.candidate.label, task.block) for task in sweep.measured) == Counter(
        (of.label, block) for of in FOUR for block in (1, 2)
    )
    (objective,) = outcome.last.objectives
    assert objective.leader
    assert objective.leader.candidate.label == "a, inter_op 2"
    assert objective.leader.usd_per_million == pytest.approx(0.5 * 1e6 / 3600 / 100, rel=0.15)
    assert objective.lead == pytest.approx(0.25, abs=0.15)
    assert not cloud.up_since_s
    assert (outcome.leftovers, outcome.may_be_up) == ({}, {})


def test_the_cost_of_a_candidate_is_that_of_predictions_of_which_a_request_has_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.simulation.cloud.Measured", partial(Measured, instances=4.0))
    (objective,) = rehearsal(tmp_path, Cloud(world(FOUR))).sweep().last.objectives
    assert objective.leader
    assert objective.leader.instances == 4
    assert objective.leader.usd_per_million == pytest.approx(0.5 * 1e6 / 3600 / 100 / 4, rel=0.15)


def test_blocks_are_measured_in_order_and_short_runs_come_first(tmp_path: Path) -> None:
    sweep = rehearsal(tmp_path, Cloud(world(FOUR)))
    sweep.sweep()
    for stack in "ab":
        runs = [(task.block, task.length) for task in sweep.measured if task.stack == stack]
        assert runs == [(1, Length.short)] * 2 + [(2, Length.full)] * 2


def test_the_order_within_a_block_depends_on_the_seed(tmp_path: Path) -> None:
    many = candidates(a=range(1, 7))
    orders = set()
    for seed in range(4):
        sweep = Rehearsal(tmp_path / str(seed), settings(*many, seed=seed), SimulatedFleet(Cloud(world(many))))
        sweep.sweep()
        orders.add(tuple(task.candidate.label for task in sweep.measured if task.block == 1))
    assert len(orders) > 1


def test_a_stack_is_destroyed_as_soon_as_its_last_candidate_is_eliminated(tmp_path: Path) -> None:
    """The two of `b` are dearer, so that they are eliminated after the first block."""
    sweep = rehearsal(tmp_path, Cloud(world(FOUR)))
    sweep.strategy = Blocks(8, halving=True)
    sweep.sweep()
    ends = {record.task.stack: record.ended_at_s for record in sweep.records if isinstance(record.task, Destroy)}
    assert ends["b"] is not None
    assert ends["a"] is not None
    assert ends["b"] < ends["a"] / 1.5


@pytest.mark.parametrize("parallel", [1, 2])
def test_no_more_stacks_are_up_at_once_than_parallel_allows(tmp_path: Path, parallel: int) -> None:
    sweep = rehearsal(tmp_path, Cloud(world(FOUR)), parallel=parallel)
    sweep.sweep()
    busy = {StackState.creating, StackState.measuring, StackState.destroying}
    most = max(sum(stack.state in busy for stack in snapshot.stacks) for snapshot in sweep.snapshots)
    assert most == parallel


def test_each_objective_is_decided_for_itself(tmp_path: Path) -> None:
    slow, fast = candidate("a", 2, latency_ms=200.0), candidate("a", 4, latency_ms=500.0)
    outcome = Rehearsal(tmp_path / "s1", settings(slow, fast), SimulatedFleet(Cloud(world((slow, fast))))).sweep()
    assert [objective.load.latency_ms for objective in outcome.last.objectives] == [200, 500]
    assert [objective.leader and objective.leader.candidate for objective in outcome.last.objectives] == [slow, fast]


def test_a_failed_run_is_tried_again_after_the_others_of_its_block(tmp_path: Path) -> None:
    failures = itertools.count()
    first = FOUR[0]

    def fail(task: Measure | Destroy) -> None:
        if isinstance(task, Measure) and task.candidate == first and next(failures) == 0:
            raise FleetError("no network")

    sweep = failing(tmp_path, Cloud(world(FOUR)), fail)
    assert sweep.sweep().ending is Ending.decided
    labels = [record.task.candidate.label for record in sweep.records if isinstance(record.task, Measure)]
    assert labels.count(first.label) == 3
    assert len(sweep.measured) == 8


def test_a_candidate_that_fails_three_times_is_out_and_says_why(tmp_path: Path) -> None:
    def fail(task: Measure | Destroy) -> None:
        if isinstance(task, Measure) and task.candidate == FOUR[0]:
            raise FleetError("the run is invalid: the generator was saturated")

    sweep = failing(tmp_path, Cloud(world(FOUR)), fail)
    outcome = sweep.sweep()

    assert outcome.ending is Ending.decided
    (objective,) = outcome.last.objectives
    failed = objective.candidates[0]
    assert (failed.place, failed.runs) == (Place.failed, 0)
    assert failed.why == "the run is invalid: the generator was saturated"
    assert objective.leader
    assert objective.leader.candidate == FOUR[1]
    assert isinstance(sweep.fleet, FailingFleet)
    assert sum(isinstance(task, Measure) and task.candidate == FOUR[0] for task in sweep.fleet.tried) == 3


def test_what_would_fail_again_is_not_tried_again(tmp_path: Path) -> None:
    def fail(task: Measure | Destroy) -> None:
        if isinstance(task, Measure) and task.candidate == FOUR[0]:
            raise LastingError("interOp is 512; give 256 at most")

    sweep = failing(tmp_path, Cloud(world(FOUR)), fail)
    sweep.sweep()
    assert isinstance(sweep.fleet, FailingFleet)
    assert sum(isinstance(task, Measure) and task.candidate == FOUR[0] for task in sweep.fleet.tried) == 1


def test_what_failed_is_tried_again_when_resumed_and_finished_runs_stay(tmp_path: Path) -> None:
    is_broken = True

    def fail(task: Measure | Destroy) -> None:
        if is_broken and isinstance(task, Measure) and task.stack == "a":
            raise LastingError("the API is disabled") if task.candidate == FOUR[0] else FleetError("no network")

    cloud = Cloud(world(FOUR))
    sweep = failing(tmp_path, cloud, fail)
    outcome = sweep.sweep()
    assert outcome.ending is Ending.decided
    assert [each.place is Place.failed for each in outcome.last.objectives[0].candidates] == [True, True, False, False]
    of_b = list(cloud.runs)
    assert len(of_b) == 4

    is_broken = False
    (objective,) = sweep.sweep().last.objectives
    assert objective.leader
    assert (objective.leader.candidate, objective.is_decided) == (FOUR[0], True)
    assert cloud.runs[:4] == of_b
    assert {task.stack for task in sweep.measured[4:]} == {"a"}
    assert len(cloud.runs) == len(sweep.measured) == 8
    assert not cloud.up_since_s


def test_what_fails_again_after_a_resumption_gets_no_more_tries_than_at_first(tmp_path: Path) -> None:
    def fail(task: Measure | Destroy) -> None:
        if isinstance(task, Measure) and task.candidate == FOUR[0]:
            raise FleetError("the run is invalid")

    sweep = failing(tmp_path, Cloud(world(FOUR)), fail)
    first, tried = sweep.sweep(), len(sweep.records)
    again = sweep.sweep()
    assert again.last.objectives == first.last.objectives
    assert [record.result for record in sweep.records[tried:]] == [Result.failed] * 3 + [Result.destroyed]


@pytest.mark.parametrize(("rps", "more_runs", "chosen"), [(30.0, 0, 1), (300.0, 0, 0), (101.0, 1, None)])
def test_a_choice_stands_until_what_failed_is_measured_and_others_are_measured_only_beside_a_rival(
    tmp_path: Path, rps: float, more_runs: int, chosen: int | None
) -> None:
    """Far behind, the last candidate changes nothing; far ahead, it is chosen; beside it, the race goes on."""
    four, is_broken = candidates(a=(2,), b=(2,), d=(2,), e=(2,)), True

    def fail(task: Measure | Destroy) -> None:
        if is_broken and isinstance(task, Measure) and task.stack == "e":
            raise LastingError("the API is disabled")

    capacity_rps = {each.key: of for each, of in zip(four, (100.0, 99.0, 98.0, rps), strict=True)}
    cloud = Cloud(World(world(four).stacks, capacity_rps))
    sweep = Rehearsal(tmp_path / "s1", settings(*four), FailingFleet(cloud, fail), Race(0.05))
    before = sweep.sweep().last.objectives[0]
    tried, sweep.snapshots[:], is_broken = len(sweep.measured), [], False
    after = sweep.sweep().last.objectives[0]

    unmeasured = [
        snapshot.objectives[0] for snapshot in sweep.snapshots if not snapshot.objectives[0].candidates[3].runs
    ]
    earlier = [(each.place, each.why) for each in before.candidates[:3]]
    tried_again = [each for each in unmeasured if each.candidates[3].place is Place.racing]
    assert tried_again
    assert all([(each.place, each.why) for each in of.candidates[:3]] == earlier for of in tried_again)
    assert not any(of.is_decided for of in tried_again)
    assert after.is_decided
    assert before.leader
    assert after.leader
    if chosen is not None:
        assert after.leader.candidate == (before.leader.candidate if chosen else four[3])
    others = [task.stack for task in sweep.measured[tried:] if task.stack != "e"]
    assert bool(others) == bool(more_runs)


def test_a_stack_on_which_everything_fails_is_given_up_and_the_others_go_on(tmp_path: Path) -> None:
    many = candidates(a=range(1, 12), b=(2, 4))
    cloud = Cloud(world(many))

    def fail(task: Measure | Destroy) -> None:
        if isinstance(task, Measure) and task.stack == "a":
            raise FleetError("the cluster is in ERROR")

    fleet = FailingFleet(cloud, fail)
    outcome = Rehearsal(tmp_path / "s1", settings(*many), fleet).sweep()

    assert sum(task.stack == "a" and isinstance(task, Measure) for task in fleet.tried) == 6
    assert Destroy("a") in fleet.tried
    a, b = outcome.last.stacks
    assert (a.state, a.why, b.state) == (StackState.failed, "the cluster is in ERROR", StackState.destroyed)
    assert outcome.ending is Ending.decided
    assert outcome.last.objectives[0].leader
    assert outcome.last.objectives[0].leader.candidate.stack == "b"


def test_a_sweep_of_which_nothing_can_be_measured_says_so(tmp_path: Path) -> None:
    def fail(task: Measure | Destroy) -> None:
        if isinstance(task, Measure):
            raise LastingError("the API is disabled")

    cloud = Cloud(world(FOUR))
    outcome = failing(tmp_path, cloud, fail).sweep()
    assert outcome.ending is Ending.all_failed
    assert not cloud.up_since_s


@pytest.mark.parametrize("quota", [1, 2, 3])
def test_a_stack_without_quota_is_made_once_another_is_destroyed(tmp_path: Path, quota: int) -> None:
    many = candidates(a=(2,), b=(2,), d=(2,), e=(2,))
    cloud = Cloud(world(many, quota=quota))
    sweep = Rehearsal(tmp_path / "s1", settings(*many), SimulatedFleet(cloud))
    outcome = sweep.sweep()
    assert outcome.ending is Ending.decided
    assert len(sweep.measured) == 8
    assert not cloud.up_since_s


class Counting(SimulatedFleet):
    """Knows its quota, and notes how many stacks are up when one is made."""

    def __init__(self, cloud: Cloud, free: float) -> None:
        super().__init__(cloud)
        self.most_up, self._free = 0, free

    async def room(self, stacks: Collection[str]) -> Room:
        return Room({"CPUS": self._free}, {stack: {"CPUS": 10.0} for stack in stacks})

    async def measure(self, task: Measure, report: Report) -> Measured:
        measured = await super().measure(task, report)
        self.most_up = max(self.most_up, len(self._cloud.up_since_s))
        return measured


@pytest.mark.parametrize(("free", "most_up"), [(5, 1), (10, 1), (19, 1), (20, 2), (40, 4)])
def test_stacks_that_do_not_fit_into_a_quota_together_are_made_one_after_the_other(
    tmp_path: Path, free: float, most_up: int
) -> None:
    many = candidates(a=(2,), b=(2,), c=(2,), d=(2,))
    # Whoever makes more at once is refused, as by Google.
    cloud = Cloud(world(many, quota=most_up))
    fleet = Counting(cloud, free)
    sweep = Rehearsal(tmp_path / "s1", settings(*many), fleet, Blocks(1))
    assert sweep.sweep().ending is Ending.decided
    assert fleet.most_up == most_up
    assert not [record for record in sweep.records if record.result is Result.no_quota], "none was refused"


def test_a_stack_without_quota_fails_if_it_is_the_only_one(tmp_path: Path) -> None:
    def fail(task: Measure | Destroy) -> None:
        if isinstance(task, Measure) and task.stack == "b":
            raise QuotaError("CPUS: 32 needed, 24 left")

    outcome = failing(tmp_path, Cloud(world(FOUR)), fail).sweep()
    a, b = outcome.last.stacks
    assert (a.state, b.state, b.why) == (StackState.destroyed, StackState.failed, "CPUS: 32 needed, 24 left")
    assert outcome.ending is Ending.decided


def test_a_stack_that_cannot_be_destroyed_is_reported_and_destroyed_when_resumed(tmp_path: Path) -> None:
    cloud, is_broken = Cloud(world(FOUR)), True

    def fail(task: Measure | Destroy) -> None:
        if is_broken and task == Destroy("a"):
            raise FleetError("the API cannot be reached")

    sweep = failing(tmp_path, cloud, fail)
    outcome = sweep.sweep()
    assert outcome.may_be_up == {"a": "the API cannot be reached"}
    assert outcome.last.stacks[0].state is StackState.left
    assert sum(record.task == Destroy("a") for record in sweep.records) == DESTROY_ATTEMPTS

    is_broken = False
    assert sweep.sweep().may_be_up == {}
    assert not cloud.up_since_s
    assert len(sweep.measured) == 8


def test_an_interrupted_sweep_abandons_its_runs_and_destroys_everything(tmp_path: Path) -> None:
    cloud = Cloud(world(FOUR))
    sweep = rehearsal(tmp_path, cloud)
    outcome = sweep.sweep(stop_s=[1000])

    assert outcome.ending is Ending.interrupted
    assert (cloud.up_since_s, cloud.operations, outcome.may_be_up) == ({}, {}, {})
    assert outcome.last.hours < (1000 + 1000) / _HOUR_S

    done = sweep.measured
    assert sweep.sweep().ending is Ending.decided
    assert Counter((task.candidate.key, task.block) for task in sweep.measured).most_common(1)[0][1] == 1
    assert set(done) <= set(sweep.measured)


def test_a_sweep_that_is_interrupted_twice_ends_at_once_and_names_what_is_up(tmp_path: Path) -> None:
    cloud = Cloud(world(FOUR))
    sweep = rehearsal(tmp_path, cloud)
    outcome = sweep.sweep(stop_s=[1000, 1010])

    assert set(outcome.may_be_up) == {"a", "b"} == set(cloud.up_since_s)
    assert outcome.may_be_up["a"] == "the sweep was interrupted before it was destroyed"
    assert outcome.last.hours == pytest.approx(1010 / _HOUR_S)

    before = len(sweep.snapshots)
    assert sweep.sweep().ending is Ending.decided
    assert not cloud.up_since_s
    # A stack that is up is nothing that was left behind, until the sweep ends.
    states = {stack.state for snapshot in sweep.snapshots[before:] for stack in snapshot.stacks}
    assert StackState.up in states
    assert StackState.left not in states


def test_a_resumed_sweep_does_nothing_that_is_done(tmp_path: Path) -> None:
    sweep = rehearsal(tmp_path, Cloud(world(FOUR)))
    first = sweep.sweep()
    records = sweep.records
    again = sweep.sweep()
    assert sweep.records == records
    assert again.last.objectives == first.last.objectives


def test_max_usd_below_one_run_creates_nothing(tmp_path: Path) -> None:
    cloud = Cloud(world(FOUR))
    sweep = rehearsal(tmp_path, cloud, max_usd=0.2)
    outcome = sweep.sweep()
    assert outcome.ending is Ending.max_usd
    assert (sweep.records, cloud.runs, cloud.usd, cloud.up_since_s) == ((), [], 0, {})


@pytest.mark.parametrize("max_usd", [0.6, 1.0, 1.6])
def test_max_usd_is_kept_with_the_destruction_of_everything(tmp_path: Path, max_usd: float) -> None:
    cloud = Cloud(world(FOUR))
    sweep = rehearsal(tmp_path, cloud, max_usd=max_usd)
    sweep.strategy = Blocks(8)
    outcome = sweep.sweep()
    assert outcome.ending is Ending.max_usd
    assert 0.3 * max_usd < cloud.usd <= max_usd
    assert outcome.last.usd == pytest.approx(cloud.usd, rel=0.05)
    assert not cloud.up_since_s


def test_a_run_that_takes_too_long_is_cut_off_when_max_usd_is_near(tmp_path: Path) -> None:
    """The stack takes ten times as long to create as expected."""

    class SlowFleet(SimulatedFleet):
        def expected(self, stack: str) -> Expected:  # noqa: ARG002 - of the protocol
            return Expected(0.5, 0.8, 60, 120, 300)

    made = world(FOUR)
    cloud = Cloud(World({stack: SimulatedStack(0.5, 0.8, create_s=6000) for stack in "ab"}, made.capacity_rps))
    outcome = Rehearsal(tmp_path / "s1", settings(*FOUR, max_usd=0.6), SlowFleet(cloud)).sweep()
    assert outcome.ending is Ending.max_usd
    assert cloud.runs == []
    assert cloud.usd <= 0.65
    assert not cloud.up_since_s


def test_an_update_that_a_limit_ends_gets_the_time_that_it_needs_to_end(tmp_path: Path) -> None:
    killed = []

    class GracefulFleet(SimulatedFleet):
        def expected(self, stack: str) -> Expected:  # noqa: ARG002 - of the protocol
            return Expected(0.5, 0.8, 60, 120, 300)

        async def measure(self, task: Measure, report: Report) -> Measured:
            try:
                return await super().measure(task, report)
            except asyncio.CancelledError:
                try:
                    await asyncio.sleep(100)  # the limit is seen again at each heartbeat
                except asyncio.CancelledError:
                    killed.append(task.stack)
                raise

    made = world(FOUR)
    cloud = Cloud(World({stack: SimulatedStack(0.5, 0.8, create_s=6000) for stack in "ab"}, made.capacity_rps))
    outcome = Rehearsal(tmp_path / "s1", settings(*FOUR, max_usd=0.6), GracefulFleet(cloud)).sweep()
    assert (outcome.ending, killed) == (Ending.max_usd, [])
    assert not cloud.up_since_s


def test_max_hours_is_kept_with_the_destruction_of_everything(tmp_path: Path) -> None:
    cloud = Cloud(world(FOUR))
    sweep = rehearsal(tmp_path, cloud, max_hours=0.6)
    sweep.strategy = Blocks(8)
    outcome = sweep.sweep()
    assert outcome.ending is Ending.max_hours
    assert cloud.runs
    assert outcome.last.hours <= 0.65
    assert not cloud.up_since_s


def test_a_sweep_that_reached_its_limit_goes_on_with_a_higher_one(tmp_path: Path) -> None:
    cloud = Cloud(world(FOUR))
    sweep = rehearsal(tmp_path, cloud, max_usd=0.8)
    done = sweep.sweep().last.finished_runs
    assert 0 < done < 8

    journal = Journal.open(sweep.folder)
    journal.change_limits(100.0, None)
    journal.close()
    assert sweep.sweep().last.finished_runs == 8


def test_max_usd_is_refused_where_a_bill_is_not_known(tmp_path: Path) -> None:
    class UnpricedFleet(SimulatedFleet):
        def expected(self, stack: str) -> Expected:  # noqa: ARG002 - of the protocol
            return Expected(0.5, None, 600, 120, 300)

    fleet = UnpricedFleet(Cloud(world(FOUR)))
    with pytest.raises(LastingError, match="--max-usd cannot be kept"):
        Rehearsal(tmp_path / "s1", settings(*FOUR, max_usd=5.0), fleet).sweep()
    outcome = Rehearsal(tmp_path / "s2", settings(*FOUR), fleet).sweep()
    assert outcome.last.unpriced == ("a", "b")
    assert outcome.last.stacks[0].usd is None


def test_a_stack_without_a_price_is_refused(tmp_path: Path) -> None:
    class UnpricedFleet(SimulatedFleet):
        def expected(self, stack: str) -> Expected:  # noqa: ARG002 - of the protocol
            return Expected(None, 0.5, 600, 120, 300)

    with pytest.raises(LastingError, match="The stack a has no hourly price"):
        Rehearsal(tmp_path / "s1", settings(*FOUR), UnpricedFleet(Cloud(world(FOUR)))).sweep()


def test_a_sweep_does_not_begin_with_a_stack_that_is_up_already(tmp_path: Path) -> None:
    cloud = Cloud(world(FOUR), up_since_s={"b": 0.0})
    sweep = rehearsal(tmp_path, cloud)
    with pytest.raises(LastingError, match="b is up already"):
        sweep.sweep()
    assert sweep.records == ()


def test_stacks_are_destroyed_also_where_the_journal_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = Cloud(world(FOUR))
    sweep = rehearsal(tmp_path, cloud)
    with monkeypatch.context() as patch:
        fill_disk(patch)
        outcome = sweep.sweep()

    assert (outcome.ending, outcome.message) == (Ending.journal, "database or disk is full")
    assert (cloud.up_since_s, outcome.may_be_up) == ({}, {})
    assert sweep.sweep().ending is Ending.decided
    assert len({(task.candidate.key, task.block) for task in sweep.measured}) == len(sweep.measured) == 8


def test_stacks_are_destroyed_also_after_a_mistake_in_the_program(tmp_path: Path) -> None:
    def fail(task: Measure | Destroy) -> None:
        if isinstance(task, Measure) and task.stack == "b" and task.block == 2:
            raise ZeroDivisionError

    cloud = Cloud(world(FOUR))
    outcome = failing(tmp_path, cloud, fail).sweep(may_err=True)
    assert isinstance(outcome.error, ZeroDivisionError)
    assert outcome.ending is Ending.error
    assert "ZeroDivisionError()" in outcome.message
    assert cloud.runs
    assert (cloud.up_since_s, outcome.may_be_up) == ({}, {})


@pytest.mark.parametrize(
    ("is_wrong", "runs"),
    [
        (lambda snapshot: snapshot.finished_runs > 1, 2),
        (lambda snapshot: any(stack.state is StackState.creating for stack in snapshot.stacks), 0),
        (lambda snapshot: snapshot.hours > 0.1, 0),
    ],
    ids=["after a run", "as a run begins", "at a heartbeat"],
)
def test_after_a_mistake_in_the_live_view_nothing_more_is_measured_and_all_stacks_are_destroyed(
    tmp_path: Path, is_wrong: Callable[[Snapshot], bool], runs: int
) -> None:
    def observe(snapshot: Snapshot) -> None:
        if is_wrong(snapshot):
            raise ZeroDivisionError

    cloud = Cloud(world(FOUR))
    outcome = rehearsal(tmp_path, cloud).sweep(observe=observe, may_err=True)
    assert isinstance(outcome.error, ZeroDivisionError)
    assert outcome.ending is Ending.error
    assert (cloud.up_since_s, outcome.may_be_up) == ({}, {})
    assert outcome.last.finished_runs == len(cloud.runs) == runs


def test_a_mistake_in_the_limits_ends_the_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Limits, "reached", lambda *_: 1 / 0)
    cloud = Cloud(world(FOUR))
    outcome = rehearsal(tmp_path, cloud).sweep(may_err=True)
    assert isinstance(outcome.error, ZeroDivisionError)
    assert (cloud.runs, cloud.up_since_s, outcome.may_be_up) == ([], {}, {})


def test_after_a_mistake_leftovers_are_searched_too_and_a_mistake_in_that_search_is_said(tmp_path: Path) -> None:
    class Leaving(FailingFleet):
        async def leftovers(self, stack: str) -> list[str]:
            return ["a disk"] if stack == "a" else [str(1 / 0)]

    def fail(task: Measure | Destroy) -> None:
        if isinstance(task, Measure):
            raise KeyError(task.stack)

    fleet = Leaving(Cloud(world(FOUR)), fail)
    outcome = Rehearsal(tmp_path / "s1", settings(*FOUR), fleet).sweep(may_err=True)
    assert isinstance(outcome.error, KeyError)
    assert outcome.leftovers["a"] == ("a disk",)
    assert outcome.leftovers["b"][0].startswith("not known, because the search for leftovers failed: ZeroDivision")


def test_a_disk_that_was_full_for_a_while_leaves_no_stack_up(tmp_path: Path) -> None:
    tries: Counter[str] = Counter()

    def fail(task: Measure | Destroy) -> None:
        if isinstance(task, Destroy):
            tries[task.stack] += 1
            if tries[task.stack] < 3:
                raise OSError(28, "No space left on device")

    cloud = Cloud(world(FOUR))
    outcome = failing(tmp_path, cloud, fail).sweep()
    assert outcome.ending is Ending.decided
    assert (cloud.up_since_s, outcome.may_be_up) == ({}, {})


def test_after_the_last_try_to_destroy_a_stack_nothing_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(task: Measure | Destroy) -> None:
        if isinstance(task, Destroy):
            raise FleetError("no network")

    fill_disk(monkeypatch)
    fleet = FailingFleet(Cloud(world(FOUR)), fail)
    sweep = Rehearsal(tmp_path / "s1", settings(*FOUR), fleet)
    outcome = sweep.sweep()
    assert sorted(outcome.may_be_up) == ["a", "b"]
    assert [task.stack for task in fleet.tried if isinstance(task, Destroy)].count("a") == DESTROY_ATTEMPTS
    lost_s = next(snapshot.hours for snapshot in sweep.snapshots if snapshot.ending) * 3600
    assert outcome.last.hours * 3600 - lost_s < sum(PAUSES_S) + 60


def test_where_even_the_last_snapshot_fails_the_error_says_what_may_be_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(task: Measure | Destroy) -> None:
        if isinstance(task, Destroy) and task.stack == "b":
            raise FleetError("no network")
        if isinstance(task, Measure) and task.block == 2:
            monkeypatch.setattr(Views, "snapshot", lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError) as raised:
        failing(tmp_path, Cloud(world(FOUR)), fail).sweep()
    (note,) = raised.value.__notes__
    assert "The stack b may be up and cost money: no network" in note
    assert "tools/take_down b" in note


def test_two_interruptions_before_the_sweep_begins_destroy_nothing_and_name_what_is_up(tmp_path: Path) -> None:
    class Slow(SimulatedFleet):
        async def check(self, stacks: Collection[str]) -> None:  # noqa: ARG002 - of the protocol
            await asyncio.sleep(100)

    cloud = Cloud(world(FOUR))
    sweep = rehearsal(tmp_path, cloud)
    sweep.sweep(stop_s=[1000, 1001])
    up = dict(cloud.up_since_s)
    assert up
    sweep.fleet = Slow(cloud)
    outcome = sweep.sweep(stop_s=[10, 20])
    assert cloud.up_since_s == up
    assert outcome.may_be_up.keys() == up.keys()


def test_a_decided_sweep_ends_also_where_a_run_that_was_cut_off_cannot_be_found(tmp_path: Path) -> None:
    class Blind(SimulatedFleet):
        async def find(self, task: Measure) -> Measured | None:
            raise FleetError(f"the results store cannot be read for {task.stack}")

        async def lost(self, task: Measure, measured: Measured) -> str:  # noqa: ARG002
            raise FleetError(f"the results store cannot be read for {task.stack}")

    one, two = candidates(a=(2,), b=(2,))
    sweep = Rehearsal(tmp_path / "s1", settings(one, two), Blind(Cloud(world((one, two)))), Blocks(1))
    journal = Journal.create(sweep.folder, sweep.settings)
    for number, each in enumerate((one, two)):
        record = journal.begin(Measure(each, 1, Length.short))
        found = Measured(f"run-{number}", Interval(100.0 - number, 95.0 - number, 105.0 - number))
        journal.end(record.number, Result.measured, found)
    journal.begin(Measure(one, 2, Length.full))
    for stack in "ab":
        journal.end(journal.begin(Destroy(stack)).number, Result.destroyed)
    journal.close()
    assert sweep.sweep(stop_s=[36_000]).ending is Ending.decided


def test_a_mistake_while_a_stack_is_destroyed_says_that_it_may_be_up(tmp_path: Path) -> None:
    def fail(task: Measure | Destroy) -> None:
        if isinstance(task, Destroy) and task.stack == "b":
            raise ZeroDivisionError

    cloud = Cloud(world(FOUR))
    outcome = failing(tmp_path, cloud, fail).sweep(may_err=True)
    assert isinstance(outcome.error, ZeroDivisionError)
    assert list(cloud.up_since_s) == list(outcome.may_be_up) == ["b"]
    assert "ZeroDivisionError()" in outcome.may_be_up["b"]


def test_a_run_that_met_the_objective_at_every_rate_is_a_failure_with_its_fix(tmp_path: Path) -> None:
    made = world(FOUR)
    cloud = Cloud(World(made.stacks, {**made.capacity_rps, FOUR[0].key: 1e6}))
    outcome = rehearsal(tmp_path, cloud).sweep()
    first = outcome.last.objectives[0].candidates[0]
    assert first.place is Place.failed
    assert first.why.endswith("Give a higher load.highestRps.")


def test_a_candidate_that_never_meets_the_objective_shows_a_lower_bound(tmp_path: Path) -> None:
    made = world(FOUR)
    cloud = Cloud(World(made.stacks, {**made.capacity_rps, FOUR[3].key: 0.01}))
    outcome = rehearsal(tmp_path, cloud).sweep()
    last = outcome.last.objectives[0].candidates[3]
    assert last.at_least
    assert last.usd_per_million == pytest.approx(0.5 * 1e6 / 3600 / FOUR[3].load.lowest_rps)


def test_what_is_left_after_a_stack_was_destroyed_is_reported(tmp_path: Path) -> None:
    class LeavingFleet(SimulatedFleet):
        async def leftovers(self, stack: str) -> list[str]:
            return [f"an address of {stack}: gcloud … delete"] if stack == "a" else []

    sweep = Rehearsal(tmp_path / "s1", settings(*FOUR), LeavingFleet(Cloud(world(FOUR))))
    assert sweep.sweep().leftovers == {"a": ("an address of a: gcloud … delete",)}
    assert sweep.sweep().leftovers == {"a": ("an address of a: gcloud … delete",)}


def test_a_run_that_finished_without_its_sweep_is_found_and_not_repeated(tmp_path: Path) -> None:
    """Interrupted in the moment in which the run is stored, or cut off: the results store has it, the journal not."""
    cloud = Cloud(world(FOUR))
    sweep = rehearsal(tmp_path, cloud)
    journal = Journal.create(sweep.folder, sweep.settings)
    journal.begin(Measure(FOUR[0], 1, Length.short))
    journal.close()
    cloud.up_since_s["a"] = 0.0
    cloud._store(Measure(FOUR[0], 1, Length.short))

    sweep.sweep()

    assert sweep.records[0].result is Result.measured
    assert len(cloud.runs) == len(sweep.measured) == 8


def test_a_run_is_not_made_again_while_it_is_not_known_whether_it_finished(tmp_path: Path) -> None:
    class BlindFleet(SimulatedFleet):
        async def find(self, task: Measure) -> Measured | None:  # noqa: ARG002 - of the protocol
            raise FleetError("the results store cannot be read")

    cloud = Cloud(world(FOUR))
    sweep = rehearsal(tmp_path, cloud)
    sweep.sweep(stop_s=[1000])
    sweep.fleet = BlindFleet(cloud)
    outcome = sweep.sweep()

    assert outcome.ending is Ending.undecided
    assert "the results store cannot be read" in outcome.last.stacks[0].why
    assert not cloud.up_since_s
    sweep.fleet = SimulatedFleet(cloud)
    assert sweep.sweep().ending is Ending.decided
    assert len(cloud.runs) == len(sweep.measured) == 8


def test_the_first_snapshot_has_all_stacks_waiting_and_the_last_all_destroyed(tmp_path: Path) -> None:
    sweep = rehearsal(tmp_path, Cloud(world(FOUR)), parallel=1)
    last = sweep.sweep().last
    first = sweep.snapshots[0]
    assert [stack.state for stack in first.stacks] == [StackState.creating, StackState.waiting]
    assert {stack.state for stack in last.stacks} == {StackState.destroyed}
    assert first.simulated
    assert last.simulated
    # Each stack is created with a short run, has another and two full ones, and is destroyed.
    assert first.left_at_most_s == pytest.approx(2 * (600 + 110 + (120 + 110) + 2 * (120 + 320) + 300))
    assert last.left_at_most_s == 0
    left = [snapshot.left_at_most_s for snapshot in sweep.snapshots]
    assert left[len(left) // 2] < left[0]
    assert any(stack.progress for snapshot in sweep.snapshots for stack in snapshot.stacks)
