import duckdb
import numpy as np
import pandas as pd
import pytest

from analysis.planning.curve import read_curve
from analysis.planning.scaling import Point, fit
from analysis.planning.service import Service, cores_of_its_own, spread_of
from analysis.planning.simulation import ClosedLoop, Fleet, OpenLoop, Simulated, simulate

LOGNORMAL = spread_of(np.random.default_rng(3).lognormal(0, 0.29, 100_000))


def usl(requests: int, contention: float, coherency: float) -> float:
    return 1 + contention * (requests - 1) + coherency * requests * (requests - 1)


def always(n: int, latency_ms: float) -> Point:
    """A replica with n requests in it all the time, each of which takes so long."""
    return Point(np.eye(n + 1)[n], latency_ms, n / latency_ms * 1000, 1000)


def test_usl_recovers_what_the_points_were_made_of():
    points = [always(n, 60 * usl(n, 0.3, 0.02)) for n in (1, 2, 4, 8, 16, 32)]
    law, *_ = fit(points, 32)
    assert law.law == "usl"
    assert (law.alone_ms, law.contention, law.coherency) == pytest.approx((60, 0.3, 0.02), rel=1e-3)
    assert law.error < 1e-3
    assert law.speeds(3) == pytest.approx((1, 1 / usl(2, 0.3, 0.02), 1 / usl(3, 0.3, 0.02)), rel=1e-3)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_are_told_from_a_shared_core(threads):
    law, *_ = fit([always(n, 60 * max(1, n / threads)) for n in (1, 2, 4, 8, 16)], 32)
    assert (law.law, law.threads, law.alone_ms) == ("threads", threads, pytest.approx(60))
    assert law.speeds(9) == (1.0,) * threads


def test_the_error_of_a_law_is_that_of_its_throughput():
    # Half of the points are 10 % above what one thread finishes, half 10 % below.
    law, *_ = fit([always(n, 60 * n * (1 + 0.1 * (-1) ** n)) for n in (1, 2, 3, 4, 50, 51)], 64)
    assert law.error == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("which", ["usl", "threads"])
def test_the_throughput_of_a_law_at_a_level_is_what_its_error_is_of(which):
    points = [always(n, 60 * max(1, n / 3) * (1 + 0.05 * (-1) ** n)) for n in (1, 2, 4, 8, 40)]
    [law] = [law for law in fit(points, 16) if law.law == which]
    errors = [law.rps(point, 16) / point.rps - 1 for point in points]
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(law.error)


def test_a_coefficient_that_would_be_negative_is_none():
    # Throughput that grows ever faster is no scalability law; the best one that is has neither coefficient.
    law, *_ = fit([always(n, 60 * n**-0.2) for n in (1, 2, 4, 8, 16)], 32)
    assert (law.contention, law.coherency) == (0, 0)
    assert law.error > 0.1


def test_one_level_of_load_says_nothing_about_another():
    assert fit([always(4, 100), always(4, 102)], 32) == ()
    assert fit([], 32) == ()


def rows_of(phases: dict[str, Simulated]) -> duckdb.DuckDBPyConnection:
    connection, began_s, frames = duckdb.connect(), 0.0, []
    for phase, run in phases.items():
        start_us = ((run.start_s + began_s) * 1e6).astype("int64")
        latency_us = (run.latency_s * 1e6).astype("int64")
        frames.append(
            pd.DataFrame({"start_us": start_us, "end_us": start_us + latency_us, "ok": run.ok, "phase": phase})
        )
        began_s += run.duration_s + 60
    connection.from_df(pd.concat(frames)).create("requests")
    return connection


FOUR_THREADS = Service(100, LOGNORMAL, cores_of_its_own(4))
SHARED = Service(60, LOGNORMAL, tuple(1 / usl(n, 0.4, 0.01) for n in range(1, 33)))


@pytest.mark.parametrize("balancer", ["random", "round-robin"])
@pytest.mark.parametrize(("service", "within"), [(FOUR_THREADS, 0.04), (SHARED, 0.1)])
def test_the_limit_of_a_replica_follows_from_steps_of_an_open_loop(service, balancer, within):
    limit_rps, fleet = 3 * service.limit_rps, Fleet(3, service, balancer)
    steps = {
        f"step-{number}": simulate(fleet, OpenLoop(share * limit_rps, 100), seed=number)
        for number, share in enumerate((0.1, 0.3, 0.5, 0.7, 0.9))
    }
    law, *_ = fit(read_curve(rows_of(steps), 3, balancer).points, 32)
    found = Service(law.alone_ms, LOGNORMAL, law.speeds(32))
    assert found.limit_rps == pytest.approx(service.limit_rps, rel=within)
    assert law.error < 0.1


def test_the_limit_of_a_replica_follows_from_a_closed_loop_too():
    fleet = Fleet(2, FOUR_THREADS, "random")
    connection = rows_of(
        {
            "warmup": simulate(fleet, ClosedLoop(1, 0.1, 20)),
            "ramp": simulate(fleet, ClosedLoop(30, 0.1, 60, ramp_s=60)),
            "hold": simulate(fleet, ClosedLoop(30, 0.1, 60)),
        }
    )
    points = read_curve(connection, 2, "random").points
    assert len(points) == 14
    assert [point.in_system for point in points] == sorted(point.in_system for point in points)
    law = next(law for law in fit(points, 32) if law.law == "threads")
    assert law.threads == 4
    assert law.alone_ms == pytest.approx(100, rel=0.03)


def test_how_many_are_in_a_replica_is_counted_from_the_rows():
    connection = duckdb.connect()
    # Every second one request of 2.5 s: after the start there are three for one half of the time and two for the other.
    frame = pd.DataFrame({"start_us": np.arange(1001) * 1_000_000, "ok": True, "phase": "hold"})
    connection.from_df(frame.assign(end_us=frame["start_us"] + 2_500_000)).create("requests")
    [point] = read_curve(connection, 1, "random").points
    assert point.present[2:] == pytest.approx([0.5, 0.5], abs=0.002)
    assert point.latency_ms == 2500
    assert point.rps == pytest.approx(998 / 1000)
    # Taking turns, two replicas have every other request each: one or two at a time.
    [alternately] = read_curve(connection, 2, "round-robin").points
    assert alternately.present[1:] == pytest.approx([0.75, 0.25], abs=0.002)
    # By chance they have half as many on average, too, but sometimes all three.
    [by_chance] = read_curve(connection, 2, "random").points
    assert by_chance.in_system == pytest.approx(1.25, rel=0.05)
    assert by_chance.present[3] > 0.03


def test_an_overloaded_step_shows_what_was_finished_and_not_what_was_sent():
    limit_rps = 2 * FOUR_THREADS.limit_rps
    [point] = read_curve(
        rows_of({"step-0": simulate(Fleet(2, FOUR_THREADS, "random"), OpenLoop(2 * limit_rps, 60))}), 2, "random"
    ).points
    assert point.rps == pytest.approx(FOUR_THREADS.limit_rps, rel=0.03)


def test_a_phase_with_hardly_a_good_answer_is_no_point():
    connection = duckdb.connect()
    frame = pd.DataFrame({"start_us": np.arange(100) * 1_000_000, "ok": [True] * 19 + [False] * 81, "phase": "hold"})
    connection.from_df(frame.assign(end_us=frame["start_us"] + 10)).create("requests")
    assert read_curve(connection, 1, "random") is None
