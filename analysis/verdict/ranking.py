"""Ranks variants by what a million predictions cost at capacity, and compares each with the best of all others."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analysis.interval import Interval, has_value
from analysis.objective import Objective
from analysis.statistics.best import Standing, compare_with_best
from analysis.statistics.deployments import Mean
from analysis.statistics.estimate import Price
from analysis.statistics.lottery import OnCpu
from analysis.verdict.capacity import Capacity, Meets
from analysis.verdict.variants import Variant
from stacks.server.serving_variant import ServingVariant


@dataclass(frozen=True)
class Ranked:
    """A variant with its capacity and price. `standing` is None where it does not certainly meet the objective."""

    variant: Variant
    capacity: Capacity
    price: Price
    standing: Standing | None = None

    @property
    def label(self) -> str:
        return self.variant.label

    @property
    def runs(self) -> int:
        return self.capacity.runs

    @property
    def meets(self) -> Meets:
        return self.capacity.meets

    @property
    def usd_hourly(self) -> float:
        return self.price.usd_hourly

    @property
    def usd_per_million(self) -> Interval[float | None]:
        """Per million predictions, at capacity."""
        return self.price.usd_per_million(self.capacity.rps)

    @property
    def usd_per_million_requests(self) -> Interval[float | None]:
        return self.price.usd_per_million_requests(self.capacity.rps)

    def usd_per_million_on(self, on_cpu: OnCpu) -> Interval[float]:
        """Per million predictions, at capacity, where all nodes have this CPU model."""
        return self.price.usd_per_million(on_cpu.rps)

    @property
    def figures(self) -> dict[str, Interval[float]]:
        """What pairs of variants are compared by, by the names of `analysis.statistics.summary.FIGURES`."""
        found = {"usd_per_million_good": self.usd_per_million, "capacity_rps": self.capacity.rps}
        return {name: figure for name, figure in found.items() if has_value(figure)}

    def to_dict(self) -> dict[str, Any]:
        newest, standing = self.variant.newest, self.standing
        bounded = standing is not None and math.isfinite(standing.at_most_more)
        return {
            "label": self.label,
            "stack": newest.stack,
            "shape": newest.shape.model_dump(),
            "variant": newest.serving.model_dump(include=set(ServingVariant.model_fields)),
            "capacity_rps": self.capacity.rps.to_dict(),
            "usd_per_million": self.usd_per_million.to_dict(),
            **self.price.of_requests(self.capacity.rps),
            "at_most_more_percent": standing.at_most_more * 100 if standing and bounded else None,
            "cpus": [
                {
                    "cpu": each.cpu if each.is_seen else None,
                    "nodes": each.nodes,
                    "share": each.share.to_dict(),
                    "capacity_rps": each.rps.to_dict(),
                    "usd_per_million": self.usd_per_million_on(each).to_dict(),
                }
                for each in self.capacity.cpus
            ],
            "meets": self.meets.value,
            "deployments": self.capacity.deployments,
            "runs": self.runs,
        }


def rank(variants: Sequence[Ranked], objective: Objective) -> tuple[Ranked, ...]:
    """Variants that meet the objective first, then the unsure ones, then the others; each group by the goal's figure.

    Those that meet it are compared with the best of the others, all at once.
    """
    priced = [_within_budget(variant, objective) for variant in variants]
    standings = _standings([each for each in priced if each.meets is Meets.yes], objective)
    order = list(Meets)

    def place(each: Ranked) -> tuple[int, float, str]:
        figure = decided_by(each, objective)
        known = figure.high if math.isfinite(figure.high) else figure.low
        return order.index(each.meets), known if figure.value is None else figure.value, each.label

    return tuple(replace(each, standing=standings.get(each.label)) for each in sorted(priced, key=place))


def decided_by(each: Ranked, objective: Objective) -> Interval[float | None]:
    """The figure that the goal decides by, as something of which less is better: of the capacity, its inverse."""
    return each.usd_per_million if objective.goal == "minimise cost" else each.capacity.rps.divides(1.0)


def log_costs(ranking: Sequence[Ranked], objective: Objective) -> dict[str, Mean]:
    """The mean logarithm of what the goal decides by, of each variant that meets the objective and was searched.

    A variant whose runs contradict each other has none: it is compared by its interval, which covers both.
    """
    at_equal_price = objective.goal == "maximise capacity"
    return {
        each.label: mean.subtracted_from(math.log(1 if at_equal_price else each.usd_hourly))
        for each in ranking
        if (mean := each.capacity.agreed_mean) and each.meets is Meets.yes
    }


def _within_budget(each: Ranked, objective: Objective) -> Ranked:
    """A variant over the budget misses the objective, whatever its capacity."""
    budget_usd = objective.budget_usd_hourly
    if budget_usd is None or each.usd_hourly <= budget_usd:
        return each
    return replace(each, capacity=replace(each.capacity, meets=Meets.no))


def _standings(eligible: Sequence[Ranked], objective: Objective) -> Mapping[str, Standing]:
    """Those of the searched variants by their means; where only bounds are known of one of two, by their bounds."""
    means = log_costs(eligible, objective)
    standings = compare_with_best(means)
    found = {}
    for each in eligible:
        may_be_best, more = True, 0.0
        if each.label in standings:
            may_be_best, more = standings[each.label].may_be_best, standings[each.label].at_most_more
        for other in eligible:
            if other is not each and not (each.label in means and other.label in means):
                own, others = decided_by(each, objective), decided_by(other, objective)
                may_be_best = may_be_best and own.low <= others.high
                more = max(more, own.high / others.low - 1 if others.low else math.inf)
        found[each.label] = Standing(may_be_best, more)
    return found
