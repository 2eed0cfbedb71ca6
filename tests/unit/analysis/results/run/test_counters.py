from datetime import timedelta

import pyarrow as pa
import pytest

from analysis.results.run.columns import read_columns
from analysis.results.run.counters import read_server_counters, requests_by_replica
from analysis.results.schema.samples import SAMPLES_SCHEMA
from bench.stores.synthetic import STARTED_AT, make_manifest
from stacks.load.load_profiles import PROFILES


def reading(second, subject, **totals):
    at = STARTED_AT + timedelta(seconds=second)
    return [
        {"at": at, "subject": subject, "quantity": quantity, "value": float(value)}
        for quantity, value in totals.items()
    ]


def table_of(*readings):
    return pa.Table.from_pylist([sample for each in readings for sample in each], schema=SAMPLES_SCHEMA)


def counted(store, table, row, *readings, rows=None):
    """Of 24 requests, two a second: a ramp of 4 s, then a hold of 8 s."""
    manifest = make_manifest(PROFILES["smoke"])
    rows = rows or [row(second / 2, phase="ramp" if second < 8 else "hold") for second in range(24)]
    store.write_rows(manifest.stack, manifest.run_id, "w0", table(rows))
    store.write_manifest(manifest)
    return read_server_counters(read_columns(store, manifest), table_of(*readings))


def ok(second, subject, count, **more):
    return reading(second, subject, requests_ok_total=count, **more)


def test_figures_are_of_the_readings_in_the_phase_that_counts_and_counts_of_the_whole_run(store, table, row):
    found = counted(store, table, row, *(ok(at, "a", 100 + 2 * at) for at in (-1, 3, 5, 9, 13)))
    [replica] = found.replicas
    assert not found.whole_run
    assert replica.ok == 8, "from the reading at 5 s to that at 9 s"
    assert found.counted == 28
    assert found.sent == 24


def test_a_phase_with_fewer_than_two_readings_of_each_replica_has_those_of_the_whole_run(store, table, row):
    several = [ok(at, "a", at) for at in (0, 5, 9, 13)]
    found = counted(store, table, row, *several, ok(0, "b", 0), ok(9, "b", 4), ok(13, "b", 8))
    assert found.whole_run
    assert {replica.name: replica.ok for replica in found.replicas} == {"a": 13, "b": 8}


def test_means_are_of_what_came_between_two_readings_not_of_all_that_was_ever_counted(store, table, row):
    before = {
        "requests_failed_total": 7,
        "request_latency_us_sum": 9e9,
        "request_latency_count": 1000,
        "runtime_latency_us_sum": 8e9,
        "runtime_latency_count": 1000,
        "queuing_latency_us_sum": 5e9,
        "queuing_latency_count": 1000,
        "batches_total": 500,
    }
    more = {
        "requests_failed_total": 2,
        "request_latency_us_sum": 800_000,
        "request_latency_count": 8,
        "runtime_latency_us_sum": 600_000,
        "runtime_latency_count": 8,
        "queuing_latency_us_sum": 80_000,
        "queuing_latency_count": 8,
        "batches_total": 2,
    }
    after = {quantity: before[quantity] + more[quantity] for quantity in before}
    [replica] = counted(store, table, row, ok(5, "a", 0, **before), ok(9, "a", 8, **after)).replicas
    assert (replica.ok, replica.failed) == (8, 2)
    assert (replica.latency_ms, replica.runtime_ms, replica.queued_ms) == (100, 75, 10)
    assert replica.requests_a_batch == 4


def test_what_was_not_counted_has_no_mean(store, table, row):
    [replica] = counted(store, table, row, ok(5, "a", 0), ok(9, "a", 0)).replicas
    assert (replica.latency_ms, replica.runtime_ms, replica.queued_ms, replica.requests_a_batch) == (None,) * 4


def test_the_latency_of_the_generator_is_of_answers_between_the_same_readings(store, table, row):
    rows = [row(second, phase="hold", latency_ms=100 if 4 <= second < 8 else 900) for second in range(12)]
    assert counted(store, table, row, ok(4, "a", 0), ok(8, "a", 4), rows=rows).outside_ms == 100


def test_a_request_that_was_never_sent_is_none_that_a_server_can_count(store, table, row):
    rows = [
        row(second, phase="hold", **({"ok": False, "error": "not_sent"} if second > 9 else {})) for second in range(12)
    ]
    assert counted(store, table, row, ok(-1, "a", 0), ok(13, "a", 10), rows=rows).sent == 10


def test_a_failure_that_is_counted_later_than_the_first_reading_began_at_nothing(store, table, row):
    [replica] = counted(store, table, row, ok(5, "a", 0), ok(9, "a", 8, requests_failed_total=3)).replicas
    assert replica.failed == 3


def test_counters_that_fell_are_those_of_another_process_and_say_nothing(store, table, row):
    assert counted(store, table, row, ok(5, "a", 900), ok(9, "a", 8)) is None


@pytest.mark.parametrize(
    "readings", [[], [ok(5, "a", 3)], [reading(5, "a", cpu_cores=1), reading(9, "a", cpu_cores=1)]]
)
def test_without_two_readings_nothing_is_known(store, table, row, readings):
    assert counted(store, table, row, *readings) is None


def test_requests_of_each_replica_are_those_of_the_whole_run():
    samples = table_of(
        ok(0, "a", 5), ok(5, "a", 15), ok(9, "a", 25, requests_failed_total=2), ok(0, "b", 3), ok(9, "b", 3)
    )
    assert requests_by_replica(samples) == {"a": 22, "b": 0}
    assert requests_by_replica(SAMPLES_SCHEMA.empty_table()) == {}
