from dataclasses import replace

import pytest

from loadtest.generator.monitoring.process_meter import Reading
from provider.cluster.clock_offset import ClockReading
from provider.sampling.pod_sampler import PodReading, samples_of
from provider.sampling.pod_usage import ContainerUsage

# The rows' clock shows 1,700,000,000 when ours shows 0; the node is up since 500 s before that.
ROWS_CLOCK = [ClockReading(0.0, 0.0, 1.7e9)]


def reading(at_s, cpu_s, periods=None, late_s=0.0, others=None):
    uptime_s = 500.0 + at_s
    usage = ContainerUsage(uptime_s, Reading(cpu_s, 100, periods), most_cores=2.0, others=others)
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


def test_what_other_programs_of_the_node_use_is_sampled_with_the_pod():
    readings = [
        reading(at_s, 0, others=Reading(busy_s, 200)) for at_s, busy_s in ((0, 9.0), (5, 10.0), (10, 9.99), (15, 12.0))
    ]
    samples = samples_of({"a": readings}, ROWS_CLOCK)
    # Idle time is counted in hundredths of a second, so a node that does nothing may seem to do less.
    assert values(samples, "other_cpu_cores") == pytest.approx([0.2, 0.0, 0.402])
    assert values(samples, "other_memory_bytes") == [200, 200, 200]
    assert set(samples["subject"].to_pylist()) == {"a"}


def test_of_a_node_that_is_not_known_there_is_no_sample_and_no_zero():
    known = reading(0, 0, others=Reading(9.0, 200))
    for readings in ([known, reading(5, 5)], [reading(0, 0), reading(5, 5)]):
        samples = samples_of({"a": readings}, ROWS_CLOCK)
        assert values(samples, "cpu_cores") == [1.0]
        assert values(samples, "other_cpu_cores") == values(samples, "other_memory_bytes") == []


def test_without_the_rows_clock_or_readings_there_are_no_samples():
    assert samples_of({"a": [reading(0, 0), reading(5, 5)]}, ()).num_rows == 0
    assert samples_of({"a": [], "b": [reading(0, 0)]}, ROWS_CLOCK).num_rows == 0
