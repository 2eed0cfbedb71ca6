"""Compares a stack before and after a change: the cost at capacity of its newest variant in two results stores."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import attrgetter
from typing import Any

from analysis.comparability import BUILD, differences
from analysis.formatting import money
from analysis.interval import Interval
from analysis.objective import Objective
from analysis.pricing.cost import why_unpriced
from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore
from analysis.statistics.best import difference_of
from analysis.statistics.estimate import student_t
from analysis.verdict.capacity import Told, capacities
from analysis.verdict.effects import FACTORS, settings_of
from analysis.verdict.latest import (
    ENVIRONMENT,
    Excluded,
    Latest,
    SearchReader,
    by_environment,
    latest,
    newest_searches,
    objective_of_search,
    unusable,
)


class ChangeFinding(StrEnum):
    """What a change did to the cost of a million predictions at capacity."""

    improved = "improved"
    worse = "worse"
    cannot_tell = "cannot tell"


@dataclass(frozen=True)
class Change:
    """A stack before and after a change, at the objective of the searches after it.

    `ratio` is its cost after by that before, with an interval; those of all stacks hold together at 95 %. It is None
    where `why_not` says why the two cannot be compared. `differs` is what was changed, `excluded` the searches of both
    sides that are not used.
    """

    stack: str
    before: Latest | None = None
    after: Latest | None = None
    differs: tuple[str, ...] = ()
    why_not: tuple[str, ...] = ()
    ratio: Interval[float | None] | None = None
    excluded: tuple[Excluded, ...] = ()

    @property
    def is_rehearsal(self) -> bool:
        return any(side.is_rehearsal for side in (self.before, self.after) if side)

    @property
    def finding(self) -> ChangeFinding:
        """Improved or worse only if the whole interval is below or above 1."""
        if self.ratio is None or self.ratio.low <= 1 <= self.ratio.high:
            return ChangeFinding.cannot_tell
        return ChangeFinding.improved if self.ratio.high < 1 else ChangeFinding.worse

    def to_dict(self) -> dict[str, Any]:
        return {
            "stack": self.stack,
            "finding": self.finding.value,
            "usd_ratio": self.ratio.to_dict() if self.ratio else None,
            "why_not": list(self.why_not),
            "differs": list(self.differs),
            "excluded": [{"run_id": run.run_id, "reasons": list(why)} for run, why in self.excluded],
            "before": self.before.to_dict() if self.before else None,
            "after": self.after.to_dict() if self.after else None,
        }


@dataclass(frozen=True)
class _Pair:
    """The searches of a stack that say something, before and after, and why the two may not be compared."""

    stack: str
    before: tuple[Told, ...]
    after: tuple[Told, ...]
    objective: Objective
    why_not: tuple[str, ...]
    excluded: tuple[Excluded, ...]


@dataclass(frozen=True)
class Side:
    """A store, and the finished runs that it has."""

    store: ResultsStore
    runs: tuple[Manifest, ...]


def read_changes(before: Side, after: Side, stacks: Collection[str] = ()) -> tuple[Change, ...]:
    """The change of each of the `stacks`, by default of all that have runs after it; reads the runs' rows."""
    searches, base = newest_searches(after.runs), newest_searches(before.runs)
    wanted = set(stacks) or {run.stack for run in after.runs}
    unknown = [Change(stack, why_not=_no_search(after.runs, stack)) for stack in wanted - searches.keys()]
    pairs = [
        _pair(stack, before.store, base.get(stack, ()), after.store, searches[stack])
        for stack in sorted(wanted & searches.keys())
    ]
    invalid = unusable((*before.runs, *after.runs))
    found = (
        replace(each, excluded=(*(run for run in invalid if run[0].stack == each.stack), *each.excluded))
        for each in (*unknown, *_compared(pairs))
    )
    return tuple(sorted(found, key=attrgetter("stack")))


