import numpy as np
import pytest

from analysis.planning.replica_model.curve import curve_of
from analysis.planning.replica_model.scaling import Point, fit, prediction_error
from analysis.planning.replica_model.service import Service, spread_of
from analysis.planning.simulation.balancing import Balancer
from analysis.planning.simulation.events import Fleet, OpenLoop, simulate
from bench.stores.closed_loops import ClosedLoop, simulate_closed
from bench.stores.simulated_runs import cores_of_its_own
from bench.stores.synthetic import make_columns
from tests.unit.analysis.planning.simulated_rows import rows_of

RANDOM = Balancer("random")
LOGNORMAL = spread_of(np.random.default_rng(3).lognormal(0, 0.29, 100_000))


def slower(requests: int, contention: float) -> float:
    return 1 + contention * (requests - 1)


def always(n: int, latency_ms: float) -> Point:
    """A replica with n requests in it all the time, each of which takes so long."""
    return Point(np.eye(n + 1)[n], latency_ms, n / latency_ms * 1000, 1000)


def test_a_law_recovers_what_the_points_were_made_of():
    law, *_ = fit([always(n, 60 * slower(n, 0.3)) for n in (1, 2, 4, 8, 16, 32)], 32)
    assert (law.at_once, law.alone_ms, law.contention) == pytest.approx((32, 60, 0.3), rel=1e-3)
    assert law.error < 1e-3
    assert law.speeds[:3] == pytest.approx((1, 1 / 1.3, 1 / 1.6), rel=1e-3)
    assert law.limit_rps == pytest.approx(32 / slower(32, 0.3) / 0.06, rel=1e-3)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_with_cores_of_their_own_do_not_slow_each_other_down(threads):
    law, *_ = fit([always(n, 60 * max(1, n / threads)) for n in (1, 2, 4, 8, 16)], 32)
    assert (law.at_once, law.alone_ms, law.contention) == (threads, pytest.approx(60), 0)
    assert law.speeds == (1.0,) * threads


def test_threads_that_share_cores_are_one_law_with_both():
    # Two requests at once, each 1.6 times as slow as alone, as of the embedded server on two cores.
    law, *_ = fit([always(n, 80 * 1.6 * n / 2 if n > 1 else 80) for n in (1, 2, 4, 8, 16)], 32)
    assert law.at_once == 2
    assert law.alone_ms == pytest.approx(80, rel=1e-3)
    assert law.speeds == pytest.approx((1, 1 / 1.6), rel=1e-3)


def test_a_few_light_levels_never_predict_a_collapse():
    # Of a run of the embedded server: a law with coherency has half of this throughput left at eight requests.
    points = [always(1, 74), always(2, 117), always(3, 197)]
    law, *_ = fit(points, 8)
    assert law.limit_rps == pytest.approx(max(point.rps for point in points), rel=0.1)
    assert law.rps(always(50, 1).present) == pytest.approx(law.limit_rps)


def test_the_error_of_a_law_is_that_of_its_throughput():
    # Half of the points are 10 % above what one thread finishes, half 10 % below.
    points = [always(n, 60 * n * (1 + 0.1 * (-1) ** n)) for n in (1, 2, 3, 4, 50, 51)]
    law, *_ = fit(points, 64)
    assert law.error == pytest.approx(0.1, abs=0.03)
    errors = [law.rps(point.present) / point.rps - 1 for point in points]
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(law.error)


def test_a_coefficient_that_would_be_negative_is_none():
    # Throughput that grows ever faster is no scalability law; the best one that is has neither coefficient.
    law, *_ = fit([always(n, 60 * n**-0.2) for n in (1, 2, 4, 8, 16)], 32)
    assert law.contention == 0
    assert law.error > 0.1


def test_of_laws_that_fit_alike_the_one_with_the_smallest_misfit_is_taken():
    # Two at once that share a core fit as well as any number of them.
    points = [always(n, 60 * n) for n in (1, 2, 4, 8, 16)]
    best, other = fit(points, 8, misfit=lambda law: 100 * (abs(law.at_once - 5) + 1 - law.contention))
    assert (best.at_once, best.contention) == (5, pytest.approx(1, abs=1e-3))
    assert (other.at_once, other.contention) == (1, 0)
    assert fit(points, 8)[0] == other


def test_no_misfit_makes_up_for_a_larger_error():
    points = [always(n, 60 * slower(n, 0.05)) for n in (1, 2, 4, 8, 16, 32)]
    assert fit(points, 32, misfit=lambda law: law.at_once)[0].at_once == 32


def test_one_level_of_load_says_nothing_about_another():
    assert fit([always(4, 100), always(4, 102)], 32) == ()
    assert fit([], 32) == ()


def test_a_law_that_fits_predicts_the_levels_that_it_was_not_fitted_to():
    points = [always(n, 60 * slower(n, 0.3)) for n in (1, 2, 4, 8, 16, 32)]
    assert prediction_error(fit(points, 32)[0], points) < 0.01


def test_a_level_that_no_law_explains_shows_in_the_prediction_error():
    # Twice as slow with four requests as with three or eight.
    points = [always(n, 60 * max(1, n / 3) * (2 if n == 4 else 1)) for n in (1, 2, 3, 4, 8, 16)]
    assert prediction_error(fit(points, 32)[0], points) > 0.3


