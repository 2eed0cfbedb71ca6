"""Ranks shapes by what a prediction is estimated to cost: price over speed, scaled by capacities that were measured.

A shape is taken to serve as much as its cores would one by one: so many nodes times the cores of each. Its benchmark
says less of larger machines, because its threads share one task; requests do not.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.estimate.speeds import SeriesSpeed
from analysis.interval import Interval
from analysis.objective import Objective
from analysis.results.schema.manifest import Manifest
from analysis.statistics.estimate import Price, Z
from stacks.machines.shapes import NodeShape


@dataclass(frozen=True)
class Candidate:
    """A shape with its hourly price and the speed of a core of its series."""

    shape: NodeShape
    usd_hourly: float
    speed: SeriesSpeed

    @property
    def work(self) -> float:
        """The logarithm of what it does in an hour."""
        return math.log(self.shape.nodes * self.shape.cores) + self.speed.per_core


@dataclass(frozen=True)
class Capacity:
    """The capacity of a shape that was measured with this model; a request is so many predictions."""

    candidate: Candidate
    rps: Interval[float]
    instances: float

    @property
    def sd(self) -> float:
        """The standard deviation of the logarithm of the capacity."""
        return math.log(self.rps.high / self.rps.low) / (2 * Z)


@dataclass(frozen=True)
class StoredCapacities:
    """What a results store knows of a model: the capacity of each shape, and at which objective, None without a run.

    `excluded` are the runs that no capacity rests on, with the reasons.
    """

    objective: Objective | None = None
    capacities: tuple[Capacity, ...] = ()
    excluded: tuple[tuple[Manifest, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class Scaled:
    """What a shape would do by the capacity of another one; `of` is that one."""

    rps: Interval[float]
    usd_per_million: Interval[float]
    of: Capacity


@dataclass(frozen=True)
class Estimated:
    """A shape with its cost of a prediction as a multiple of the cheapest shape's.

    `scaled` is None where nothing was measured with this model.
    """

    candidate: Candidate
    relative_cost: Interval[float]
    scaled: Scaled | None = None


def rank(candidates: Iterable[Candidate], scatter: float, measured: Sequence[Capacity] = ()) -> tuple[Estimated, ...]:
    """The cheapest first. `scatter` is how far a machine type is from the speed of its series, as a logarithm."""
    costs = [(candidate, _log_cost(candidate, scatter, measured)) for candidate in candidates]
    costs.sort(key=lambda costed: (costed[1].value, costed[0].shape.name))
    if not costs:
        return ()
    first, least = costs[0]
    return tuple(
        Estimated(
            candidate,
            _interval(cost.value - least.value, _relative_sd(candidate, cost, first, least, scatter)),
            _scaled(candidate, cost, cost.of) if cost.of else None,
        )
        for candidate, cost in costs
    )


@dataclass(frozen=True)
class _LogCost:
    """The logarithm of a cost: of a million predictions where `of` has been measured, else in a unit of its own."""

    value: float
    sd: float
    of: Capacity | None


def _log_cost(candidate: Candidate, scatter: float, measured: Sequence[Capacity]) -> _LogCost:
    if not measured:
        return _LogCost(math.log(candidate.usd_hourly) - candidate.work, math.inf, None)
    sd, of = min(
        ((math.hypot(_ratio_sd(candidate, one.candidate, scatter), one.sd), one) for one in measured),
        key=lambda found: found[0],
    )
    usd = Price(candidate.usd_hourly, of.instances).usd_per_million_at(_rps(candidate, of))
    return _LogCost(math.log(usd), sd, of)


def _rps(candidate: Candidate, of: Capacity) -> float:
    return of.rps.value * math.exp(candidate.work - of.candidate.work)


def _scaled(candidate: Candidate, cost: _LogCost, of: Capacity) -> Scaled:
    return Scaled(_interval(math.log(_rps(candidate, of)), cost.sd), _interval(cost.value, cost.sd), of)


def _relative_sd(candidate: Candidate, cost: _LogCost, first: Candidate, least: _LogCost, scatter: float) -> float:
    """By the benchmark, or by what was measured, whichever says more."""
    return min(_ratio_sd(candidate, first, scatter), math.hypot(cost.sd, least.sd)) if candidate is not first else 0.0


def _ratio_sd(one: Candidate, other: Candidate, scatter: float) -> float:
    if one.shape.machine_type == other.shape.machine_type:
        return 0.0
    return math.hypot(one.speed.ratio_sd(other.speed), math.sqrt(2) * scatter)


def _interval(log: float, sd: float) -> Interval[float]:
    return Interval(math.exp(log), math.exp(log - Z * sd), math.exp(log + Z * sd))
