"""Plans a fleet for a load at the objective of a verdict: how many nodes of which shape, and their bill."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite

from analysis.planning.fleet.bills import Offer
from analysis.planning.fleet.offers import Terms, offers_of
from analysis.planning.fleet.sizing import NoFleetError, lost_nodes
from analysis.planning.replica_model.curve import Curve, curve_of
from analysis.pricing.cost import at_least
from analysis.results.run.columns import read_columns
from analysis.results.schema.manifest import Cost, Manifest
from analysis.results.storage.store import ResultsStore
from analysis.verdict.verdict import Verdict

# The table of bills is for these multiples of the load.
MULTIPLES = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Requirement:
    """The load in requests per second, and what its fleet has to stand besides."""

    rps: float
    terms: Terms = field(default_factory=Terms)


@dataclass(frozen=True)
class PlannedFleet:
    """The fleet of one variant. `nodes` follows from the low end of its capacity, `fewest` from the high end.

    `lost_nodes` are those of its largest zone; None with one zone.
    """

    offer: Offer
    nodes: int
    fewest: int | None
    cost: Cost
    lost_nodes: int | None

    @property
    def relative(self) -> float:
        """What a node carries as a multiple of what it carried in its run, because of the clients."""
        sizing = self.offer.sizing
        return sizing.capacity_rps(self.nodes) / (self.nodes * sizing.node_rps)


@dataclass(frozen=True)
class Plan:
    """The candidates, cheapest first, and the runs that were not used, each with its reason."""

    requirement: Requirement
    verdict: Verdict
    candidates: tuple[PlannedFleet, ...]
    excluded: tuple[tuple[Manifest, str], ...]


def make_plan(
    store: ResultsStore, verdict: Verdict, requirement: Requirement, on_progress: Callable[[str], None]
) -> Plan:
    """Plan with every variant whose capacity the verdict knows; `store` has the rows of its runs."""
    offers, excluded = stored_offers(store, verdict, requirement.terms, on_progress)
    candidates = []
    for offer in offers:
        try:
            candidates.append(_candidate(offer, requirement))
        except NoFleetError as error:
            excluded += [(manifest, str(error)) for manifest in offer.ranked.variant.manifests]
    candidates.sort(key=lambda candidate: (candidate.cost.hourly is None, at_least(candidate.cost)))
    return Plan(requirement, verdict, tuple(candidates), tuple(excluded))


def stored_offers(
    store: ResultsStore, verdict: Verdict, terms: Terms, on_progress: Callable[[str], None]
) -> tuple[list[Offer], list[tuple[Manifest, str]]]:
    """The fleets of every variant whose capacity the verdict knows, and the other runs, each with its reason."""

    def read_curve(manifest: Manifest) -> Curve | None:
        on_progress(f"reading how a replica of run {manifest.run_id} scales, and simulating its clients")
        return curve_of(read_columns(store, manifest).every, manifest.serving.replicas)

    offers, without = offers_of(verdict.ranking, verdict.objective, terms, read_curve)
    excluded = [(manifest, "; ".join(reasons)) for manifest, reasons in verdict.excluded]
    excluded += [(manifest, why) for ranked, why in without for manifest in ranked.variant.manifests]
    return offers, excluded


def _candidate(offer: Offer, requirement: Requirement) -> PlannedFleet:
    nodes, zones = offer.sizing.nodes_for(requirement.rps), requirement.terms.zones
    capacity = offer.ranked.capacity.rps
    # With the upper end the same load is as with the lower end a load that is so much smaller.
    at_best_rps = requirement.rps * offer.ranked.capacity.certain_rps / capacity.high
    return PlannedFleet(
        offer=offer,
        nodes=nodes,
        fewest=offer.sizing.nodes_for(at_best_rps) if isfinite(capacity.high) else None,
        cost=offer.cost(nodes),
        lost_nodes=lost_nodes(nodes, zones) if zones > 1 else None,
    )
