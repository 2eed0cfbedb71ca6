"""What a day of traffic costs with each variant: with a fixed fleet for its peak, and with an autoscaled one."""

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import numpy as np

from analysis.planning.day.autoscaling import Delays, Hpa, Integers, NodeLoad, scale
from analysis.planning.day.cpu_use import cpu_percent_at
from analysis.planning.day.start_up import AskedDelays, StartUp, start_up_of
from analysis.planning.day.traffic import STEP_S, Traffic
from analysis.planning.fleet.bills import Offer
from analysis.planning.fleet.offers import Terms
from analysis.planning.fleet.plan import stored_offers
from analysis.planning.fleet.sizing import NoFleetError, Sizing
from analysis.pricing.cost import HOURS_A_DAY, HOURS_A_MONTH, at_least
from analysis.results.run.columns import read_columns
from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore
from analysis.verdict.verdict import Verdict

# Days with the same curve and other arrivals, of which the bill is the mean. How many requests come in 15 s is chance;
# the autoscaler follows it, and keeps more nodes than for even arrivals. The objective must not depend on this chance,
# so the share of requests in overload is that of even arrivals where it is larger.
_DAYS = 3
LOWEST_TARGET_PERCENT, _HIGHEST_TARGET_PERCENT = 10, 100
# Where the CPU use of a run is not known, targets are in percent of what a node uses at its certain capacity.
_CPU_AT_CAPACITY_PERCENT = 100.0


@dataclass(frozen=True)
class Autoscaling:
    """What is given of the autoscaled fleet: it has at least `fewest` nodes."""

    delays: AskedDelays = field(default_factory=AskedDelays)
    fewest: int = 1


@dataclass(frozen=True)
class FleetDay:
    """A fleet over the day, and its bill in USD: at least that, where something has no price.

    `fewest` and `most` are billed nodes. `overloaded` is the share of the requests that were due while the fleet
    carried more than its certain capacity. It is not the share of late answers, which is not known above the capacity.
    `target_percent` is that of the autoscaler.
    """

    kind: Literal["fixed", "autoscaled"]
    fewest: int
    most: int
    usd: float
    overloaded: float
    target_percent: int | None = None


@dataclass(frozen=True)
class VariantDay:
    """The fleets of a variant; `autoscaled` is None where no target keeps the share of requests in overload.

    `cpu_percent` is the CPU utilisation of a node at its certain capacity, None where the run does not show it.
    """

    offer: Offer
    start_up: StartUp
    cpu_percent: float | None
    fixed: FleetDay
    autoscaled: FleetDay | None

    @property
    def fleets(self) -> tuple[FleetDay, ...]:
        """The cheapest first; of equal ones the fixed fleet."""
        known = (self.fixed, self.autoscaled) if self.autoscaled else (self.fixed,)
        return tuple(sorted(known, key=lambda fleet: fleet.usd))

    @property
    def is_priced(self) -> bool:
        return self.offer.cost(self.fixed.most).hourly is not None


@dataclass(frozen=True)
class Day:
    """The variants, cheapest first, and the runs that were not used, each with its reason."""

    traffic: Traffic
    terms: Terms
    autoscaling: Autoscaling
    verdict: Verdict
    variants: tuple[VariantDay, ...]
    excluded: tuple[tuple[Manifest, str], ...]

    @property
    def allowed_share(self) -> float:
        return allowed_share(self.verdict.objective.quantile)


def allowed_share(quantile: float) -> float:
    """The share of the requests that may be late by the objective."""
    return 1 - quantile


def forecast_day(
    store: ResultsStore,
    verdict: Verdict,
    traffic: Traffic,
    terms: Terms,
    autoscaling: Autoscaling,
    on_progress: Callable[[str], None],
) -> Day:
    """Forecast the day with every variant whose capacity the verdict knows; `store` has the rows of its runs."""
    offers, excluded = stored_offers(store, verdict, terms, on_progress)
    allowed, variants = allowed_share(verdict.objective.quantile), []
    for offer in offers:
        on_progress(f"playing the day with {offer.label}")
        newest = offer.ranked.variant.newest
        cpu_percent = cpu_percent_at(read_columns(store, newest), newest, offer.sizing.node_rps)
        try:
            variants.append(_variant_day(offer, traffic, autoscaling, cpu_percent, allowed))
        except NoFleetError as error:
            excluded += [(manifest, str(error)) for manifest in offer.ranked.variant.manifests]
    variants.sort(key=lambda variant: (not variant.is_priced, variant.fleets[0].usd))
    return Day(traffic, terms, autoscaling, verdict, tuple(variants), tuple(excluded))


