"""The fleets of each ranked variant, for a number of clients, with headroom and zones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from analysis.objective import Objective
from analysis.planning.fleet.bills import Offer
from analysis.planning.fleet.fleet_capacity import ClientEffect
from analysis.planning.fleet.sizing import Sizing
from analysis.planning.replica_model.curve import Curve
from analysis.planning.replica_model.model import NoModelError, models_of
from analysis.planning.simulation.balancing import Balancer
from analysis.planning.simulation.events import Fleet
from analysis.pricing.stack_cost import uploaded_bytes_in
from analysis.results.schema.manifest import Manifest
from analysis.verdict.capacity import Meets
from analysis.verdict.ranking import Ranked

# The throughput-latency curve of a run, which is read only where it is needed.
CurveOf = Callable[[Manifest], Curve | None]


@dataclass(frozen=True)
class Terms:
    """What a fleet has to stand besides its load.

    `headroom` is a share of the load. With `zones` of 2 or more, the load without headroom is carried even without the
    largest zone. `clients` send it; None is more of them than matter.
    """

    headroom: float = 0.0
    zones: int = 1
    clients: int | None = None


def offers_of(
    ranking: Sequence[Ranked], objective: Objective, terms: Terms, curve_of: CurveOf
) -> tuple[list[Offer], list[tuple[Ranked, str]]]:
    """Fleets that grow from the lower end of each variant's capacity, the same that the ranking is of.

    An offer for each variant that certainly meets the objective at some rate; for each other one, the reason.
    """
    offers, without = [], []
    for ranked in ranking:
        try:
            offers.append(_offer(ranked, objective, terms, curve_of))
        except NoModelError as error:
            without.append((ranked, str(error)))
    return offers, without


def _offer(ranked: Ranked, objective: Objective, terms: Terms, curve_of: CurveOf) -> Offer:
    newest, capacity = ranked.variant.newest, ranked.capacity.rps
    if ranked.meets is Meets.no:
        raise NoModelError(
            "its capacity search missed the objective even at its lowest rate (lowestRps), so no number of nodes is"
            " known that meets it; relax the objective, or choose another machine type"
        )
    if not capacity.low:
        raise NoModelError(
            "no rate is known at which it certainly meets the objective; run a capacity search, or a longer one"
        )
    effect = _client_effect(ranked, objective, terms.clients, curve_of)
    relative = None
    if effect:
        # The law is checked here, so that a fleet that it cannot predict is no offer.
        effect.check()
        relative = partial(_relative, effect, newest.serving.replicas / newest.shape.nodes)
    sizing = Sizing(ranked.capacity.certain_rps / newest.shape.nodes, relative, terms.headroom, terms.zones)
    return Offer(ranked, newest.shape, newest.cost.region, sizing, effect, uploaded_bytes_in(newest.cost))


def _relative(effect: ClientEffect, replicas_a_node: float, nodes: int) -> float:
    return effect.at(max(1, round(nodes * replicas_a_node)))


def _client_effect(ranked: Ranked, objective: Objective, clients: int | None, curve_of: CurveOf) -> ClientEffect | None:
    """None where the clients spread their requests just as those of the run."""
    manifest = ranked.variant.newest
    replicas = manifest.serving.replicas
    balancer, measured = Balancer.of_clients(manifest, clients), Balancer.of_run(manifest)
    if balancer.kind == "random" and (measured.kind == "random" or replicas == 1):
        return None
    try:
        models = models_of(manifest, curve_of(manifest))
    except NoModelError as error:
        raise NoModelError(f"the effect of the clients is not known from the variant's newest run: {error}") from None
    value_rps = ranked.capacity.rps.value
    effects = [
        ClientEffect(model, balancer, Fleet(replicas, model.service, measured), value_rps, objective)
        for model in models
    ]
    return closest(effects)


def closest(effects: Sequence[ClientEffect]) -> ClientEffect:
    """Laws that fit the throughput alike differ in their tails: the measured capacity tells which one the server has.

    The first where it is not known.
    """
    return effects[0] if effects[0].measured_rps is None else min(effects, key=lambda effect: abs(effect.off))
