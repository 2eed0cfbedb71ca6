from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.formatting import percent
from analysis.results.run.columns import read_columns
from analysis.results.schema.manifest import Validity
from analysis.statistics.figures import Figure, RunData
from analysis.statistics.summary import summarise
from bench.stores.synthetic import Server, make_manifest, make_rows, write_run
from stacks.load.load_profiles import PROFILES

SMOKE = PROFILES["smoke"]
FIGURES = ("p50_ms", "p90_ms", "p95_ms", "p99_ms", "max_ms")


@pytest.fixture
def summary_of(store, table):
    def summarised(rows, **changes):
        return summarise(store, write_run(store, make_manifest(SMOKE, **changes), table(rows)))

    return summarised


LATENCIES_US = st.lists(st.integers(min_value=0, max_value=30_000_000), min_size=1, max_size=200)


@given(hold_us=LATENCIES_US, elsewhere_us=LATENCIES_US, failed_us=LATENCIES_US)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_quantiles_are_numpys_on_the_good_answers_of_the_hold(store, row, table, hold_us, elsewhere_us, failed_us):
    rows = [row(second, us / 1000) for second, us in enumerate(hold_us)]
    rows += [row(second, us / 1000, phase="ramp") for second, us in enumerate(elsewhere_us)]
    rows += [row(second, us / 1000, ok=False) for second, us in enumerate(failed_us)]
    summary = summarise(store, write_run(store, make_manifest(SMOKE), table(rows)))
    expected = np.quantile(np.array(hold_us), [0.5, 0.9, 0.95, 0.99, 1.0]) / 1000
    assert [asdict(summary)[name] for name in FIGURES] == expected.tolist()
    assert summary.good == len(hold_us)
    assert summary.requests == len(hold_us) + len(failed_us)
    assert summary.rows_by_phase["ramp"] == len(elsewhere_us)


def test_rows_split_over_workers_give_the_same_figures(store):
    rows = make_rows(SMOKE, Server(capacity_rps=30, service_ms=40, error_share=0.1))
    whole, split = make_manifest(SMOKE), make_manifest(SMOKE)
    store.write_rows(whole.stack, whole.run_id, "w0", rows)
    order = np.random.default_rng(7).permutation(rows.num_rows)
    for worker, part in enumerate(np.array_split(order, 3)):
        store.write_rows(split.stack, split.run_id, f"w{worker}", rows.take(pa.array(part)))
    assert asdict(summarise(store, whole)) | {"run_id": ""} == asdict(summarise(store, split)) | {"run_id": ""}


def test_goodput_is_that_of_a_server_whose_rate_is_known(summary_of, row):
    # Ten users, each asks every second and waits 0.4 s: ten good answers a second, whatever the edges cut.
    rows = [row(second + user / 10, 400) for second in range(60) for user in range(10)]
    summary = summary_of(rows)
    assert summary.duration_s == pytest.approx(59.9)
    assert summary.goodput_rps == pytest.approx(10, rel=0.01)


def test_a_straggler_does_not_stretch_the_hold(summary_of, row):
    rows = [row(second / 10, 100) for second in range(600)]
    assert summary_of([*rows, row(59.9, 30_000)]).goodput_rps == pytest.approx(summary_of(rows).goodput_rps, rel=0.01)


def test_answers_that_come_in_the_hold_count_whoever_sent_them(summary_of, row):
    hold = [row(10 + second, 100) for second in range(11)]
    late_from_the_ramp = [row(9.5, 1_000, phase="ramp")]
    assert summary_of(hold).goodput_rps == pytest.approx(1.0)
    assert summary_of(hold + late_from_the_ramp).goodput_rps == pytest.approx(1.1)
    assert summary_of(hold + late_from_the_ramp).requests == 11


def test_errors_count_in_throughput_and_not_in_goodput(summary_of, row):
    summary = summary_of([row(second, 100, ok=second % 4 != 0) for second in range(101)])
    assert summary.throughput_rps == pytest.approx(1.0)
    assert summary.goodput_rps == pytest.approx(0.75)
    assert summary.error_rate == pytest.approx(26 / 101)
    assert summary.errors == {"unavailable": 26}