def test_two_levels_predict_no_third():
    points = [always(1, 60), always(4, 240)]
    assert prediction_error(fit(points, 32)[0], points) is None


def test_the_way_up_shows_as_much_of_a_light_load_as_of_a_heavy_one():
    load = ClosedLoop(40, 0.5, 120, ramp_s=120)
    way_up = rows_of({"ramp": simulate_closed(Fleet(1, FOUR_THREADS, RANDOM), load)})
    rates_rps = [point.rps for point in curve_of(way_up, 1).points]
    assert len(rates_rps) == 12
    # Users come evenly, and 24 of 40 are what the replica bears.
    assert sum(rate_rps < 0.5 * max(rates_rps) for rate_rps in rates_rps) in {3, 4}


def test_a_part_of_the_way_up_with_too_few_requests_is_one_with_the_next():
    way_up = rows_of({"ramp": simulate_closed(Fleet(1, FOUR_THREADS, RANDOM), ClosedLoop(10, 1, 20, ramp_s=20))})
    points = curve_of(way_up, 1).points
    assert 4 <= len(points) < 12
    assert min(point.requests for point in points) >= 10


FOUR_THREADS = Service(100, LOGNORMAL, cores_of_its_own(4))
SHARED = Service(60, LOGNORMAL, tuple(1 / slower(n, 0.4) for n in range(1, 9)))


@pytest.mark.parametrize(("service", "within"), [(FOUR_THREADS, 0.04), (SHARED, 0.1)])
def test_the_limit_of_a_replica_follows_from_steps_of_an_open_loop(service, within):
    limit_rps, fleet = 3 * service.limit_rps, Fleet(3, service, RANDOM)
    steps = {
        f"step-{number}": simulate(fleet, OpenLoop(share * limit_rps, 100), seed=number)
        for number, share in enumerate((0.1, 0.3, 0.5, 0.7, 0.9))
    }
    law, *_ = fit(curve_of(rows_of(steps), 3).points, 32)
    assert law.limit_rps == pytest.approx(service.limit_rps, rel=within)
    assert law.error < 0.1


def test_the_limit_of_a_replica_follows_from_a_closed_loop_too():
    fleet = Fleet(2, FOUR_THREADS, RANDOM)
    rows = rows_of(
        {
            "warmup": simulate_closed(fleet, ClosedLoop(1, 0.1, 20)),
            "ramp": simulate_closed(fleet, ClosedLoop(30, 0.1, 60, ramp_s=60)),
            "hold": simulate_closed(fleet, ClosedLoop(30, 0.1, 60)),
        }
    )
    points = curve_of(rows, 2).points
    assert len(points) == 14
    assert [point.in_system for point in points] == sorted(point.in_system for point in points)
    law, *_ = fit(points, 32)
    assert law.at_once == 4
    assert law.alone_ms == pytest.approx(100, rel=0.03)


def test_how_many_are_in_a_replica_is_counted_from_the_rows():
    # Every second one request of 2.5 s: after the start there are three for one half of the time and two for the other.
    start_us = np.arange(1001) * 1_000_000
    rows = make_columns(start_us, start_us + 2_500_000, np.ones(1001, dtype=bool))
    [point] = curve_of(rows, 1).points
    assert point.present[2:] == pytest.approx([0.5, 0.5], abs=0.002)
    assert point.latency_ms == 2500
    assert point.rps == pytest.approx(998 / 1000)
    # If replicas are not known, two have half as many on average, too, but sometimes one has all three.
    [by_chance] = curve_of(rows, 2).points
    assert by_chance.in_system == pytest.approx(1.25, abs=0.002)
    # Each of three is here with a chance of one half: 1 3 3 1 of 8; of two: 1 2 1 of 4.
    assert by_chance.present == pytest.approx([3 / 16, 7 / 16, 5 / 16, 1 / 16], abs=0.002)


def test_rows_that_name_their_replica_are_counted_by_replica():
    # Taking turns, two replicas have every other request each: one or two at a time.
    start_us = np.arange(1001) * 1_000_000
    names = ["10.0.0.1:8500", "10.0.0.2:8500"]
    rows = make_columns(
        start_us, start_us + 2_500_000, np.ones(1001, dtype=bool), backend=[names[n % 2] for n in range(1001)]
    )
    [point] = curve_of(rows, 2).points
    assert point.present[1:] == pytest.approx([0.75, 0.25], abs=0.002)


def test_an_overloaded_step_shows_what_was_finished_and_not_what_was_sent():
    limit_rps = 2 * FOUR_THREADS.limit_rps
    overloaded = simulate(Fleet(2, FOUR_THREADS, RANDOM), OpenLoop(2 * limit_rps, 60))
    [point] = curve_of(rows_of({"step-0": overloaded}), 2).points
    assert point.rps == pytest.approx(FOUR_THREADS.limit_rps, rel=0.03)


def test_a_phase_with_hardly_a_good_answer_is_no_point():
    start_us = np.arange(100) * 1_000_000
    rows = make_columns(start_us, start_us + 10, np.arange(100) < 19)
    assert curve_of(rows, 1) is None
