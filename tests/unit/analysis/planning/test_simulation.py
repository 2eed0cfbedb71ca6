import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.planning.service import Service
from analysis.planning.simulation import ClosedLoop, Fleet, OpenLoop, ZoneLoss, simulate
from bench.stores.simulated_runs import cores_of_its_own
from stacks.serving_variant import Batching

ALWAYS_THE_SAME = np.ones(1)


def test_one_memoryless_server_is_m_m_1(memoryless):
    answered = simulate(Fleet(1, memoryless, "random"), OpenLoop(rate_rps=6, duration_s=12_000)).between(100)
    # Time in the system is exponential with mean 1 / (service rate - arrival rate).
    assert answered.latency_s.mean() == pytest.approx(1 / (10 - 6), rel=0.06)
    assert answered.quantile_ms(0.99) == pytest.approx(1000 * math.log(100) / (10 - 6), rel=0.1)


def test_several_memoryless_threads_are_erlangs_queue(memoryless):
    fleet = Fleet(1, replace(memoryless, speeds=cores_of_its_own(4)), "random")
    answered = simulate(fleet, OpenLoop(rate_rps=32, duration_s=2_500)).between(100)
    # Erlang C for 4 servers at 80 %: 59.6 % wait, 1 / (40 - 32) s on average.
    assert answered.latency_s.mean() == pytest.approx(0.1 + 0.596 / 8, rel=0.05)


def test_equal_service_times_halve_the_wait(steady):
    one_thread = replace(steady, speeds=cores_of_its_own(1))
    answered = simulate(Fleet(1, one_thread, "random"), OpenLoop(rate_rps=7, duration_s=12_000)).between(100)
    # Pollaczek and Khinchine: half of the wait of M/M/1, 0.7 / (10 - 7).
    assert answered.latency_s.mean() == pytest.approx(0.1 + 0.7 / 3 / 2, rel=0.05)


@pytest.mark.parametrize("spread", ["always the same", "exponential"])
def test_a_shared_core_is_insensitive_to_how_service_times_vary(memoryless, spread):
    shared = replace(memoryless, speeds=tuple(1 / requests for requests in range(1, 200)))
    if spread == "always the same":
        shared = replace(shared, spread=ALWAYS_THE_SAME)
    answered = simulate(Fleet(1, shared, "random"), OpenLoop(rate_rps=6, duration_s=12_000)).between(100)
    assert answered.latency_s.mean() == pytest.approx(1 / (10 - 6), rel=0.06)


def test_taking_turns_has_a_shorter_tail_than_tossing_a_coin(steady):
    load = OpenLoop(rate_rps=16 * 8, duration_s=120)
    by_turn, by_chance = (simulate(Fleet(8, steady, balancer), load) for balancer in ("round-robin", "random"))
    assert by_turn.quantile_ms(0.99) < 0.8 * by_chance.quantile_ms(0.99)


def test_a_closed_loop_obeys_littles_law(memoryless):
    load = ClosedLoop(users=12, wait_s=1.0, duration_s=600)
    answered = simulate(Fleet(2, memoryless, "random"), load).between(60)
    assert answered.throughput_rps * (answered.latency_s.mean() + 1.0) == pytest.approx(12, rel=0.02)


def test_users_who_never_wait_drive_a_server_to_its_limit(steady):
    answered = simulate(Fleet(1, steady, "random"), ClosedLoop(users=6, wait_s=0, duration_s=100))
    assert answered.throughput_rps == pytest.approx(steady.limit_rps, rel=0.02)
    assert answered.quantile_ms(0.5) == pytest.approx(1000 * 6 / steady.limit_rps, rel=0.02)


