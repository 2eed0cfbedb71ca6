"""The Pareto front of cost against latency: what nothing else beats in both at once."""

from collections.abc import Sequence
from enum import StrEnum

from analysis.verdict.compare import ratio
from analysis.verdict.ranking import Meets, Ranked


class Front(StrEnum):
    """Where a variant stands to the front, by what was measured and by how sure that is."""

    on = "on the front"
    near = "may be on it"
    off = "not on it"


def front(ranking: Sequence[Ranked]) -> dict[str, Front]:
    """By label. Variants that surely fail more often than the limit are none that anybody could choose: `off`.

    On the front is what no other variant beats in cost and p99 alike, or in one at the same of the other. What another
    beats in both stays `near` it where the data cannot tell the two apart in at least one.
    """
    eligible = [each for each in ranking if not _fails_too_often(each)]
    stands = dict.fromkeys((each.label for each in ranking), Front.off)
    for each in eligible:
        better = [other for other in eligible if _beats(other, each)]
        if not better:
            stands[each.label] = Front.on
        elif not any(_surely_beats(other, each) for other in better):
            stands[each.label] = Front.near
    return stands


def _fails_too_often(each: Ranked) -> bool:
    return any(limit.name == "errors" and limit.kept is Meets.no for limit in each.limits)


def _beats(other: Ranked, each: Ranked) -> bool:
    cost, other_cost = each.usd_per_million.value, other.usd_per_million.value
    p99_ms, other_p99_ms = each.p99_ms.value, other.p99_ms.value
    return other_cost <= cost and other_p99_ms <= p99_ms and (other_cost, other_p99_ms) != (cost, p99_ms)


def _surely_beats(other: Ranked, each: Ranked) -> bool:
    """In both, each at 95 % of both comparisons together."""
    return ratio(each.usd_per_million, other.usd_per_million, 2).low > 1 and ratio(each.p99_ms, other.p99_ms, 2).low > 1
