from datetime import timedelta

import pyarrow as pa
import pytest

from analysis.results.run.bottleneck import Part
from analysis.results.run.columns import read_columns
from analysis.results.run.resource_usage import resource_usage_of
from analysis.results.schema.samples import SAMPLES_SCHEMA
from bench.stores.synthetic import STARTED_AT, make_manifest
from stacks.load.load_profiles import PROFILES

MB = 1_000_000
# A ramp of 4 s, then a hold of 8 s.
SECONDS = range(12)


def a_run(store, table, row, samples, **changes):
    manifest = make_manifest(PROFILES["smoke"], **changes)
    rows = [row(second / 2, phase="ramp" if second < 8 else "hold") for second in range(24)]
    store.write_rows(manifest.stack, manifest.run_id, "w0", table(rows))
    store.write_samples(manifest.stack, manifest.run_id, pa.Table.from_pylist(samples, schema=SAMPLES_SCHEMA))
    store.write_manifest(manifest)
    return manifest


def sampled(subject, cores_at, most_cores=8.0, memory_bytes=100 * MB):
    """A sample a second, from 2 s before the first request until 5 s after the last."""
    samples = []
    for second in range(-2, 18):
        quantities = {"cpu_cores": float(cores_at(second)), "most_cores": most_cores, "memory_bytes": memory_bytes}
        # It tells of the second before it.
        at = STARTED_AT + timedelta(seconds=second + 1)
        samples += [
            {"at": at, "subject": subject, "quantity": quantity, "value": float(value)}
            for quantity, value in quantities.items()
            if value is not None
        ]
    return samples


def read(store, manifest, window_s=1):
    return resource_usage_of(read_columns(store, manifest), manifest, window_s)


def test_samples_lie_on_the_time_axis_of_the_rows(store, table, row):
    samples = sampled("server", lambda second: second) + sampled("generator", lambda _: 0.1)
    found = read(store, a_run(store, table, row, samples))
    server = found.over_time[found.over_time["subject"] == "server"]
    assert server["second"].tolist() == list(SECONDS)
    assert server["cores"].tolist() == list(SECONDS)
    assert server["memory_bytes"].tolist() == [100 * MB] * 12


def test_a_window_has_the_average_of_its_cores(store, table, row):
    found = read(store, a_run(store, table, row, sampled("server", lambda second: second)), window_s=5)
    assert found.over_time["cores"].tolist() == [2, 7, 10.5]


def test_the_bottleneck_is_that_of_the_phase_that_counts(store, table, row):
    """Idle in the ramp, and saturated in the hold."""
    samples = sampled("server", lambda second: 7.9 if 4 <= second < 12 else 0) + sampled("generator", lambda _: 0.1)
    assert read(store, a_run(store, table, row, samples)).bottleneck.part is Part.server
    turned = sampled("server", lambda second: 0 if 4 <= second < 12 else 7.9) + sampled("generator", lambda _: 0.1)
    assert read(store, a_run(store, table, row, turned)).bottleneck.part is Part.none


def test_the_cores_of_replicas_add_up(store, table, row):
    samples = (
        sampled("serving-a", lambda _: 7.8) + sampled("serving-b", lambda _: 7.8) + sampled("generator", lambda _: 0.1)
    )
    found = read(store, a_run(store, table, row, samples))
    server = found.over_time[found.over_time["subject"] == "server"]
    assert server["cores"].tolist() == pytest.approx([15.6] * len(server))
    assert server["most_cores"].tolist() == [16.0] * len(server)
    assert server["memory_bytes"].tolist() == [200 * MB] * len(server)
    assert found.bottleneck.part is Part.server
    assert "15.60 of 16 cores" in found.bottleneck.sentence


def test_processes_of_the_generator_are_added_up_and_the_busiest_is_reported(store, table, row):
    samples = sampled("server", lambda _: 0.4)
    samples += sampled("generator", lambda _: 0.2, most_cores=2) + sampled("generator-1", lambda _: 0.95, most_cores=2)
    found = read(store, a_run(store, table, row, samples))
    generator = found.over_time[found.over_time["subject"] == "generator"]
    assert generator["cores"].tolist() == pytest.approx([1.15] * len(generator))
    assert found.over_time[found.over_time["subject"] == "server"]["cores"].max() == pytest.approx(0.4)
    assert found.bottleneck.part is Part.generator
    assert "one of its 2 processes used more than 90 % of a core in 100% of the seconds" in found.bottleneck.sentence


def every(step_s, subject, cores_at, first_s=0, throttled=None):
    """Samples of pods: each of the `step_s` seconds before it, and none of what is before the first."""
    return [
        {"at": STARTED_AT + timedelta(seconds=second), "subject": subject, "quantity": quantity, "value": float(value)}
        for second in range(first_s, 20, step_s)
        for quantity, value in (("cpu_cores", cores_at(second)), ("most_cores", 2), ("throttled_ratio", throttled))
        if value is not None
    ]


