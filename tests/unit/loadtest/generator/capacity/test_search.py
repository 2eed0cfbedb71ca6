"""A capacity search against a simulated server, whose capacity is known, on a clock of its own."""

import random

import numpy as np
import pytest

from analysis.capacity.bounds import meets_somewhere
from analysis.capacity.misses import judged as rates_judged
from analysis.objective import Objective
from bench.servers.simulated_search import SimulatedSearch, play_step, simulated_search
from bench.servers.simulated_server import ServerModel, SimulatedServer, true_capacity_rps
from loadtest.generator.capacity.search import HARDLY_BUSY, Search
from loadtest.generator.capacity.step import Counts, Step, StepJudge, StepVerdict
from loadtest.generator.loops.arrivals import CONSTANT, POISSON
from loadtest.generator.plan import CapacitySearchPlan
from tests.unit.loadtest.plans import capacity_search

SERVER = ServerModel(replicas=1, workers=4, service_s=0.05, service_cv=0.5)


def objective(**changes: float) -> CapacitySearchPlan:
    return capacity_search(**{"quantile": 0.95, "latency_ms": 200, "error_ratio": 0.01, **changes})


@pytest.fixture(scope="module")
def searches() -> list[SimulatedSearch]:
    return [simulated_search(SERVER, objective(seed=seed), seed) for seed in range(6)]


def test_the_last_rates_are_those_near_the_capacity(searches: list[SimulatedSearch]) -> None:
    capacity_rps = true_capacity_rps(SERVER, 0.95, 0.2, 1_000_000)
    for search in searches:
        last, _ = search.steps[-1]
        assert last.rate_rps == pytest.approx(capacity_rps, rel=0.1)


def test_it_climbs_with_even_arrivals_and_measures_with_poisson_ones(searches: list[SimulatedSearch]) -> None:
    for search in searches:
        laws = [step.arrivals for step, _ in search.steps]
        assert laws == sorted(laws)
        assert set(laws) == {CONSTANT, POISSON}
        assert all(verdict is not StepVerdict.MEETS for step, verdict in search.steps if step.arrivals == CONSTANT)


def test_it_ends_early_when_the_interval_is_as_narrow_as_asked(searches: list[SimulatedSearch]) -> None:
    assert np.median([search.took_s for search in searches]) < 300


def test_it_ends_in_time_and_keeps_what_it_has() -> None:
    search = simulated_search(SERVER, objective(precision=0.002, duration_s=60), 1)
    assert search.took_s == pytest.approx(60, abs=1)


def test_variants_get_the_same_arrivals_and_repeats_others() -> None:
    one, same, other = (Search(objective(seed=seed), 20).next(600) for seed in (1, 1, 2))
    assert one == same
    poisson = [
        next(step for step, _ in simulated_search(SERVER, objective(seed=seed), 1).steps if step.arrivals == POISSON)
        for seed in (1, 2)
    ]
    assert poisson[0].seed != poisson[1].seed
    assert one == other, "constant arrivals have no seed"


def judged(model: ServerModel, step: Step, load: CapacitySearchPlan) -> tuple[StepVerdict, float]:
    played = play_step(SimulatedServer(model, 1), load, step, 0.0)
    return played.verdict, played.ended_s


def test_a_step_far_above_the_capacity_is_abandoned_within_seconds() -> None:
    verdict, took_s = judged(SERVER, Step(160, POISSON, 1, 100), objective())
    assert verdict is StepVerdict.FAILS
    assert took_s < 5


def test_a_step_far_below_the_capacity_meets_the_objective_at_its_end() -> None:
    verdict, took_s = judged(SERVER, Step(40, POISSON, 1, 30), objective())
    assert verdict is StepVerdict.MEETS
    assert took_s == 30


def test_a_step_that_is_too_short_to_tell_is_undecided() -> None:
    assert judged(SERVER, Step(40, POISSON, 1, 2), objective())[0] is StepVerdict.UNDECIDED


def test_a_quick_step_passes_in_seconds_unless_a_backlog_grows() -> None:
    assert judged(SERVER, Step(40, CONSTANT, 1, 10), objective()) == (StepVerdict.PASSED, 2.25)
    long_limit = objective(latency_ms=5000)
    assert judged(SERVER, Step(160, CONSTANT, 1, 20), long_limit)[0] is StepVerdict.UNDECIDED


def answered(answers: list[tuple[float, bool]], rate_rps: float = 100.0) -> StepVerdict | None:
    judge = StepJudge(capacity_search(), Step(rate_rps, POISSON, 1, len(answers) / rate_rps))
    for number, (response_s, ok) in enumerate(answers):
        judge.add_end(judge.add_due(number / rate_rps), response_s, ok=ok)
    return judge.verdict(len(answers) / rate_rps)


def noise(count: int) -> list[float]:
    generator = random.Random(1)
    return [0.05 + 0.01 * generator.random() for _ in range(count)]


def test_one_outlier_does_not_decide_a_step() -> None:
    good = [(latency_s, True) for latency_s in noise(2500)]
    assert answered(good) is StepVerdict.MEETS
    assert answered([*good[:1500], (2.0, True), *good[1501:]]) is StepVerdict.MEETS


