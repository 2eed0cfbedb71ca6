"""The monthly bill against the offered load: what each shape costs in whole nodes, and where the cheapest changes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from itertools import chain, groupby
from math import isclose
from operator import itemgetter

from analysis.planning.fleet.fleet_capacity import ClientEffect
from analysis.planning.fleet.sizing import Sizing
from analysis.pricing.cost import HOURS_A_MONTH, at_least
from analysis.pricing.stack_cost import serving_cost
from analysis.results.schema.manifest import Cost
from analysis.verdict.ranking import Ranked
from stacks.machines.shapes import NodeShape
from stacks.server.models import RESNET50


@dataclass(frozen=True)
class Bill:
    """The fleet for a load of `rps`, and its bill of 730 hours in USD: at least that, where something has no price."""

    rps: float
    nodes: int
    usd_730h: float


@dataclass(frozen=True)
class Offer:
    """The fleets of one ranked variant: any number of nodes of its shape, in its region.

    `effect` is what the clients change, None where they spread their requests as those of its runs did.
    `uploaded_bytes` are those of the model in its bucket.
    """

    ranked: Ranked
    shape: NodeShape
    region: str
    sizing: Sizing
    effect: ClientEffect | None = None
    uploaded_bytes: float = RESNET50.size_bytes

    @property
    def label(self) -> str:
        return self.ranked.label

    def cost(self, nodes: int) -> Cost:
        return serving_cost(self.shape.model_copy(update={"nodes": nodes}), self.region, self.uploaded_bytes)

    def bill(self, rps: float) -> Bill:
        """Raises NoFleetError."""
        return self._bill(rps, self.sizing.nodes_for(rps))

    def steps(self, most_rps: float) -> Iterator[Bill]:
        """The highest load of each number of nodes, from one on, and its bill; the last is for `most_rps` or more."""
        nodes, rps = 0, 0.0
        while rps < most_rps:
            nodes += 1
            rps = self.sizing.most_rps(nodes)
            yield self._bill(rps, nodes)

    def _bill(self, rps: float, nodes: int) -> Bill:
        return Bill(rps, nodes, at_least(self.cost(nodes)) * HOURS_A_MONTH)


@dataclass(frozen=True)
class Cheapest:
    """From `from_rps` on, up to the next change, this variant has the smallest bill.

    `also` have the same bill at every load up to there, `at_times_also` at some.
    """

    from_rps: float
    label: str
    also: tuple[str, ...] = ()
    at_times_also: tuple[str, ...] = ()

    @property
    def labels(self) -> str:
        """All that have the smallest bill throughout, in words."""
        *others, last = (self.label, *self.also)
        return f"{', '.join(others)} and {last}, which cost the same" if others else last


def cheapest(offers: Sequence[Offer], most_rps: float) -> tuple[Cheapest, ...]:
    """Which variant is the cheapest at each load from 0 to `most_rps`; of equal ones the one that was it before.

    Bills change only where a fleet grows by a node, so these loads are all that there is to look at.
    """
    steps = [[(bill.rps, place, bill.usd_730h) for bill in offer.steps(most_rps)] for place, offer in enumerate(offers)]
    # The bills just above a load, at first above none; with zones, the first nodes may carry nothing.
    bills_usd, larger = [own[0][2] for own in steps], [iter(own[1:]) for own in steps]
    best = bills_usd.index(min(bills_usd))
    changes: list[Cheapest] = []
    ties: list[list[set[int]]] = []
    for from_rps, grown in groupby(chain([(0.0, None, 0.0)], merge(*steps)), key=itemgetter(0)):
        if from_rps >= most_rps:
            break
        for _, place, _ in grown:
            if place is not None:
                bills_usd[place] = next(larger[place])[2]
        if min(bills_usd) < bills_usd[best]:
            best = bills_usd.index(min(bills_usd))
        if not changes or changes[-1].label != offers[best].label:
            changes.append(Cheapest(from_rps, offers[best].label))
            ties.append([])
        ties[-1].append({place for place, usd in enumerate(bills_usd) if isclose(usd, bills_usd[best])} - {best})
    return tuple(_with_ties(change, tied, offers) for change, tied in zip(changes, ties, strict=True))


def _with_ties(change: Cheapest, tied: Sequence[set[int]], offers: Sequence[Offer]) -> Cheapest:
    """`tied` are the places of the offers with the same bill, between each two loads where a bill changes."""
    always, ever = set.intersection(*tied), set.union(*tied)
    also, at_times_also = (tuple(offers[place].label for place in sorted(places)) for places in (always, ever - always))
    return replace(change, also=also, at_times_also=at_times_also)
