"""The CPU utilisation at a capacity, from samples whose answer is known."""

from datetime import timedelta

import pyarrow as pa
import pytest

from analysis.planning.day.cpu_use import cpu_percent_at
from analysis.results.run.columns import read_columns
from analysis.results.schema.samples import SAMPLES_SCHEMA
from bench.stores.synthetic import STARTED_AT, make_manifest
from stacks.load.load_profiles import PROFILES


@pytest.fixture
def sampled(store, table, row):
    """A run of two replicas with 8 vCPUs each, which answer ten requests a second together."""

    def write(subjects):
        manifest = make_manifest(PROFILES["smoke"])
        rows = [row(number / 10, 10.0) for number in range(200)]
        samples = [
            {"at": STARTED_AT + timedelta(seconds=second), "subject": subject, "quantity": quantity, "value": value}
            for second in range(-2, 25)
            for subject in subjects
            for quantity, value in (("cpu_cores", 2.0), ("most_cores", 8.0), ("memory_bytes", 1e9))
        ]
        store.write_rows(manifest.stack, manifest.run_id, "w0", table(rows))
        store.write_samples(manifest.stack, manifest.run_id, pa.Table.from_pylist(samples, schema=SAMPLES_SCHEMA))
        store.write_manifest(manifest)
        return read_columns(store, manifest), manifest

    return write


def test_it_is_in_proportion_to_the_rate_and_of_all_vcpus(sampled):
    # Two cores for five requests a second of a node are 0.4 s each; at 10 a second these are 4 of 8 vCPUs.
    assert cpu_percent_at(*sampled(["serving-0", "serving-1"]), 10) == pytest.approx(50, rel=0.01)


def test_a_step_that_is_shorter_than_the_time_between_samples_does_not_decide(store, table, row):
    """100 requests in as many seconds, then 50 in one, each of 0.4 s CPU time; a sample every 5 s has their mean."""
    manifest = make_manifest(PROFILES["smoke"], nodes=1)
    rows = [row(float(second), 10.0, phase="ramp") for second in range(100)]
    rows += [row(100 + number / 50, 10.0) for number in range(50)]
    cores = dict.fromkeys(range(0, 105, 5), 0.4) | {105: 50 * 0.4 / 5}
    samples = [
        {"at": STARTED_AT + timedelta(seconds=at_s), "subject": "serving-0", "quantity": quantity, "value": value}
        for at_s, used in cores.items()
        for quantity, value in (("cpu_cores", used), ("most_cores", 8.0), ("memory_bytes", 1e9))
    ]
    store.write_rows(manifest.stack, manifest.run_id, "w0", table(rows))
    store.write_samples(manifest.stack, manifest.run_id, pa.Table.from_pylist(samples, schema=SAMPLES_SCHEMA))
    store.write_manifest(manifest)
    # 10 a second need 4 of 8 vCPUs. The last window is cut at the end of the run, a second after it begins.
    assert cpu_percent_at(read_columns(store, manifest), manifest, 10) == pytest.approx(50, rel=0.3)


def test_it_is_at_most_all_of_them(sampled):
    assert cpu_percent_at(*sampled(["serving-0", "serving-1"]), 1000) == 100


@pytest.mark.parametrize("subjects", [[], ["serving-0"], ["generator"]])
def test_it_is_not_known_without_samples_of_all_replicas(sampled, subjects):
    assert cpu_percent_at(*sampled(subjects), 10) is None
