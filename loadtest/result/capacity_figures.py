"""The result of a capacity search, from the rows of its steps: the capacity, or why it is not known."""

import math
from collections.abc import Callable, Sequence

from analysis.capacity.bounds import bounds_of, meets_somewhere
from analysis.capacity.bursts import chance_of_failures, chance_of_so_many
from analysis.capacity.misses import JudgedRate, judged
from analysis.capacity.search import estimate_of
from analysis.objective import Objective
from analysis.results.schema.manifest import CapacityRps, SearchedCapacity
from loadtest.generator.capacity.search import HARDLY_BUSY
from loadtest.generator.capacity.step import StepVerdict
from loadtest.generator.plan import CapacitySearchPlan
from loadtest.result.finished_steps import FinishedStep

# With what error a rate counts as too high, and a server as broken.
_CERTAIN = 0.001


def capacity_of(
    load: CapacitySearchPlan, steps: Sequence[FinishedStep], is_disturbed: Callable[[str], bool] = lambda _: False
) -> SearchedCapacity | str:
    """The capacity with its interval, or its upper bound, and every step; or why neither is known.

    A phase that `is_disturbed` is no evidence.
    """
    disturbed = {step.phase for step in steps if is_disturbed(step.phase)}
    evidence = [step for step in steps if step.phase not in disturbed]
    objective = Objective.of_search(load)
    found = estimate_of([step.offered for step in evidence], objective)
    if found.value is not None:
        rps = CapacityRps(value=found.value, low=found.low, high=found.high)
        imprecise_because = _imprecise_because(load, found.high / found.low - 1)
    elif (most_rps := _too_slow_from_rps(evidence, objective)) is not None:
        rps = CapacityRps(value=None, low=0.0, high=most_rps)
        imprecise_because = _too_slow_because(load, most_rps, is_hardly_busy=_is_hardly_busy(most_rps, evidence))
    else:
        return _unknown_because(load, steps, objective)
    return SearchedCapacity(
        quantile=load.quantile,
        latency_ms=load.latency_ms,
        error_ratio=load.error_ratio,
        rps=rps,
        steps=tuple(step.figures(disturbed=step.phase in disturbed) for step in steps),
        imprecise_because=imprecise_because,
    )


def _unknown_because(load: CapacitySearchPlan, steps: Sequence[FinishedStep], objective: Objective) -> str:
    if any(step.rate_rps == load.lowest_rps and step.verdict is StepVerdict.FAILS for step in steps):
        return (
            f"even at lowestRps, {load.lowest_rps:g} requests/s, more than {load.error_ratio:.2%} of the answers were"
            " errors, so the server is broken rather than slow and its capacity is not known; check the server's log"
        )
    if any(step.rate_rps == load.highest_rps and step.verdict is StepVerdict.MEETS for step in steps):
        return (
            f"the objective was met at highestRps, {load.highest_rps:g} requests/s, so the search did not reach the"
            " capacity; give a higher highestRps"
        )
    poisson = sorted((step for step in steps if step.poisson), key=lambda step: step.rate_rps)
    rates = judged((step.offered for step in poisson), objective)
    if rates and poisson[0].rate_rps == rates[0].rate_rps and _fails_too_often(rates[0]):
        return (
            f"more than {load.error_ratio:.2%} of the requests failed at {rates[0].rate_rps:g} requests/s, most often"
            f" with {poisson[0].most_frequent_error}, and the search tried no lower rate with Poisson arrivals, so the"
            f" capacity is not known; correct the cause of these errors, or give a longer durationS than"
            f" {load.duration_s:g} s"
        )
    if rates and not meets_somewhere(rates):
        missed = rates[0].missed
        return (
            f"no rate certainly meets the objective ({_objective_text(load)}): at {rates[0].rate_rps:.3g} requests/s,"
            f" {int(missed.sum()):,} of {missed.size:,} requests missed it; give a longer durationS than"
            f" {load.duration_s:g} s, or, if so many answers are late when the server is hardly busy, another objective"
        )
    return (
        f"the capacity search did not come near enough to the capacity within durationS, {load.duration_s:g} s, so the"
        " capacity is not known; give a longer durationS"
    )


def _fails_too_often(rate: JudgedRate) -> bool:
    return chance_of_failures(rate.offered.failed, rate.objective.errors) <= _CERTAIN


def _is_hardly_busy(rate_rps: float, steps: Sequence[FinishedStep]) -> bool:
    passed_rps = [step.rate_rps for step in steps if step.verdict is StepVerdict.PASSED]
    return rate_rps <= HARDLY_BUSY * max(passed_rps, default=0.0)


def _too_slow_from_rps(steps: Sequence[FinishedStep], objective: Objective) -> float | None:
    """The lowest rate that was too high because answers came late, where none below it passed.

    Even arrivals that passed at a lower rate do not count where the server was hardly busy: they certify nothing. None
    where there is no such rate, or answers at it were errors: these come from a fault, not from the rate.
    """
    most_rps = bounds_of(judged((step.offered_without_errors for step in steps), objective), _CERTAIN).high
    passes = {StepVerdict.MEETS} if _is_hardly_busy(most_rps, steps) else {StepVerdict.MEETS, StepVerdict.PASSED}
    if math.isinf(most_rps) or any(step.rate_rps < most_rps and step.verdict in passes for step in steps):
        return None
    at_most = [step for step in steps if step.rate_rps == most_rps]
    errors, requests = sum(step.errors for step in at_most), sum(step.rows.num_rows for step in at_most)
    return None if chance_of_so_many(errors, requests, objective.errors) <= _CERTAIN else most_rps


def _too_slow_because(load: CapacitySearchPlan, most_rps: float, *, is_hardly_busy: bool) -> str:
    lower = (
        "its server is hardly busy there, so a lower rate is unlikely to help: look at what makes these answers late,"
        " or choose another objective"
        if is_hardly_busy
        else "to find it, give a longer durationS or a lower lowestRps"
    )
    return (
        f"at {most_rps:g} requests/s and at every higher rate that was tried the objective was missed"
        f" ({_objective_text(load)}), so the capacity is less than {most_rps:g} requests/s; {lower}"
    )


def _imprecise_because(load: CapacitySearchPlan, width: float) -> str | None:
    if width <= load.precision:
        return None
    return (
        f"the interval of the capacity is {width:.0%} wide, wider than precision ({load.precision:.0%}); give a longer"
        f" durationS (now {load.duration_s:g} s), or a larger precision"
    )


def _objective_text(load: CapacitySearchPlan) -> str:
    return f"p{load.quantile * 100:g} within {load.latency_ms:g} ms, at most {load.error_ratio:.2%} errors"
