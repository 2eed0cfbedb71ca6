"""Ranks variants for an objective: which keep its limits, which is best, and which the data cannot tell from it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self

from analysis.statistics.estimate import Estimate
from analysis.statistics.figures import Better
from analysis.statistics.summary import FIGURES
from analysis.verdict.compare import ratio
from analysis.verdict.objective import Objective
from analysis.verdict.variants import Variant
from stacks.serving_variant import ServingVariant


class Meets(StrEnum):
    """Whether a variant keeps the limits, in the order of the ranking."""

    yes = "yes"
    unsure = "unsure"
    no = "no"


@dataclass(frozen=True)
class Limit:
    """One limit of the objective beside what was measured, both in `unit`."""

    name: str
    unit: str
    most: float
    measured: Estimate

    @classmethod
    def of(cls, figure: str, most: float, measured: Estimate) -> Self:
        """A limit on a figure of a run, by its name there."""
        return cls(FIGURES[figure].short, FIGURES[figure].unit, most, measured)

    @property
    def kept(self) -> Meets:
        """Unsure where the limit lies within the interval."""
        if self.measured.high <= self.most:
            return Meets.yes
        return Meets.no if self.measured.low > self.most else Meets.unsure


@dataclass(frozen=True)
class Ranked:
    """A variant with its figures over all of its runs, and how it stands to the objective."""

    variant: Variant
    requests: int
    goodput_rps: Estimate
    p99_ms: Estimate
    usd_hourly: float
    limits: tuple[Limit, ...]
    tied_with_best: bool = False

    @property
    def label(self) -> str:
        """The variant's name."""
        return self.variant.label

    @property
    def runs(self) -> int:
        """How many runs the figures are of."""
        return len(self.variant.manifests)

    @property
    def usd_per_million(self) -> Estimate:
        """The hour's cost divided by the good predictions of an hour, in millions."""
        return self.goodput_rps.times(3600 / 1e6).divides(self.usd_hourly)

    @property
    def figures(self) -> dict[str, Estimate]:
        """What variants are ranked and compared by, by the names of `analysis.statistics.summary.FIGURES`."""
        return {
            "usd_per_million_good": self.usd_per_million,
            "goodput_rps": self.goodput_rps,
            "p99_ms": self.p99_ms,
        }

    @property
    def meets(self) -> Meets:
        """No if a limit is surely missed, yes if all are surely kept."""
        kept = {limit.kept for limit in self.limits}
        if Meets.no in kept:
            return Meets.no
        return Meets.unsure if Meets.unsure in kept else Meets.yes

    def to_dict(self) -> dict[str, Any]:
        """The entry of the ranking, as `shapebench verdict --format json` prints it."""
        newest = self.variant.newest
        return {
            "label": self.label,
            "stack": newest.stack,
            "shape": newest.shape.model_dump(),
            "variant": newest.serving.model_dump(include=set(ServingVariant.model_fields)),
            "runs": self.runs,
            "requests": self.requests,
            "goodput": self.goodput_rps.to_dict(),
            "p99_ms": self.p99_ms.to_dict(),
            "usd_per_million": self.usd_per_million.to_dict(),
            "meets": self.meets.value,
            "tied_with_best": self.tied_with_best,
        }


def rank(variants: Sequence[Ranked], objective: Objective) -> tuple[Ranked, ...]:
    """Those that keep the limits first, then the unsure, then the others; within each the best for the goal first.

    Tied with the best are those that keep the limits and that the data does not tell from the first of them; of all
    such comparisons together at 95 %, so that the true best is seldom left out, however many rivals it has.
    """
    order = list(Meets)
    ordered = sorted(variants, key=lambda each: (order.index(each.meets), deciding(each, objective).value, each.label))
    if not ordered or ordered[0].meets is not Meets.yes:
        return tuple(ordered)
    leader = ordered[0]
    rivals = sum(each.meets is Meets.yes for each in ordered) - 1
    return tuple(
        replace(
            each,
            tied_with_best=each.meets is Meets.yes
            and (each is leader or not is_worse(each, leader, objective, rivals)),
        )
        for each in ordered
    )


def deciding(each: Ranked, objective: Objective) -> Estimate:
    """The figure that the goal decides by, as something of which less is better: of a rate, its inverse."""
    figure = each.figures[objective.decided_by]
    return figure.divides(1.0) if FIGURES[objective.decided_by].better is Better.more else figure


def is_worse(each: Ranked, than: Ranked, objective: Objective, comparisons: int = 1) -> bool:
    """Whether the data says so; with several comparisons, whether it does of all of them together."""
    return ratio(deciding(each, objective), deciding(than, objective), comparisons).low > 1


def half_width(each: Estimate, limit: float) -> float:
    """How far the interval reaches from the value towards the limit, in logarithms."""
    if limit >= each.value:
        return math.log(each.high / each.value) if math.isfinite(each.high) else math.inf
    return math.log(each.value / each.low) if each.low > 0 else math.inf