def test_a_formula_beside_its_declaration_reads_the_times_of_good_answers(store, row, table):
    def slow_share(run: RunData) -> float:
        return float(np.mean(run.response_us > 2 * np.median(run.response_us)))

    rows = [row(second, 500 if second % 4 == 0 else 100) for second in range(40)]
    manifest = write_run(
        store, make_manifest(SMOKE), table([*rows, row(41, 900, ok=False), row(42, 900, phase="ramp")])
    )
    declared = Figure("over 2 × p50", "%", percent, formula=slow_share)
    assert declared.of(RunData(manifest, read_columns(store, manifest))) == 0.25


def test_a_failure_without_a_class_is_counted_too(summary_of, row):
    assert summary_of([row(0, ok=False, error=None), row(1)]).errors == {"unnamed": 1}


MEASURED = ("error_rate", "duration_s", "throughput_rps", "goodput_rps", *FIGURES, "usd_per_million_good")


@pytest.mark.parametrize("phases", [[], ["warmup", "ramp"]])
def test_what_was_not_measured_is_none_and_not_zero(summary_of, row, phases):
    summary = summary_of([row(second, phase=phase) for second, phase in enumerate(phases)])
    assert summary.requests == 0
    assert {name: asdict(summary)[name] for name in MEASURED} == dict.fromkeys(MEASURED)
    assert summary.usd_hourly is not None


def test_a_hold_of_one_request_has_latency_and_no_rate(summary_of, row):
    summary = summary_of([row(0, 250)])
    assert summary.p99_ms == 250
    assert summary.duration_s is None
    assert summary.goodput_rps is None
    assert summary.usd_per_million_good is None


def test_a_run_without_a_good_answer_has_no_cost_per_good_answer(summary_of, row):
    summary = summary_of([row(second, ok=False) for second in range(10)])
    assert summary.goodput_rps == 0
    assert summary.usd_per_million_good is None
    assert summary.p50_ms is None


def test_a_run_without_a_price_costs_none_and_not_zero(summary_of, row):
    unpriced = make_manifest(SMOKE).cost.model_copy(update={"hourly": None})
    summary = summary_of([row(second) for second in range(10)], cost=unpriced)
    assert summary.goodput_rps > 0
    assert (summary.usd_hourly, summary.usd_24h, summary.usd_730h, summary.usd_per_million_good) == (None,) * 4


def test_money_follows_from_the_hour_and_the_goodput(summary_of, row):
    summary = summary_of([row(second / 10) for second in range(1001)])
    assert summary.usd_24h == pytest.approx(24 * summary.usd_hourly)
    assert summary.usd_730h == pytest.approx(730 * summary.usd_hourly)
    # Ten good predictions a second are 36,000 an hour.
    assert summary.usd_per_million_good == pytest.approx(summary.usd_hourly / 36_000 * 1e6, rel=1e-3)


def test_an_invalid_run_keeps_its_reasons_and_its_figures(summary_of, row):
    verdict = Validity(verdict="invalid", reasons=("the server was restarted",))
    summary = summary_of([row(second) for second in range(10)], validity=verdict)
    assert not summary.valid
    assert summary.reasons == ("the server was restarted",)
    assert summary.p50_ms == 100


@pytest.mark.parametrize("damaged_at", ["footer", "page"])
def test_a_run_with_a_damaged_row_file_is_invalid_and_says_which(store, damaged_at):
    rows = make_rows(SMOKE, Server(capacity_rps=300, service_ms=20))
    manifest = make_manifest(SMOKE)
    store.write_rows(manifest.stack, manifest.run_id, "w0", rows)
    store.write_rows(manifest.stack, manifest.run_id, "w1", rows)
    [first, _], [] = store.parts(manifest)
    with open(first, "r+b") as file:  # noqa: PTH123 - the store hands out names
        if damaged_at == "footer":
            file.truncate(1000)
        else:
            file.seek(8)
            file.write(b"\xaa" * 1500)
    summary = summarise(store, manifest)
    assert not summary.valid
    assert len(summary.reasons) == 1
    assert "part-w0.parquet" in summary.reasons[0] or "cannot be read" in summary.reasons[0]


def test_a_summary_becomes_plain_values(summary_of, row):
    plain = summary_of([row(second) for second in range(10)]).to_dict()
    assert plain["requests"] == 10
    assert plain["rows_by_phase"] == {"hold": 10}
