"""What the simulation says of a fleet of another size: its tail, and what a lost zone does to it."""

import math
from dataclasses import dataclass

from analysis.planning.service import Service
from analysis.planning.simulation import Balancer, Fleet, OpenLoop, Simulated, ZoneLoss, simulate

TAIL = 0.99
# A tail of one in a hundred is then made of hundreds.
QUICK_REQUESTS = 40_000
# What a simulation leaves out at its start, as a share of its length: an empty fleet is not the steady one.
_WARM_UP = 0.15
# Of more replicas so many are simulated, with their share of the load: a balancer that does not look at them makes none
# depend on another.
_MOST_SIMULATED = 12


@dataclass(frozen=True)
class AfterLoss:
    """`error_ratio` of all requests until the loss is noticed, and the tail of those sent after."""

    error_ratio: float
    p99_ms: float


def fleet_p99_ms(
    service: Service, balancer: Balancer, replicas: int, rate_rps: float, seed: int = 1, requests: int = QUICK_REQUESTS
) -> float:
    """The tail of an open loop; infinite where the fleet cannot keep up, so that the queue only grows."""
    if rate_rps >= replicas * service.limit_rps:
        return math.inf
    simulated = min(replicas, _MOST_SIMULATED)
    share_rps = rate_rps * simulated / replicas
    answered = simulate(Fleet(simulated, service, balancer), OpenLoop(share_rps, requests / share_rps), seed)
    return steady(answered).quantile_ms(TAIL)


def after_zone_loss(service: Service, balancer: Balancer, replicas: int, zones: int, rate_rps: float) -> AfterLoss:
    """Play the loss of the largest zone: a steady fleet, then one whose balancer does not know, then one that does."""
    simulated = min(replicas, zones * _MOST_SIMULATED)
    share_rps = rate_rps * simulated / replicas
    part_s = QUICK_REQUESTS / 4 / share_rps
    load, loss = OpenLoop(share_rps, 6 * part_s), ZoneLoss(at_s=part_s, noticed_after_s=part_s)
    answered = simulate(Fleet(simulated, service, balancer, zones=zones), load, loss=loss)
    left = simulated - math.ceil(simulated / zones)
    after = answered.between(3 * part_s).quantile_ms(TAIL) if share_rps < left * service.limit_rps else math.inf
    return AfterLoss(answered.between(part_s, 2 * part_s).error_ratio, after)


def steady(answered: Simulated) -> Simulated:
    """Without the start, when the fleet was empty."""
    return answered.between(_WARM_UP * answered.duration_s)
