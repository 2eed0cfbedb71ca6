"""The Pareto front of cost and latency: variants that no other beats in both."""

from collections.abc import Sequence
from enum import StrEnum

from analysis.verdict.compare import ratio
from analysis.verdict.ranking import Meets, Ranked


class Front(StrEnum):
    """Whether a variant is on the front, and how certain that is."""

    on = "on the front"
    near = "may be on it"
    off = "not on it"


def front(ranking: Sequence[Ranked]) -> dict[str, Front]:
    """By label. A variant that certainly has more errors than the objective allows is `off`.

    `on` the front are those that no other variant beats in cost and p99, or in one with the other equal. Those that
    another beats are `near` where the data cannot tell the two apart in cost or in p99.
    """
    eligible = [
        each for each in ranking if not any(limit.name == "errors" and limit.met is Meets.no for limit in each.limits)
    ]
    stands = dict.fromkeys((each.label for each in ranking), Front.off)
    for each in eligible:
        better = [other for other in eligible if _beats(other, each)]
        if not better:
            stands[each.label] = Front.on
        elif not any(_certainly_beats(other, each) for other in better):
            stands[each.label] = Front.near
    return stands


def _beats(other: Ranked, each: Ranked) -> bool:
    cost, other_cost = each.usd_per_million.value, other.usd_per_million.value
    p99_ms, other_p99_ms = each.p99_ms.value, other.p99_ms.value
    return other_cost <= cost and other_p99_ms <= p99_ms and (other_cost, other_p99_ms) != (cost, p99_ms)


def _certainly_beats(other: Ranked, each: Ranked) -> bool:
    """In both figures; the two comparisons hold together at 95 %."""
    return ratio(each.usd_per_million, other.usd_per_million, 2).low > 1 and ratio(each.p99_ms, other.p99_ms, 2).low > 1
