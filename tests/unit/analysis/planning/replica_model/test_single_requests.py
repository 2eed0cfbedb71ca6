import numpy as np
import pytest

from analysis.planning.replica_model.curve import curve_of, merged
from analysis.planning.replica_model.scaling import Scaling
from analysis.planning.replica_model.service import Service, spread_of
from analysis.planning.simulation.balancing import Balancer
from analysis.planning.simulation.events import Fleet, OpenLoop, simulate
from analysis.results.run.columns import Columns
from bench.stores.closed_loops import ClosedLoop, simulate_closed
from bench.stores.simulated_runs import cores_of_its_own
from bench.stores.synthetic import make_columns
from tests.unit.analysis.planning.simulated_rows import rows_of

RANDOM = Balancer("random")
# Service times of the embedded server vary by 8 %; those of other servers by more.
NARROW, WIDE = (spread_of(np.random.default_rng(3).lognormal(0, sd, 100_000)) for sd in (0.08, 0.3))


def a_server(at_once: int, contention: float, spread: np.ndarray = NARROW, *, begun_among: int = 1) -> Service:
    speeds = tuple(1 / (1 + contention * (n - 1)) for n in range(1, at_once + 1))
    return Service(60, spread, speeds, begun_among)


def ramp_of(service: Service, seed: int = 2) -> Columns:
    """Users who pause at random come one after the other, until they send more than the server can answer."""
    users = int(service.limit_rps * 0.5 * 2.5) + 4
    load = ClosedLoop(users, 0.5, 170, ramp_s=170, pauses="exponential")
    return rows_of({"ramp": simulate_closed(Fleet(1, service, RANDOM), load, seed)})


def steps_of(service: Service, replicas: int) -> Columns:
    limit_rps = replicas * service.limit_rps
    fleet = Fleet(replicas, service, RANDOM)
    return rows_of(
        {
            f"step-{number}": simulate(fleet, OpenLoop(share * limit_rps, 60), seed=number)
            for number, share in enumerate((0.2, 0.5, 0.8, 0.95))
        }
    )


def test_service_times_are_those_of_requests_that_waited_for_none():
    # One thread at 60 %: half of the latencies include a wait, and the service times vary by 30 %.
    busy = simulate(Fleet(1, Service(100, WIDE, cores_of_its_own(1)), RANDOM), OpenLoop(6, 500))
    spread = curve_of(rows_of({"step-1": busy}), 1).single.spread(Scaling(1, 100, 0, 0, 1))
    assert spread.std() == pytest.approx(WIDE.std(), rel=0.1)
    assert busy.latency_s.std() / busy.latency_s.mean() > 2 * WIDE.std()


