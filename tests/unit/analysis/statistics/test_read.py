import math
from datetime import timedelta

import pytest

from analysis.results.schema.manifest import CapacityRps, CapacityStep, SearchedCapacity, Validity
from analysis.statistics.read import read_figures
from analysis.statistics.summary import summarise
from bench.stores.synthetic import STARTED_AT, Server, make_manifest, make_rows, write_run
from stacks.load.load_profiles import PROFILES

SMOKE = PROFILES["smoke"]


@pytest.fixture
def read(store, table):
    def reading(rows, **changes):
        manifest = write_run(
            store, make_manifest(SMOKE, **changes), rows if not isinstance(rows, list) else table(rows)
        )
        return manifest, *read_figures(store, manifest)

    return reading


def test_the_values_are_those_of_the_summary(store, read):
    manifest, figures, reasons = read(make_rows(SMOKE, Server(capacity_rps=30, service_ms=20, error_share=0.05)))
    summary = summarise(store, manifest)
    assert reasons == []
    assert figures.requests == summary.requests
    assert figures.goodput_rps.value == pytest.approx(summary.goodput_rps)
    assert figures.error_share.value == pytest.approx(summary.error_rate)
    assert figures.quantiles_ms[0.99].value == pytest.approx(summary.p99_ms)
    for estimate in (figures.goodput_rps, figures.error_share, *figures.quantiles_ms.values()):
        assert estimate.low <= estimate.value <= estimate.high


def test_in_an_open_loop_time_counts_from_when_the_request_was_due(read, row):
    late = [row(second, 100, intended_start=STARTED_AT + timedelta(seconds=second - 2)) for second in range(10, 60)]
    _, figures, _ = read(late)
    assert figures.quantiles_ms[0.5].value == pytest.approx(2100)


def test_an_invalid_run_says_why_and_a_silent_one_says_so(read, row):
    rows = [row(second) for second in range(10)]
    _, _, reasons = read(rows, validity=Validity(verdict="invalid", reasons=("the server died",)))
    assert reasons == ["the server died"]
    _, _, reasons = read(rows, validity=Validity(verdict="invalid", reasons=()))
    assert "no reason was recorded" in reasons[0]


@pytest.mark.parametrize("seconds", [[], [3]])
def test_a_run_without_two_requests_in_its_hold_has_no_figures(read, row, seconds):
    _, figures, reasons = read([row(second) for second in seconds])
    assert figures is None
    assert "nothing was measured" in reasons[0]


def test_rows_that_cannot_be_read_are_a_reason(store, row, table):
    manifest = write_run(store, make_manifest(SMOKE), table([row(second / 10) for second in range(100)]))
    [part], _ = store.parts(manifest)
    with open(part, "r+b") as file:  # noqa: PTH123 - the store hands out names
        file.seek(8)
        file.write(b"\xaa" * 400)
    figures, reasons = read_figures(store, manifest)
    assert figures is None
    assert "part-w0.parquet is not what was written" in reasons[0]


def searched(quantile=0.99):
    step = CapacityStep(rate_rps=20, achieved_rps=20, requests=1000, p50_ms=100, p99_ms=150, error_ratio=0, meets=True)
    return SearchedCapacity(
        quantile=quantile,
        latency_ms=300,
        error_ratio=0.001,
        rps=CapacityRps(value=20, low=19, high=23),
        steps=(step.model_copy(update={"rate_rps": 40, "meets": False}), step),
    )


def test_of_a_capacity_search_the_figures_are_those_of_the_step_at_its_capacity(store, read, row):
    tried = [row(second / 40, 900, phase="step-1") for second in range(400)]
    kept = [row(20 + second / 20, 100, phase="step-2", ok=second % 10 != 0) for second in range(100)]
    manifest, figures, reasons = read(tried + kept, capacity=searched())
    assert reasons == []
    assert figures.requests == 100
    assert figures.goodput_rps.value == pytest.approx(summarise(store, manifest).goodput_rps)
    assert figures.quantiles_ms[0.99].value == pytest.approx(100)


def test_of_a_search_with_an_upper_bound_alone_the_figures_are_those_of_the_step_at_it(store, read, row):
    slow = [row(second / 20, 900, phase="step-2") for second in range(100)]
    bound = searched().model_copy(update={"rps": CapacityRps(value=None, low=0, high=20)})
    manifest, figures, reasons = read(slow, capacity=bound)
    assert reasons == []
    assert figures.goodput_rps.value == pytest.approx(summarise(store, manifest).goodput_rps)
    assert figures.quantiles_ms[0.99].value == pytest.approx(900)


def test_what_a_search_certified_changes_no_interval_of_its_step(read, row):
    kept = [row(second / 20, 100, phase="step-2") for second in range(100)]
    (_, certified, _), (_, lower, _) = (read(kept, capacity=searched(quantile)) for quantile in (0.99, 0.9))
    assert certified.quantiles_ms == lower.quantiles_ms
    assert math.isinf(certified.quantiles_ms[0.99].high)