@given(
    replicas=st.integers(1, 5),
    threads=st.integers(1, 4),
    balancer=st.sampled_from(["random", "round-robin"]),
    batching=st.none()
    | st.fixed_dictionaries(
        {
            "max_batch_size": st.integers(1, 4),
            "batch_timeout_micros": st.sampled_from([0, 5_000, 300_000]),
            "max_enqueued_batches": st.integers(1, 3),
            "num_batch_threads": st.integers(1, 3),
        }
    ).map(Batching.model_validate),
    load=st.builds(OpenLoop, rate_rps=st.floats(0.5, 60), duration_s=st.just(10.0))
    | st.builds(ClosedLoop, users=st.integers(1, 20), wait_s=st.sampled_from([0.0, 0.3]), duration_s=st.just(10.0)),
    lost=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_every_request_ends_once_and_none_takes_less_than_its_work(replicas, threads, balancer, batching, load, lost):
    service = Service(100, ALWAYS_THE_SAME, cores_of_its_own(threads))
    fleet = Fleet(2 * replicas, service, balancer, batching, zones=2)
    loss = ZoneLoss(at_s=4, noticed_after_s=2) if lost else None
    answered = simulate(fleet, load, loss=loss)
    assert np.isfinite(answered.latency_s).all()
    assert (answered.latency_s[answered.ok] >= 0.1 - 1e-6).all()
    assert (np.diff(answered.start_s) >= 0).all()
    assert answered.start_s.size == 0 or answered.start_s[-1] < 10
    if batching is None and not lost:
        assert answered.ok.all()
    again = simulate(fleet, load, loss=loss)
    assert np.array_equal(again.latency_s, answered.latency_s)


BATCHING = Batching(max_batch_size=4, batch_timeout_micros=50_000, max_enqueued_batches=2, num_batch_threads=1)
# Four rows at once take as long as two one by one.
HALF_PRICE = Service(100, ALWAYS_THE_SAME, (1.0, 1 / 1.333, 1 / 1.667, 0.5))


def test_a_single_request_waits_for_the_batch_timeout():
    answered = simulate(Fleet(1, HALF_PRICE, "random", BATCHING), ClosedLoop(users=1, wait_s=1, duration_s=60))
    assert answered.latency_s == pytest.approx(0.150)


def test_a_full_batch_does_not_wait_for_company():
    answered = simulate(Fleet(1, HALF_PRICE, "random", BATCHING), ClosedLoop(users=4, wait_s=0, duration_s=60))
    assert answered.latency_s[100:] == pytest.approx(0.200)
    assert answered.throughput_rps == pytest.approx(HALF_PRICE.limit_rps, rel=0.02)


def test_a_full_queue_of_batches_refuses_at_once():
    answered = simulate(Fleet(1, HALF_PRICE, "random", BATCHING), OpenLoop(rate_rps=60, duration_s=60))
    # Twenty a second are served, in batches of four; the rest of sixty is refused.
    assert answered.throughput_rps == pytest.approx(20, rel=0.03)
    assert answered.error_ratio == pytest.approx(2 / 3, rel=0.05)
    assert (answered.latency_s[~answered.ok] == 0).all()
    # At most: what is in service, a batch before it, and its own.
    assert 2 * 0.2 < answered.latency_s.max() <= 3 * 0.2 + 1e-6


def test_a_lost_zone_fails_its_share_until_it_is_noticed_and_burdens_the_others(steady):
    fleet = Fleet(6, steady, "round-robin", zones=3)
    answered = simulate(fleet, OpenLoop(rate_rps=60, duration_s=180), loss=ZoneLoss(at_s=60, noticed_after_s=30))
    assert answered.between(0, 59).error_ratio == 0
    assert answered.between(60, 90).error_ratio == pytest.approx(1 / 3, abs=0.02)
    after = answered.between(90.001)
    assert after.error_ratio == 0
    assert after.latency_s.mean() > answered.between(0, 60).latency_s.mean()


def test_what_the_lost_zone_was_serving_fails_when_it_is_lost(steady):
    answered = simulate(
        Fleet(2, steady, "round-robin", zones=2), ClosedLoop(20, 0, 10), loss=ZoneLoss(at_s=5, noticed_after_s=0)
    )
    failed = answered.between(0, 5)
    failed_at_s = (failed.start_s + failed.latency_s)[~failed.ok]
    assert failed_at_s == pytest.approx(5)
    assert failed_at_s.size >= 2
    assert answered.between(5).error_ratio == 0


def test_a_fleet_in_one_zone_cannot_outlive_it(steady):
    with pytest.raises(ValueError, match="give more zones"):
        simulate(Fleet(2, steady, "random"), OpenLoop(1, 10), loss=ZoneLoss(5, 0))


@pytest.mark.parametrize("changes", [{"alone_ms": 0}, {"speeds": ()}, {"speeds": (1.0, 0.0)}])
def test_an_impossible_service_is_refused(steady, changes):
    with pytest.raises(ValueError, match="alone_ms and all speeds must be above 0 and spread must not be empty"):
        replace(steady, **changes)
