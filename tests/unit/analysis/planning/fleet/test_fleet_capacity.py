"""What clients change: simulated capacities of known queues."""

import math
from dataclasses import replace

import numpy as np
import pytest

from analysis.objective import Objective
from analysis.planning.fleet import fleet_capacity
from analysis.planning.fleet.fleet_capacity import ClientEffect, missed_share, reduced, simulated_capacity_rps
from analysis.planning.fleet.offers import closest
from analysis.planning.replica_model.model import NoModelError, ReplicaModel
from analysis.planning.replica_model.scaling import Scaling
from analysis.planning.replica_model.service import Service
from analysis.planning.simulation.balancing import Balancer
from analysis.planning.simulation.events import Fleet

OBJECTIVE = Objective(quantile=0.9, latency_ms=500, errors=0.001)
RANDOM, IN_TURN = Balancer("random"), Balancer("round-robin", 1)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(fleet_capacity, "_REQUESTS", dict.fromkeys(fleet_capacity._REQUESTS, 20_000))


def effect(service: Service, balancer: Balancer, measured: Balancer, measured_rps: float | None) -> ClientEffect:
    law = Scaling(1, service.alone_ms, 0.0, 0.01, 5)
    model = ReplicaModel((), law, service, 0.01)
    return ClientEffect(model, balancer, Fleet(4, service, measured), measured_rps, OBJECTIVE)


def test_the_simulated_capacity_of_a_memoryless_server_is_that_of_m_m_1(memoryless):
    # A time in the system of 500 ms at p90 takes ln(10) / (service rate - arrival rate).
    assert simulated_capacity_rps(Fleet(1, memoryless, RANDOM), OBJECTIVE) == pytest.approx(
        10 - math.log(10) / 0.5, rel=0.05
    )


def test_no_rate_keeps_a_limit_below_the_service_time(steady):
    strict = OBJECTIVE.model_copy(update={"latency_ms": 90.0})
    assert simulated_capacity_rps(Fleet(1, steady, RANDOM), strict) < 0.01 * steady.limit_rps


def test_a_capacity_without_a_latency_limit_is_refused(steady):
    with pytest.raises(ValueError, match="has no latency limit"):
        simulated_capacity_rps(Fleet(1, steady, RANDOM), Objective(errors=0.001))


def test_the_more_grpc_clients_the_more_the_arrivals_are_random(memoryless):
    rates = [
        simulated_capacity_rps(Fleet(12, memoryless, Balancer("round-robin", clients)), OBJECTIVE)
        for clients in (1, 20, 2000)
    ]
    by_chance = simulated_capacity_rps(Fleet(12, memoryless, RANDOM), OBJECTIVE)
    assert rates[0] > 1.05 * rates[1] > 1.05 * rates[2]
    assert rates[2] == pytest.approx(by_chance, rel=0.05)


def test_a_fleet_with_fewer_replicas_has_the_same_share_of_late_requests(memoryless):
    large = Fleet(96, memoryless, Balancer("connections", 480))
    small = Fleet(48, memoryless, Balancer("connections", 240))
    assert reduced(large) == small
    late, as_late = (missed_share(fleet, 5.0 * fleet.replicas, 500) for fleet in (large, small))
    assert as_late == pytest.approx(late, rel=0.25)


def test_every_reduced_fleet_keeps_a_client(memoryless):
    fleet = reduced(Fleet(4096, memoryless, Balancer("connections", 8)))
    assert (fleet.replicas, fleet.balancer.clients) == (512, 1)


def test_clients_that_spread_requests_as_in_the_run_change_nothing(memoryless):
    assert effect(memoryless, RANDOM, RANDOM, None).at(4) == pytest.approx(0.97, rel=0.05)


def test_many_clients_are_worse_than_one_that_takes_turns(memoryless):
    assert 0.6 < effect(memoryless, RANDOM, IN_TURN, None).at(4) < 0.95


def test_a_simulation_that_is_far_off_the_measured_capacity_says_so(memoryless):
    simulated = simulated_capacity_rps(Fleet(4, memoryless, RANDOM), OBJECTIVE)
    effect(memoryless, RANDOM, RANDOM, 1.1 * simulated).check()
    with pytest.raises(NoModelError, match=r"is more than 15% off the measured one \(-23\.1%\), so"):
        effect(memoryless, RANDOM, RANDOM, 1.3 * simulated).check()


def test_of_two_laws_that_fit_alike_the_one_with_the_capacity_of_the_run_is_taken(steady):
    # Sharing one core has the same throughput as one thread, and longer tails.
    one, shared = replace(steady, speeds=(1.0,)), replace(steady, speeds=tuple(1 / n for n in range(1, 33)))
    measured_rps = simulated_capacity_rps(Fleet(4, one, RANDOM), OBJECTIVE)
    in_turn, at_once = (effect(service, RANDOM, RANDOM, measured_rps) for service in (one, shared))
    assert closest([at_once, in_turn]) is in_turn
    assert at_once.off < -0.1
    unknown = effect(shared, RANDOM, RANDOM, None)
    assert closest([unknown, effect(one, RANDOM, RANDOM, None)]) is unknown


def test_a_capacity_is_simulated_once(memoryless, monkeypatch):
    known = effect(memoryless, RANDOM, IN_TURN, None)
    first = known.at(8)
    monkeypatch.setattr(fleet_capacity, "simulate", None)
    assert known.at(8) == first
    assert np.isfinite(first)
