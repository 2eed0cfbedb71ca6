"""Ranks variants for an objective: which meet it, which is best, and which are tied with the best."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self

from analysis.objective import Objective
from analysis.statistics.estimate import Estimate
from analysis.statistics.figures import Better
from analysis.statistics.summary import FIGURES
from analysis.verdict.compare import ratio
from analysis.verdict.variants import Variant
from stacks.serving_variant import ServingVariant


class Meets(StrEnum):
    """Whether a variant meets the objective, in the order of the ranking."""

    yes = "yes"
    unsure = "unsure"
    no = "no"


@dataclass(frozen=True)
class Limit:
    """One limit of the objective and the measured figure, both in `unit`."""

    name: str
    unit: str
    most: float
    measured: Estimate

    @classmethod
    def of(cls, figure: str, most: float, measured: Estimate) -> Self:
        return cls(FIGURES[figure].short, FIGURES[figure].unit, most, measured)

    @property
    def met(self) -> Meets:
        """Unsure where the limit lies within the interval."""
        if self.measured.high <= self.most:
            return Meets.yes
        return Meets.no if self.measured.low > self.most else Meets.unsure


@dataclass(frozen=True)
class Ranked:
    """A variant with its figures over all of its runs, and whether it meets the objective."""

    variant: Variant
    requests: int
    goodput_rps: Estimate
    p99_ms: Estimate
    usd_hourly: float
    limits: tuple[Limit, ...]
    tied_with_best: bool = False

    @property
    def label(self) -> str:
        return self.variant.label

    @property
    def runs(self) -> int:
        return len(self.variant.manifests)

    @property
    def usd_per_million(self) -> Estimate:
        """The hourly price divided by the good predictions of an hour, in millions."""
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
        met = {limit.met for limit in self.limits}
        if Meets.no in met:
            return Meets.no
        return Meets.unsure if Meets.unsure in met else Meets.yes

    def to_dict(self) -> dict[str, Any]:
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
    """Variants that meet the objective first, then the unsure ones, then the others; each group by the goal's figure.

    Tied with the best are those that meet the objective and are not certainly worse than the first. All comparisons
    hold together at 95 %, so that the true best is seldom left out, however many variants there are.
    """
    order = list(Meets)
    ordered = sorted(
        variants, key=lambda each: (order.index(each.meets), deciding_figure(each, objective).value, each.label)
    )
    if not ordered or ordered[0].meets is not Meets.yes:
        return tuple(ordered)
    first = ordered[0]
    comparisons = sum(each.meets is Meets.yes for each in ordered) - 1
    return tuple(
        replace(
            each,
            tied_with_best=each.meets is Meets.yes
            and (each is first or not is_worse(each, first, objective, comparisons)),
        )
        for each in ordered
    )


def deciding_figure(each: Ranked, objective: Objective) -> Estimate:
    """The figure that the goal decides by, as something of which less is better: of a rate, its inverse."""
    figure = each.figures[objective.decided_by]
    return figure.divides(1.0) if FIGURES[objective.decided_by].better is Better.more else figure


def is_worse(each: Ranked, than: Ranked, objective: Objective, comparisons: int = 1) -> bool:
    """Whether one variant is certainly worse than another; several comparisons hold together at 95 %."""
    return ratio(deciding_figure(each, objective), deciding_figure(than, objective), comparisons).low > 1