def _pair(
    stack: str, before: ResultsStore, base: Sequence[Manifest], after: ResultsStore, runs: Sequence[Manifest]
) -> _Pair:
    """Of the conditions that both ran under, those of the newest run after the change."""
    objective = objective_of_search(runs[-1])
    groups, base_groups = by_environment(runs), by_environment(base)
    common = next((key for key in groups if key in base_groups), None)
    chosen = groups[common or next(iter(groups))]
    chosen_base = base_groups[common or next(iter(base_groups))] if base else ()
    (told, silent), (told_base, silent_base) = (
        SearchReader(after).told_of(chosen, objective),
        SearchReader(before).told_of(chosen_base, objective),
    )
    why_not: tuple[str, ...]
    if not base:
        why = f"{before.uri} has no valid capacity search of this stack, so there is nothing to compare with"
        why_not = (f"{why}; make one there first",)
    elif not told or not told_base:
        where = before.uri if told else after.uri
        why = f"no capacity search of this stack in {where} says anything about the objective, {objective.text}"
        why_not = (f"{why}; make one there for this objective",)
    else:
        why_not = differences(chosen[-1], chosen_base[-1], ENVIRONMENT) or _prices_differ(chosen_base[-1], chosen[-1])
    return _Pair(stack, told_base, told, objective, why_not, (*silent_base, *silent))


def _compared(pairs: Sequence[_Pair]) -> list[Change]:
    """How much deployments differ is estimated from both sides of all pairs together."""
    told = {(pair.stack, side): getattr(pair, side) for pair in pairs for side in ("before", "after")}
    known, _ = capacities({f"{side} {stack}": runs for (stack, side), runs in told.items() if runs})
    intervals = max(1, sum(not pair.why_not for pair in pairs))

    def side_of(pair: _Pair, side: str) -> Latest | None:
        runs = told[pair.stack, side]
        return latest(runs, pair.objective, known[f"{side} {pair.stack}"]) if runs else None

    changes = []
    for pair in pairs:
        before, after = side_of(pair, "before"), side_of(pair, "after")
        change = Change(pair.stack, before, after, why_not=pair.why_not, excluded=pair.excluded)
        if before and after:
            change = replace(change, differs=_what_differs(before.newest, after.newest))
            if not pair.why_not:
                change = replace(change, ratio=_ratio(before, after, intervals))
        changes.append(change)
    return changes


def _ratio(before: Latest, after: Latest, intervals: int) -> Interval[float | None]:
    """The cost after by the cost before; bounds where one of the capacities has no value, or runs contradict it."""
    one, other = before.capacity.agreed_mean, after.capacity.agreed_mean
    if one is None or other is None:
        low, high = after.usd_per_million.low, after.usd_per_million.high
        base_low, base_high = before.usd_per_million.low, before.usd_per_million.high
        return Interval(None, low / base_high, high / base_low if base_low else math.inf)
    difference = difference_of(one, other)
    half = student_t(difference.degrees_of_freedom, intervals) * math.sqrt(difference.variance)
    log_ratio = math.log(after.usd_hourly / before.usd_hourly) + difference.log_value
    return Interval(math.exp(log_ratio), math.exp(log_ratio - half), math.exp(log_ratio + half))


def _no_search(every: Sequence[Manifest], stack: str) -> tuple[str, ...]:
    """Why a stack has no valid search: what its newest run says."""
    newest = max((run for run in every if run.stack == stack), key=attrgetter("run_id"), default=None)
    if newest is None:
        return ("it was not measured, so there is nothing to compare; measure it with the profile `capacity`",)
    run = f"its newest run, {newest.run_id},"
    if newest.capacity:
        why = (
            f"{run} has no cost, so there is nothing to compare: {why_unpriced(newest.cost)}; `shapebench price"
            " --refresh` gets prices for further runs"
        )
    else:
        why = f"{run} is not a capacity search, so there is nothing to compare; measure it with the profile `capacity`"
    return newest.validity.reasons or (why,)


def _prices_differ(before: Manifest, after: Manifest) -> tuple[str, ...]:
    """Prices of two dates would show as a change of the cost."""
    old, new = before.cost.prices_as_of, after.cost.prices_as_of
    if old == new:
        return ()
    why = f"the run after the change has the prices of {new}, the run before it those of {old}"
    return (f"{why}, so the prices may be what changed; measure the stack again without the change",)


def _what_differs(before: Manifest, after: Manifest) -> tuple[str, ...]:
    """Each factor, the server and the price where they are not the same, as `before → after`."""
    one, other = settings_of(before), settings_of(after)
    factors = [(factor.text(one), factor.text(other)) for factor in FACTORS]
    builds = [each.values(before, after) for each in BUILD]
    price = (f"{money(before.cost.hourly)} USD/h", f"{money(after.cost.hourly)} USD/h")
    return tuple(f"{old} → {new}" for old, new in (*factors, *builds, price) if old != new)