def test_requests_that_are_slowed_down_by_later_ones_do_not_widen_the_spread_of_service_times():
    # Every request takes 60 ms alone, and twice as long beside another.
    constant = Service(60, np.ones(1), (1, 1 / 2, 1 / 3, 1 / 4))
    single = curve_of(rows_of({"step-1": simulate(Fleet(1, constant, RANDOM), OpenLoop(8, 500))}), 1).single
    found_none = np.concatenate([level.times_us[level.found == 0].sum(axis=1) for level in single.levels])
    assert found_none.std() > 0.2 * found_none.mean()
    assert single.spread(Scaling(4, 60, 1, 0, 1)) == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("spread", [NARROW, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize(
    ("at_once", "contention"), [(1, 0.3), (1, 0.8), (2, 0.3), (2, 0.8), (3, 0.3), (3, 0.8), (6, 0.3)]
)
def test_a_law_serves_as_many_at_once_as_the_server(at_once, contention, spread):
    curve = curve_of(ramp_of(a_server(at_once, contention, spread)), 1)
    law, *_ = curve.laws(32)
    assert at_once - 1 <= law.at_once <= at_once
    assert curve.single.begun_among(law) == 1


@pytest.mark.parametrize("spread", [NARROW, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize("contention", [0.3, 0.8])
@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_requests_that_overtake_others_that_wait_show_a_queue_that_is_not_in_order(at_once, contention, spread):
    curve = curve_of(ramp_of(a_server(at_once, contention, spread, begun_among=4)), 1)
    law, *_ = curve.laws(32)
    assert law.at_once == at_once
    assert 3 <= curve.single.begun_among(law) <= 7


def test_throughput_alone_does_not_tell_how_many_are_served_at_once():
    curve = curve_of(ramp_of(a_server(2, 0.8)), 1)
    right, wrong = Scaling(2, 60, 0.8, 0, 1), Scaling(12, 60, 0.9, 0, 1)
    assert all(right.rps(point.present) == pytest.approx(wrong.rps(point.present), rel=0.04) for point in curve.points)
    assert curve.single.misfit(right) < 3
    assert curve.single.misfit(wrong) > 12


@pytest.mark.parametrize("contention", [0.3, 0.6, 0.9])
def test_requests_that_found_others_show_how_much_they_slow_each_other_down(contention):
    law, *_ = curve_of(ramp_of(a_server(2, contention, begun_among=4)), 1).laws(32)
    assert law.contention == pytest.approx(contention, abs=0.11)
    assert law.alone_ms == pytest.approx(60, rel=0.04)


def test_a_law_with_another_service_time_than_that_of_requests_that_waited_for_none_is_a_misfit():
    single = curve_of(ramp_of(a_server(2, 0.8)), 1).single
    right, wrong = Scaling(2, 60, 0.8, 0, 1), Scaling(2, 48, 0.8, 0, 1)
    # A quarter more, at an error of 3 %.
    assert single.misfit(wrong) - single.misfit(right) == pytest.approx((0.25 / 0.03) ** 2, rel=0.15)


def test_requests_that_may_have_waited_speak_against_no_law():
    # The first request is there all the time.
    start_us = np.arange(40) * 10_000
    end_us = np.where(start_us == 0, 10**6, start_us + 25_000)
    single = curve_of(make_columns(start_us[1:], end_us[1:], np.ones(39, dtype=bool), ["hold"] * 39), 1).single
    busy = make_columns(start_us, end_us, start_us > 0, ["hold"] * 40)
    assert single.misfit(Scaling(1, 5, 0, 0, 1)) > 0
    assert curve_of(busy, 1).single.misfit(Scaling(1, 5, 0, 0, 1)) == 0


@pytest.mark.parametrize("at_once", [1, 2, 4, 8])
@pytest.mark.parametrize("contention", [0.0, 0.4, 1.0])
def test_a_request_overtakes_those_that_are_served_beside_it(at_once, contention):
    service = a_server(at_once, contention, WIDE)
    alone = rows_of({"hold": simulate(Fleet(1, service, RANDOM), OpenLoop(0.9 * service.limit_rps, 60))})
    assert at_once / 2 - 1 < curve_of(alone, 1).single.overtaken < at_once


def test_it_is_not_known_who_overtook_whom_in_one_of_several_replicas():
    single = curve_of(steps_of(a_server(2, 0.8, begun_among=4), 2), 2).single
    assert single.overtaken == 0
    assert single.misfit(Scaling(1, 60, 0, 0, 1)) == single.misfit(Scaling(12, 60, 0.9, 0, 1)) == 0


def test_runs_of_the_same_server_show_more_together():
    curves = [curve_of(ramp_of(a_server(3, 0.8), seed), 1) for seed in (2, 3)]
    together = merged(curves)
    assert len(together.points) == sum(len(curve.points) for curve in curves)
    in_system = [point.in_system for point in together.points]
    assert in_system == sorted(in_system)
    wrong = Scaling(8, 60, 0.86, 0, 1)
    assert together.single.misfit(wrong) > max(curve.single.misfit(wrong) for curve in curves) > 12
