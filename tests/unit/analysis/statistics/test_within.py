import math

import numpy as np
import pytest

from analysis.results.run.columns import RunRows
from analysis.results.schema.samples import SAMPLES_SCHEMA
from analysis.statistics.cells import cells_of
from analysis.statistics.within import run_figures
from bench.stores.regimes import REGIMES
from bench.stores.synthetic import make_columns

BY_NAME = {regime.name: regime for regime in REGIMES}


def figures(offsets_s, response_s, ok=None):
    intended_start_us = np.round(np.asarray(offsets_s) * 1e6).astype(np.int64)
    end_us = intended_start_us + np.round(np.asarray(response_s) * 1e6).astype(np.int64)
    good = np.ones(intended_start_us.size, dtype=bool) if ok is None else np.asarray(ok)
    rows = make_columns(intended_start_us, end_us, good)
    return run_figures("run", cells_of(RunRows(rows, rows, SAMPLES_SCHEMA.empty_table(), ()), (0.5, 0.99)))


def a_run(requests=5000, seed=1, rate_rps=50.0, **changes):
    rng = np.random.default_rng(seed)
    offsets_s = np.cumsum(rng.exponential(1 / rate_rps, requests))
    return figures(offsets_s, rng.exponential(0.1, requests), **changes)


@pytest.mark.parametrize("name", ["M/M/4, 60 % busy", "Pareto tail, shape 2"])
def test_intervals_hold_the_truth_in_about_95_of_100_runs(name):
    regime, runs = BY_NAME[name], 100
    p99_ms = regime.true_p99_ms()
    held = {"goodput": 0, "p99": 0}
    for rows in regime.runs(runs, seed=11):
        found = run_figures("run", cells_of(rows, (0.99,)))
        held["goodput"] += found.goodput_rps.low <= regime.goodput_rps <= found.goodput_rps.high
        held["p99"] += found.quantiles_ms[0.99].low <= p99_ms <= found.quantiles_ms[0.99].high
    # Of 100 runs, fewer than 89 would be a chance of one in a hundred for an interval that holds 95 %.
    assert min(held.values()) >= 89
    assert held["goodput"] < 100


def test_the_same_rows_give_the_same_interval_each_time():
    assert a_run() == a_run()


def test_four_times_as_many_requests_halve_the_interval():
    def width(estimate):
        return (estimate.high - estimate.low) / estimate.value

    short, long = (a_run(requests) for requests in (10_000, 40_000))
    assert width(long.goodput_rps) == pytest.approx(width(short.goodput_rps) / 2, rel=0.3)
    assert width(long.quantiles_ms[0.5]) == pytest.approx(width(short.quantiles_ms[0.5]) / 2, rel=0.3)


def test_slow_spells_widen_what_independent_answers_would_not():
    rng = np.random.default_rng(2)
    offsets_s = np.arange(15_000) / 50
    response_s = rng.exponential(0.05, offsets_s.size)
    in_spells = np.where((offsets_s % 30 > 10) & (offsets_s % 30 < 11), 5, 1) * response_s
    scattered = rng.permutation(in_spells)
    apart, together = (figures(offsets_s, each).quantiles_ms[0.99] for each in (scattered, in_spells))
    assert together.value == pytest.approx(apart.value)
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_a_p99_of_a_hundred_answers_has_no_upper_bound():
    assert math.isinf(a_run(100).quantiles_ms[0.99].high)
    assert math.isfinite(a_run(100).quantiles_ms[0.5].high)


def test_answers_that_are_all_alike_do_not_prove_that_none_is_slower():
    few, many = (figures(np.arange(count) / 50, np.full(count, 0.1)).quantiles_ms[0.99] for count in (100, 10_000))
    assert math.isinf(few.high)
    assert (many.low, many.high) == (100, 100)


def test_a_run_without_an_error_is_not_certain_to_have_none():
    share = a_run(2000).error_share
    assert share.value == share.low == 0
    # The rule of three says 3/n for one side alone at 95 %; here 97.5 %.
    assert 3 / 2000 < share.high < 5 / 2000


def test_errors_that_come_together_say_less_than_as_many_alone():
    rng = np.random.default_rng(3)
    offsets_s = np.arange(12_000) / 40
    response_s = rng.exponential(0.05, offsets_s.size)
    alone = rng.uniform(size=offsets_s.size) > 0.02
    together = ~((offsets_s > 100) & (offsets_s < 106))
    apart, burst = (figures(offsets_s, response_s, ok).error_share for ok in (alone, together))
    assert apart.value == pytest.approx(0.02, abs=0.005)
    assert burst.value == pytest.approx(0.02, abs=0.005)
    assert burst.high - burst.low > 3 * (apart.high - apart.low)


def test_one_burst_of_errors_may_as_well_have_been_five():
    offsets_s = np.arange(15_000) / 50
    in_a_burst = (offsets_s > 70) & (offsets_s < 71)
    apart = np.random.default_rng(3).permutation(in_a_burst)
    scattered, burst = (
        figures(offsets_s, np.full(offsets_s.size, 0.1), ~failed).goodput_rps for failed in (apart, in_a_burst)
    )
    failed_rps = in_a_burst.sum() / 300
    assert burst.value - burst.low > 4 * failed_rps
    assert scattered.value - scattered.low < 0.5 * failed_rps


def test_a_rate_like_a_clock_is_known_to_a_request_and_no_better():
    offsets_s = np.arange(15_001) / 50
    goodput = figures(offsets_s, np.full(offsets_s.size, 0.1)).goodput_rps
    assert goodput.low < 50 < goodput.high
    assert goodput.high - goodput.low >= 2 / 300


def test_a_run_of_errors_alone_has_no_goodput_and_no_response_time():
    found = figures(np.arange(100.0), np.full(100, 0.1), np.zeros(100, dtype=bool))
    assert found.goodput_rps.value == found.goodput_rps.low == 0
    assert found.error_share.value == 1
    assert found.error_share.high == pytest.approx(1)
    assert found.quantiles_ms == {}
