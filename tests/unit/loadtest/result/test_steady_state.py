"""A step is found wherever it is; chance, also in a series that remembers, is no step."""

import math
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from bench.servers.simulated_server import ServerModel, SimulatedServer
from loadtest.generator.plan import load_plan
from loadtest.result.validity.steady_state import likeliest_step, steady_state_reasons
from tests.unit.loadtest.result.test_validity import CLOSED, OPEN, a_run


def alike(seed: int, memory: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    series = [rng.normal()]
    for _ in range(23):
        series.append(memory * series[-1] + math.sqrt(1 - memory**2) * rng.normal())
    return np.array(series)


@pytest.mark.parametrize("at", [2, 7, 12, 22])
def test_a_step_is_found_where_it_is(at: int) -> None:
    series = np.where(np.arange(24) < at, 0.0, 1.0) + 0.05 * alike(1, 0.0)
    step = likeliest_step(series)
    assert step.at == at
    assert step.size == pytest.approx(1, abs=0.1)


def test_without_autocorrelation_it_is_students_t_of_the_best_split() -> None:
    # Alternating residuals have no positive autocorrelation.
    series = np.tile([0.0, 0.1], 12) + np.where(np.arange(24) < 10, 0, 1)
    assert likeliest_step(series).z == pytest.approx(abs(ttest_ind(series[:10], series[10:]).statistic))


def test_what_remembers_is_no_step_as_easily() -> None:
    mean_z = [np.mean([likeliest_step(alike(seed, memory)).z for seed in range(100)]) for memory in (0.0, 0.6)]
    assert mean_z[1] < 1.5 * mean_z[0]


@given(st.lists(st.floats(-3, 3), min_size=12, max_size=24), st.floats(-5, 5), st.floats(0.01, 50))
def test_the_unit_of_the_series_does_not_matter(values: list[float], shift: float, factor: float) -> None:
    series = np.array([round(value, 3) for value in values])
    one, other = likeliest_step(series), likeliest_step(shift + factor * series)
    if math.isfinite(one.z) and 0 < one.z < 1e6:
        assert other.z == pytest.approx(one.z, rel=1e-3)
        assert other.at == one.at or other.z == pytest.approx(one.z, rel=1e-6)


def refused_with_errors(lasts_s: float, ends_s: float) -> float:
    """The share of runs of five minutes that did not settle, where for some seconds every other answer is an error."""
    load, refused = load_plan(OPEN.plan_values), 0
    for seed in range(40):
        rows = answers(seed, sd=0.0)
        offsets_s = rows["intended_start"].to_numpy() / 1e6
        failed = (offsets_s > ends_s - lasts_s) & (offsets_s <= ends_s) & (np.arange(offsets_s.size) % 2 == 0)
        rows = rows.set_column(0, "ok", pa.array(~failed))
        reasons = steady_state_reasons(rows, rows, load)
        assert all("throughput" in reason for reason in reasons)
        refused += bool(reasons)
    return refused / 40


def overloaded(users: int, rate_rps: float, hold_s: float) -> tuple[pa.Table, pa.Table]:
    """All rows, and those of the hold, of users who send again at once to a server that answers in order.

    Whatever the number of users, an answer comes every 1 / rate_rps seconds, to the request sent `users` answers ago.
    """
    # The ramp lasts until its first request is answered, and all requests of the hold are answered, too.
    answered_us = np.arange(round(hold_s * rate_rps) + 2 * users) * 1e6 / rate_rps
    answered_us += np.random.default_rng(users).uniform(0, 2e5 / rate_rps, answered_us.size)
    sent_us = answered_us[:-users] + 1
    rows = pa.table(
        {
            "ok": pa.repeat(True, sent_us.size),  # noqa: FBT003 (a value)
            "start": sent_us.astype("int64"),
            "intended_start": sent_us.astype("int64"),
            "latency_us": (answered_us[users:] - sent_us).astype("int64"),
        }
    )
    return rows, rows.filter(pc.greater_equal(rows["start"], int(users / rate_rps * 1e6)))


@given(st.integers(1, 1500), st.sampled_from([20.0, 50.0]))
def test_an_overloaded_server_is_steady_though_it_still_answers_the_ramp(users: int, rate_rps: float) -> None:
    rows, counted = overloaded(users, rate_rps, hold_s=60)
    assert steady_state_reasons(rows, counted, load_plan(CLOSED.plan_values)) == []


@pytest.mark.parametrize("silent_s", [9, 15, 30])
def test_a_server_that_answers_nothing_at_first_did_not_settle(silent_s: int) -> None:
    rows, _ = overloaded(users=1, rate_rps=20, hold_s=60)
    # Requests are sent all the time, and only those of the last part of the hold are answered within it.
    start_us = rows["start"].to_numpy()
    rows = rows.set_column(3, "latency_us", pa.array(np.where(start_us < silent_s * 1e6, 60_000_000, 50_000)))
    reasons = steady_state_reasons(rows, rows, load_plan(OPEN.plan_values))
    (throughput,) = [reason for reason in reasons if "throughput" in reason]
    rise = re.search(r"throughput rose by (\d+)% in one step", throughput)
    # From half an answer a window to twenty.
    assert rise, throughput
    assert int(rise[1]) == pytest.approx(3900, rel=0.03)
    assert all(f"about {silent_s} s into the hold" in reason for reason in reasons)


def test_fifteen_seconds_of_errors_in_five_minutes_are_mostly_no_step_wherever_they_are() -> None:
    assert refused_with_errors(15, ends_s=15) < 0.5
    assert refused_with_errors(15, ends_s=150) == 0
    assert refused_with_errors(15, ends_s=300) < 0.5


def test_half_a_minute_of_errors_at_the_beginning_or_the_end_is_a_state_of_its_own() -> None:
    assert refused_with_errors(30, ends_s=30) == 1
    assert refused_with_errors(30, ends_s=300) == 1


def busy_queue(seed: int) -> pa.Table:
    """A minute of eight workers that are busy for 92 % of the time, after twenty seconds in which the queue fills."""
    rng = np.random.default_rng(seed)
    offsets_s = rng.exponential(1 / 88.3, 8500).cumsum()
    offsets_s = offsets_s[offsets_s < 80]
    server = SimulatedServer(ServerModel(1, 8, 1 / 12, 0.5), seed)
    latency_us = np.array([1e6 * (server.end_s(at_s) - at_s) for at_s in offsets_s.tolist()]).astype("int64")
    start_us = (offsets_s * 1e6).astype("int64")
    rows = {"ok": np.full(start_us.size, True), "start": start_us, "intended_start": start_us}  # noqa: FBT003 (a value)
    return pa.table(rows | {"latency_us": latency_us})


def test_the_waves_of_a_busy_queue_are_hardly_ever_a_step_or_a_drift() -> None:
    load, refused = load_plan(OPEN.plan_values), 0
    for seed in range(60):
        rows = busy_queue(seed)
        refused += bool(steady_state_reasons(rows, rows.filter(pc.greater_equal(rows["start"], 20_000_000)), load))
    assert refused <= 1


def answers(seed: int, sd: float) -> pa.Table:
    """Five minutes of answers at 50/s, whose rate varies by `sd` over half a minute."""
    draw = np.random.default_rng(seed)
    level, offsets_s = draw.normal(0, sd), []
    for second in range(300):
        level = level * math.exp(-1 / 30) + draw.normal(0, sd * math.sqrt(1 - math.exp(-2 / 30)))
        offsets_s.append(second + draw.uniform(size=draw.poisson(50 * math.exp(level))))
    intended_start_us = np.sort(np.concatenate(offsets_s) * 1e6).astype("int64")
    return pa.table(
        {
            "ok": np.full(intended_start_us.size, True),  # noqa: FBT003 (a value)
            "start": intended_start_us,
            "intended_start": intended_start_us,
            "latency_us": np.full(intended_start_us.size, 100_000),
        }
    )


def test_a_throughput_that_wanders_is_mostly_noticed_and_a_random_one_hardly_ever() -> None:
    load = load_plan(CLOSED.plan_values)

    def reasons_of(sd: float) -> list[list[str]]:
        return [steady_state_reasons(rows, rows, load) for rows in (answers(seed, sd) for seed in range(60))]

    steady, wandering = reasons_of(0.0), reasons_of(0.1)
    assert sum(map(bool, steady)) <= 2
    noticed = [reasons[0] for reasons in wandering if reasons]
    assert len(noticed) > 45
    assert any("its throughput rose and fell slowly, by about" in reason for reason in noticed)


def test_a_steady_run_has_no_reason() -> None:
    assert not a_run(OPEN).reasons()


@pytest.mark.parametrize(("window_sd", "refused"), [(0.2, 1.0), (0.8, 0.1)])
def test_a_level_that_differs_by_a_window_s_spread_is_a_step_where_windows_are_calm(
    window_sd: float, refused: float
) -> None:
    """Windows of a queue that is often full differ by factors, and stay so for a while; those of a calm one do not."""
    load, found = load_plan(OPEN.plan_values), 0
    for seed in range(20):
        windows = np.random.default_rng(seed).normal(0, window_sd, 60) + window_sd * 1.8 * (np.arange(60) >= 45)
        due_us = np.arange(600) * 100_000
        rows = pa.table(
            {
                "ok": np.full(600, True),  # noqa: FBT003 (a value)
                "start": due_us,
                "intended_start": due_us,
                "latency_us": (20_000 * np.exp(np.repeat(windows, 10))).astype("int64"),
            }
        )
        found += any("latency" in reason for reason in steady_state_reasons(rows, rows, load))
    assert found / 20 == pytest.approx(refused, abs=0.1)