def test_a_burst_that_may_be_the_first_of_many_is_not_certified() -> None:
    # Six of 700, all at once, are fewer than one in a hundred; but one more such burst would be too many.
    good = [(latency_s, True) for latency_s in noise(700)]
    assert answered([*good[:500], *[(2.0, True)] * 6, *good[506:]]) is StepVerdict.UNDECIDED


def test_errors_fail_a_step_whose_latency_is_good() -> None:
    answers = [(0.05, index % 20 != 0) for index in range(600)]
    assert answered(answers) is StepVerdict.FAILS


def test_requests_that_are_still_waiting_count_once_they_are_too_late() -> None:
    judge = StepJudge(capacity_search(), Step(100.0, CONSTANT, 1, 10))
    for number in range(100):
        judge.add_due(number / 100)
    assert judge.verdict(0.4) is None
    assert judge.verdict(1.4) is StepVerdict.FAILS


def test_an_objective_that_an_idle_server_misses_ends_the_search_at_the_lowest_rate() -> None:
    slow = ServerModel(replicas=1, workers=2, service_s=0.3, service_cv=0.0)
    search = simulated_search(slow, objective(lowest_rps=1), 1)
    assert [step.arrivals for step, _ in search.steps] == [CONSTANT] * len(search.steps)
    assert search.steps[-1][0].rate_rps == 1


def test_a_server_without_a_limit_within_reach_is_measured_at_the_highest_rate() -> None:
    search = simulated_search(SERVER, objective(highest_rps=30, duration_s=120), 1)
    assert search.steps[-1] == (search.steps[-1][0], StepVerdict.MEETS)
    assert search.steps[-1][0].rate_rps == 30
    assert search.took_s < 60


def test_rates_that_are_refused_too_often_are_left_for_lower_ones() -> None:
    """No answer is ever late, since at most four wait; a lower rate is the only way to fewer refusals."""
    refusing = ServerModel(replicas=1, workers=4, service_s=0.05, service_cv=0.5, queue=4)
    capacity_rps = true_capacity_rps(refusing, 0.95, 0.2, 2_000_000, errors=0.01)
    for seed in range(3):
        search = simulated_search(refusing, objective(seed=seed), seed)
        assert search.steps[-1][0].rate_rps == pytest.approx(capacity_rps, rel=0.15)


def test_after_a_rate_has_failed_a_lower_one_is_offered() -> None:
    search = Search(objective(highest_rps=20, precision=0.002), 20)
    first = search.next(600)
    assert first
    search.record(first, StepVerdict.PASSED, Counts(20, 100, 0, 1.0))
    step = search.next(600)
    assert step
    assert step.arrivals == POISSON
    search.record(step, StepVerdict.FAILS, Counts(step.rate_rps, 400, 200, 2.0))
    after = search.next(600)
    assert after
    assert after.rate_rps < step.rate_rps


def after(*counts: tuple[float, int, int]) -> Step:
    """The step after Poisson steps of these rates, of 4,000 requests each, with so many missed and so many failed."""
    search = Search(objective(precision=0.002), 20)
    for rate_rps, missed, failed in counts:
        search.record(Step(rate_rps, POISSON, 1, 60), StepVerdict.UNDECIDED, Counts(rate_rps, 4000, missed, 2, failed))
    search.record(Step(20, CONSTANT, 0, 10), StepVerdict.PASSED, Counts(20, 100, 0, 1))
    search.record(Step(22, CONSTANT, 0, 10), StepVerdict.UNDECIDED, Counts(22, 100, 50, 1))
    step = search.next(600)
    assert step
    assert step.arrivals == POISSON
    return step


def test_while_no_rate_has_missed_too_much_higher_ones_are_offered() -> None:
    assert after((60, 100, 0)).rate_rps >= 1.02 * 60
    assert after((60, 100, 0), (66, 140, 0), (64, 130, 0)).rate_rps >= 1.02 * 66
    assert after((60, 0, 0)).rate_rps == pytest.approx(1.3 * 60)


def test_a_rate_that_refuses_too_many_is_high_enough() -> None:
    assert after((60, 100, 90), (66, 140, 130)).rate_rps < 60


@pytest.mark.parametrize("late_share", [0.02, 0.12])
def test_where_no_rate_meets_the_objective_lower_ones_are_offered_until_the_server_is_hardly_busy(
    late_share: float,
) -> None:
    late = ServerModel(replicas=1, workers=4, service_s=0.05, service_cv=0.5, late_share=late_share)
    limit = objective(quantile=1 - late_share / 2)
    search = simulated_search(late, limit, 3)
    assert search.took_s < limit.duration_s, "it ends early"
    lowest_rps = min(step.rate_rps for step, _ in search.steps if step.arrivals == POISSON)
    assert lowest_rps <= HARDLY_BUSY * late.saturation_rps
    assert search.estimate(Objective.of_search(limit)).value is None


def test_a_value_comes_with_a_rate_that_certainly_meets(searches: list[SimulatedSearch]) -> None:
    wanted = Objective.of_search(objective())
    assert all(search.estimate(wanted).value for search in searches)
    assert all(meets_somewhere(rates_judged(search.offered, wanted)) for search in searches)
