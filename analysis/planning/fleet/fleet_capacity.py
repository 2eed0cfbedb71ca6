"""How much the clients change the capacity of a fleet: its simulated capacity, over that of the measured nodes."""

import math
from dataclasses import dataclass, field
from functools import cached_property

from analysis.objective import Objective
from analysis.planning.replica_model.model import MOST_ERROR, NoModelError, ReplicaModel
from analysis.planning.simulation.balancing import Balancer
from analysis.planning.simulation.events import Fleet, OpenLoop, simulate

# The share of a rate to which a simulated capacity is computed, in halvings of the range up to the limit.
_BISECTIONS = 8
# How many fleets are averaged, and their requests in all: where clients begin, and where connections lead, stays.
_FLEETS = {"random": 1, "users": 1, "round-robin": 4, "connections": 8}
_REQUESTS = {"random": 40_000, "users": 40_000, "round-robin": 80_000, "connections": 80_000}
# The standard error of the ratio of two simulated capacities, of which each has 2 %; a plan takes so much off.
_SIMULATION_ERROR = 0.03
# So many replicas of larger fleets are simulated with their share of the load. A choice at random is the same for any
# number, and one in turn hardly differs with how many more there are; of a fleet with connections the clients are
# reduced, too.
_MOST_REPLICAS = {"random": 8, "users": 96, "round-robin": 96, "connections": 48}


@dataclass(frozen=True)
class ClientEffect:
    """The capacity per replica with the given clients, as a multiple of what it was in the run, less its error.

    `balancer` is that of the clients, `measured` the fleet of the run, `measured_rps` its measured capacity where it is
    known.
    """

    model: ReplicaModel
    balancer: Balancer
    measured: Fleet
    measured_rps: float | None
    objective: Objective
    _known: dict[tuple[int, int], float] = field(default_factory=dict, repr=False, compare=False)

    def at(self, replicas: int) -> float:
        fleet = reduced(Fleet(replicas, self.model.service, self.balancer))
        key = fleet.replicas, fleet.balancer.clients
        if key not in self._known:
            of_fleet_rps = simulated_capacity_rps(fleet, self.objective) / fleet.replicas
            of_run_rps = self._simulated_rps / self.measured.replicas
            self._known[key] = of_fleet_rps / of_run_rps * (1 - _SIMULATION_ERROR)
        return self._known[key]

    def check(self) -> None:
        """Raise NoModelError where the simulation of the run is too far off what was measured."""
        if not self._simulated_rps:
            raise NoModelError(
                "the simulation of the variant's newest run does not meet the objective at any rate, so it cannot"
                " predict how the load balancing of the clients changes the capacity; run a longer capacity search"
            )
        if abs(self.off) > MOST_ERROR:
            raise NoModelError(
                f"the simulated capacity of the variant's newest run, {self._simulated_rps:.3g} requests/s, is more"
                f" than {MOST_ERROR:.0%} off the measured one ({self.off:+.1%}), so the simulation cannot predict how"
                " the load balancing of the clients changes the capacity; run a longer capacity search"
            )

    @property
    def off(self) -> float:
        """How far the simulated capacity of the run is above the measured one, as a share of it; 0 if not known."""
        return self._simulated_rps / self.measured_rps - 1 if self.measured_rps else 0.0

    @cached_property
    def _simulated_rps(self) -> float:
        """The simulated capacity of the fleet of the run."""
        return simulated_capacity_rps(self.measured, self.objective)


def simulated_capacity_rps(fleet: Fleet, objective: Objective) -> float:
    """The highest Poisson rate with a simulated share of `1 - quantile` later than the limit; 0 where none keeps it.

    Raises ValueError without a latency limit: any rate that a server keeps up with is then kept.
    """
    if objective.latency_ms is None:
        raise ValueError(
            "the objective has no latency limit, so every rate that is answered meets it; give a latency limit"
        )
    low_rps, high_rps = 0.0, fleet.limit_rps
    for _ in range(_BISECTIONS):
        middle_rps = (low_rps + high_rps) / 2
        kept = missed_share(fleet, middle_rps, objective.latency_ms) <= 1 - objective.quantile
        low_rps, high_rps = (middle_rps, high_rps) if kept else (low_rps, middle_rps)
    return low_rps


def missed_share(fleet: Fleet, rate_rps: float, latency_ms: float) -> float:
    """The share of requests in the steady state that take longer than `latency_ms`."""
    fleets = _FLEETS[fleet.balancer.kind]
    load = OpenLoop(rate_rps, _REQUESTS[fleet.balancer.kind] / fleets / rate_rps)
    missed = counted = 0
    for seed in range(1, fleets + 1):
        late = simulate(fleet, load, seed).steady.latency_s * 1000 > latency_ms
        missed, counted = missed + int(late.sum()), counted + late.size
    return missed / counted if counted else 0.0


def reduced(fleet: Fleet) -> Fleet:
    """A fleet in which each replica sees the same: as much load, from clients as active as before."""
    most = _MOST_REPLICAS[fleet.balancer.kind]
    replicas = most if fleet.balancer.kind == "random" else min(fleet.replicas, most)
    if fleet.balancer.kind != "connections":
        return Fleet(replicas, fleet.service, fleet.balancer)
    replicas = min(fleet.replicas, max(replicas, math.ceil(fleet.replicas / fleet.balancer.clients)))
    clients = max(1, round(fleet.balancer.clients * replicas / fleet.replicas))
    return Fleet(replicas, fleet.service, Balancer("connections", clients))
