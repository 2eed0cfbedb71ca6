"""Simulates a fleet of any size: its p99, and the loss of a zone."""

import math

from analysis.planning.service import Service
from analysis.planning.simulation import Balancer, Fleet, OpenLoop, Simulated, ZoneLoss, simulate

TAIL = 0.99
# Hundreds of these are above the p99.
QUICK_REQUESTS = 40_000
# The share of a simulation that is left out at its start, when the fleet is emptier than in its steady state.
_WARM_UP = 0.15
# Of larger fleets so many replicas are simulated, with their share of the load: the balancer does not look at the
# replicas, so they do not depend on each other.
_MOST_SIMULATED = 12


def fleet_p99_ms(
    service: Service, balancer: Balancer, replicas: int, rate_rps: float, seed: int = 1, requests: int = QUICK_REQUESTS
) -> float:
    """The p99 of an open loop; infinite where the fleet cannot keep up, so that its queue grows without end."""
    if rate_rps >= replicas * service.limit_rps:
        return math.inf
    simulated = min(replicas, _MOST_SIMULATED)
    share_rps = rate_rps * simulated / replicas
    answered = simulate(Fleet(simulated, service, balancer), OpenLoop(share_rps, requests / share_rps), seed)
    return steady(answered).quantile_ms(TAIL)


def after_zone_loss(
    service: Service, balancer: Balancer, replicas: int, zones: int, rate_rps: float
) -> tuple[float, float]:
    """The loss of the largest zone: the error ratio until the balancer notices it, and the p99 after that."""
    simulated = min(replicas, zones * _MOST_SIMULATED)
    share_rps = rate_rps * simulated / replicas
    part_s = QUICK_REQUESTS / 4 / share_rps
    load, loss = OpenLoop(share_rps, 6 * part_s), ZoneLoss(at_s=part_s, noticed_after_s=part_s)
    answered = simulate(Fleet(simulated, service, balancer, zones=zones), load, loss=loss)
    left = simulated - math.ceil(simulated / zones)
    after = answered.between(3 * part_s).quantile_ms(TAIL) if share_rps < left * service.limit_rps else math.inf
    return answered.between(part_s, 2 * part_s).error_ratio, after


def steady(answered: Simulated) -> Simulated:
    """Without the start, when the fleet was emptier than in its steady state."""
    return answered.between(_WARM_UP * answered.duration_s)
