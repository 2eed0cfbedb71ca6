from dataclasses import replace

import pytest

from loadtest.generator.monitoring.process_meter import Reading
from provider.cluster.clock_offset import ClockReading
from provider.sampling.pod_sampler import PodReading, samples_of
from provider.sampling.pod_usage import ContainerUsage

# The rows' clock shows 1,700,000,000 when ours shows 0; the node is up since 500 s before that.
ROWS_CLOCK = [ClockReading(0.0, 0.0, 1.7e9)]


def reading(at_s, cpu_s, periods=None, late_s=0.0):
    uptime_s = 500.0 + at_s
    usage = ContainerUsage(uptime_s, Reading(cpu_s, 100, periods), most_cores=2.0)
    return PodReading(ClockReading(at_s - 0.01, at_s + 0.01 + late_s, uptime_s), usage)


def values(samples, quantity):
    return [each["value"] for each in samples.to_pylist() if each["quantity"] == quantity]


def test_a_sample_covers_the_time_between_two_readings_on_the_clock_of_the_rows():
    readings = {"a": [reading(0, 1.0, (0, 0)), reading(5, 6.0, (50, 10)), reading(10, 6.5, (100, 10))]}
    samples = samples_of(readings, ROWS_CLOCK)
    assert values(samples, "cpu_cores") == pytest.approx([1.0, 0.1])
    assert values(samples, "throttled_ratio") == pytest.approx([0.2, 0.0])
    assert values(samples, "memory_bytes") == [100, 100]
    assert values(samples, "most_cores") == [2, 2]
    times = sorted({each["at"].timestamp() for each in samples.to_pylist()})
    assert times == pytest.approx([1.7e9 + 5, 1.7e9 + 10], abs=0.02)
    assert set(samples["subject"].to_pylist()) == {"a"}


def test_a_command_that_came_late_changes_neither_cores_nor_times():
    prompt = samples_of({"a": [reading(0, 0), reading(5, 5), reading(10, 10)]}, ROWS_CLOCK)
    late = samples_of({"a": [reading(0, 0), reading(5, 5, late_s=3), reading(10, 10)]}, ROWS_CLOCK)
    assert late == prompt


def test_a_lost_connection_costs_detail_and_no_cpu_time():
    samples = samples_of({"a": [reading(0, 0), reading(5, 5), reading(65, 35)]}, ROWS_CLOCK)
    assert values(samples, "cpu_cores") == pytest.approx([1.0, 0.5])


def test_a_restarted_container_gives_no_negative_use():
    samples = samples_of({"a": [reading(0, 50), reading(5, 1), reading(10, 6)]}, ROWS_CLOCK)
    assert values(samples, "cpu_cores") == pytest.approx([1.0])
    rebooted = replace(reading(5, 60), usage=ContainerUsage(3.0, Reading(60.0), None))
    assert samples_of({"a": [reading(0, 50), rebooted]}, ROWS_CLOCK).num_rows == 0


def test_without_the_rows_clock_or_readings_there_are_no_samples():
    assert samples_of({"a": [reading(0, 0), reading(5, 5)]}, ()).num_rows == 0
    assert samples_of({"a": [], "b": [reading(0, 0)]}, ROWS_CLOCK).num_rows == 0