def _variant_day(
    offer: Offer, traffic: Traffic, autoscaling: Autoscaling, cpu_percent: float | None, allowed: float
) -> VariantDay:
    def hourly_usd(nodes: int) -> float:
        return at_least(offer.cost(nodes))

    start_up = start_up_of(autoscaling.delays, offer.ranked.variant.manifests)
    load = NodeLoad(offer.sizing.node_rps, cpu_percent or _CPU_AT_CAPACITY_PERCENT)
    fixed = fixed_fleet(traffic, offer.sizing, hourly_usd)
    autoscaled = autoscaled_fleet(traffic, offer.sizing, load, start_up.delays, autoscaling.fewest, hourly_usd, allowed)
    return VariantDay(offer, start_up, cpu_percent, fixed, autoscaled)


def fixed_fleet(traffic: Traffic, sizing: Sizing, hourly_usd: Callable[[int], float]) -> FleetDay:
    """As many nodes all day as the peak needs. Raises NoFleetError."""
    nodes = sizing.nodes_for(traffic.peak_rps)
    return FleetDay("fixed", nodes, nodes, hourly_usd(nodes) * traffic.duration_s / 3600, 0.0)


def autoscaled_fleet(  # noqa: PLR0913, PLR0917 - what an autoscaled fleet follows from
    traffic: Traffic,
    sizing: Sizing,
    load: NodeLoad,
    delays: Delays,
    fewest: int,
    hourly_usd: Callable[[int], float],
    allowed: float,
) -> FleetDay | None:
    """With the highest target at which at most the share `allowed` of the requests is due in overload; None if none.

    The share is taken to fall with the target: with the found target it is at most `allowed`, with the next one more.
    """
    by_chance_rps = [traffic.by_chance_rps(seed) for seed in range(1, _DAYS + 1)]

    @cache
    def fleet(target_percent: int) -> FleetDay:
        hpa = Hpa(target_percent, fewest)
        nodes = _nodes_at_first(hpa, float(traffic.rates_rps[0]), sizing, load)
        even, *played = (
            scale(hpa, delays, load, rates_rps, nodes) for rates_rps in (traffic.rates_rps, *by_chance_rps)
        )
        by_chance = sum(overloaded_share(traffic, sizing, day.serving) for day in played) / _DAYS
        billed = np.concatenate([day.billed for day in played])
        return FleetDay(
            kind="autoscaled",
            fewest=int(billed.min()),
            most=int(billed.max()),
            usd=_usd(billed, hourly_usd) / _DAYS,
            overloaded=max(by_chance, overloaded_share(traffic, sizing, even.serving)),
            target_percent=target_percent,
        )

    targets = range(LOWEST_TARGET_PERCENT, _HIGHEST_TARGET_PERCENT + 1)
    enough = bisect_right(targets, allowed, key=lambda target: fleet(target).overloaded)
    return fleet(targets[enough - 1]) if enough else None


def overloaded_share(traffic: Traffic, sizing: Sizing, serving: Integers) -> float:
    """The share of the requests that are due in steps in which the serving nodes carry more than `sizing` allows."""
    sizes, of_step = np.unique(serving, return_inverse=True)
    most_rps = np.array([sizing.most_rps(nodes) for nodes in sizes.tolist()])[of_step]
    return float(traffic.rates_rps[traffic.rates_rps > most_rps].sum() / traffic.rates_rps.sum())


def month_usd(fleet: FleetDay) -> float:
    """The bill of 730 hours of such days."""
    return fleet.usd / HOURS_A_DAY * HOURS_A_MONTH


def _nodes_at_first(hpa: Hpa, rps: float, sizing: Sizing, load: NodeLoad) -> int:
    """The fleet at midnight, as if the rate had been the same before: what the target and the capacity need."""
    if not rps:
        return hpa.fewest
    at_target_rps = load.rps * hpa.target_percent / load.cpu_percent
    return max(hpa.fewest, sizing.nodes_for(rps), math.ceil(rps / at_target_rps))


def _usd(billed: Integers, hourly_usd: Callable[[int], float]) -> float:
    sizes, steps = np.unique(billed, return_counts=True)
    hours = steps * STEP_S / 3600
    return float(
        sum(
            hourly_usd(nodes) * billed_hours for nodes, billed_hours in zip(sizes.tolist(), hours.tolist(), strict=True)
        )
    )