def test_replicas_that_are_sampled_at_other_moments_add_up_in_every_second(store, table, row):
    samples = every(5, "serving-a", lambda _: 1.5) + every(5, "serving-b", lambda _: 0.5, first_s=3)
    found = read(store, a_run(store, table, row, samples))
    assert found.over_time["second"].tolist() == list(SECONDS)
    assert found.over_time["cores"].tolist() == [2.0] * len(SECONDS)
    assert found.over_time["most_cores"].tolist() == [4.0] * len(SECONDS)


def test_a_sample_covers_the_time_since_the_one_before(store, table, row):
    """A lost connection leaves no hole: what was used in that time is in the next sample."""
    sparse = [each for each in every(2, "serving-a", lambda at: at) if each["at"].second not in {4, 6}]
    found = read(store, a_run(store, table, row, sparse))
    assert found.over_time["cores"].tolist() == [2, 2, 8, 8, 8, 8, 8, 8, 10, 10, 12, 12]


def test_seconds_that_no_sample_covers_are_left_out(store, table, row):
    found = read(store, a_run(store, table, row, every(2, "serving-a", lambda _: 1, first_s=6)))
    assert found.over_time["second"].tolist() == list(range(4, 12))


def test_a_throttled_pod_is_the_bottleneck_of_the_run(store, table, row):
    samples = (
        every(5, "serving-a", lambda _: 0.4, throttled=0.5)
        + every(5, "serving-b", lambda _: 0.4, throttled=0.02)
        + sampled("generator", lambda _: 0.1)
    )
    found = read(store, a_run(store, table, row, samples))
    assert found.bottleneck.part is Part.server
    assert "the CPU limit of 2 cores throttled one of 2 replicas in 50% of all periods" in found.bottleneck.sentence


def test_a_machine_has_no_memory_rather_than_none_in_use(store, table, row):
    samples = sampled("machine", lambda _: 1, memory_bytes=None)
    found = read(store, a_run(store, table, row, samples))
    assert found.over_time["memory_bytes"].isna().all()
    assert len(found.over_time) == 12


def beside(replica, cores_at, memory_mib_at):
    """Of a replica and the other programs of its node, a sample a second."""
    samples = sampled(replica, lambda _: 1.0)
    for second in range(-2, 18):
        at = STARTED_AT + timedelta(seconds=second + 1)
        for quantity, value in (
            ("other_cpu_cores", cores_at(second)),
            ("other_memory_bytes", memory_mib_at(second) * 2**20),
        ):
            samples.append({"at": at, "subject": replica, "quantity": quantity, "value": float(value)})
    return samples


def test_other_programs_of_each_node_are_those_of_the_phase_that_counts(store, table, row):
    """Busy in the ramp, as after an image was pulled, and at rest in the hold."""
    samples = beside("serving-a", lambda at: 0.1 if at >= 4 else 2.0, lambda at: 600 + at)
    samples += beside("serving-b", lambda at: 0.3 if at >= 4 else 2.0, lambda _: 700)
    found = read(store, a_run(store, table, row, samples))
    assert [(each.replica, each.cores, each.memory_bytes / 2**20) for each in found.others] == [
        ("serving-a", pytest.approx(0.1), 611),
        ("serving-b", pytest.approx(0.3), 700),
    ]
    assert found.over_time["cores"].tolist() == [2.0] * len(SECONDS)


def test_what_the_hypervisor_took_is_not_what_other_programs_used(store, table, row):
    samples = beside("serving-a", lambda _: 0.5, lambda _: 600) + beside("serving-b", lambda _: 0.5, lambda _: 600)
    samples += [each | {"quantity": "stolen_cores", "value": 0.2} for each in sampled("serving-a", lambda _: 0)[::3]]
    found = read(store, a_run(store, table, row, samples))
    assert [(each.cores, each.stolen_cores) for each in found.others] == [
        (pytest.approx(0.3), pytest.approx(0.2)),
        (pytest.approx(0.5), None),
    ]


def test_how_often_servers_were_sampled_is_known_from_the_samples(store, table, row):
    every_second = sampled("generator", lambda _: 1.0)
    assert read(store, a_run(store, table, row, every_second + every(5, "a", lambda _: 1))).interval_s == 5
    once = [each for each in every(5, "a", lambda _: 1) if each["at"].second == STARTED_AT.second]
    assert read(store, a_run(store, table, row, every_second + once)).interval_s is None


def test_a_run_whose_nodes_were_not_sampled_says_nothing_of_other_programs(store, table, row):
    assert read(store, a_run(store, table, row, sampled("serving-a", lambda _: 1))).others == ()


def test_an_older_run_without_samples_says_that_nothing_is_known(store, table, row):
    found = read(store, a_run(store, table, row, []))
    assert len(found.over_time) == 0
    assert found.bottleneck.part is Part.unknown


def test_samples_without_rows_are_no_trouble(store, table, row):
    manifest = make_manifest(PROFILES["smoke"])
    store.write_rows(manifest.stack, manifest.run_id, "w0", table([]))
    samples = pa.Table.from_pylist(sampled("server", lambda _: 1), schema=SAMPLES_SCHEMA)
    store.write_samples(manifest.stack, manifest.run_id, samples)
    store.write_manifest(manifest)
    assert read(store, manifest).bottleneck.part is Part.unknown
