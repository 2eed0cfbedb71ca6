import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.generator.monitoring.process_meter import Reading
from provider.cluster import background, pod_sampler
from provider.cluster.api import ClusterError
from provider.cluster.pod_sampler import ClockReading, PodReading, PodSampler, clock_offset_s, samples_of, timed_call
from provider.cluster.pod_usage import ContainerUsage

PRINTED = "== /proc/uptime\n1.0 1.0\n== /sys/fs/cgroup/cpu.stat\nusage_usec 5\n"


class Scripted:
    """A cluster whose sessions print what `answer` returns for the pod."""

    def __init__(self, answer: Callable[[str], str]) -> None:
        self.started: list[str] = []
        self.executed: list[str] = []
        self.closed: list[str] = []
        self._answer = answer

    def session(self, pod, container, command):
        assert command[0] == "sh"
        assert container == "tf-serving"
        self.started.append(pod)
        return SimpleNamespace(ask=lambda end: self._ask(pod, end), close=lambda: self.closed.append(pod))

    def _ask(self, pod, end):
        assert end == "== end\n"
        self.executed.append(pod)
        return self._answer(pod)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_sampler, "_INTERVAL_S", 0.01)


def sampled(answer: Callable[[str], str], enough: Callable[[Scripted], bool]) -> tuple[PodSampler, Scripted, list[str]]:
    cluster, warnings = Scripted(answer), []
    with PodSampler(cluster, ["a", "b"], warnings.append) as sampler:  # type: ignore[arg-type]
        deadline = time.monotonic() + 5
        while not enough(cluster) and time.monotonic() < deadline:
            time.sleep(0.01)
    return sampler, cluster, warnings


def test_every_pod_is_read_in_turn_until_the_end() -> None:
    sampler, cluster, warnings = sampled(lambda _: PRINTED, lambda cluster: len(cluster.executed) >= 6)
    assert cluster.executed[:4] == ["a", "b", "a", "b"]
    assert {len(own) for own in sampler.readings.values()} <= {
        len(cluster.executed) // 2,
        len(cluster.executed) // 2 + 1,
    }
    assert warnings == []
    executed = len(cluster.executed)
    time.sleep(0.05)
    assert len(cluster.executed) == executed


def test_one_command_in_each_pod_answers_all_readings_and_ends_with_the_test() -> None:
    """To start a command takes the pod's node far more CPU time than to read its files."""
    _, cluster, _ = sampled(lambda _: PRINTED, lambda cluster: len(cluster.executed) >= 6)
    assert cluster.started == ["a", "b"]
    assert sorted(cluster.closed) == ["a", "b"]


def fails_for_a(pod: str) -> str:
    if pod == "a":
        raise ClusterError('exec: "sh": executable file not found in $PATH')
    return PRINTED


@pytest.mark.parametrize("answer", [fails_for_a, lambda pod: "" if pod == "a" else PRINTED])
def test_a_pod_that_cannot_be_read_causes_one_warning_and_is_not_read_any_more(answer: Callable[[str], str]) -> None:
    sampler, cluster, warnings = sampled(answer, lambda cluster: cluster.executed.count("b") >= 6)
    assert cluster.executed.count("a") == 3
    assert sampler.readings["a"] == []
    assert len(sampler.readings["b"]) >= 6
    [line] = warnings
    assert line.startswith("the CPU and memory use of server a is not sampled (")
    assert "), so the report may name no bottleneck; to sample it, `kubectl exec` must work" in line


def test_a_pod_that_was_read_once_is_read_again_after_every_failure() -> None:
    answers = iter([PRINTED, *["lost"] * 8, *[PRINTED] * 100])

    def answer(pod: str) -> str:
        if pod == "b" or (printed := next(answers)) == PRINTED:
            return PRINTED
        raise ClusterError(printed)

    sampler, cluster, warnings = sampled(answer, lambda cluster: cluster.executed.count("a") >= 11)
    assert len(sampler.readings["a"]) >= 2
    assert cluster.started.count("a") == 9, "another command after each failure"
    assert warnings == []


def test_the_end_of_a_test_does_not_wait_for_a_command_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_JOIN_S", 0.05)

    def hang(_: str) -> str:
        time.sleep(2)
        return PRINTED

    began = time.monotonic()
    sampled(hang, lambda cluster: bool(cluster.executed))
    assert time.monotonic() - began < 1


SECONDS = st.floats(0, 5)


@given(st.lists(st.tuples(SECONDS, SECONDS), min_size=1), st.floats(-1e5, 1e5))
def test_the_error_is_at_most_half_of_the_quickest_round_trip(ways, true_s):
    readings = [
        ClockReading(at_s - there_s, at_s + back_s, at_s - true_s)
        for at_s, (there_s, back_s) in enumerate(ways, start=1000)
    ]
    quickest_s = min(there_s + back_s for there_s, back_s in ways)
    assert abs(clock_offset_s(readings) - true_s) <= quickest_s / 2 + 1e-6


def test_readings_that_were_late_in_different_directions_narrow_the_range():
    late_there = ClockReading(sent_s=0, received_s=10, read_s=9.9)
    late_back = ClockReading(sent_s=20, received_s=30, read_s=20.1)
    assert clock_offset_s([late_there]) == pytest.approx(-4.9)
    assert clock_offset_s([late_there, late_back]) == pytest.approx(0, abs=0.11)


def test_a_call_lies_between_its_start_and_its_end():
    sent_s, received_s, answer = timed_call(lambda: timed_call(lambda: "x"))
    assert sent_s <= answer[0] <= answer[1] <= received_s
    assert answer[2] == "x"


# The rows' clock shows 1,700,000,000 when ours shows 0; the node is up since 500 s before that.
ROWS_CLOCK = [ClockReading(0.0, 0.0, 1.7e9)]


def reading(at_s, cpu_s, periods=None, late_s=0.0, others=None):
    uptime_s = 500.0 + at_s
    usage = ContainerUsage(uptime_s, Reading(cpu_s, 100, periods), most_cores=2.0, others=others)
    return PodReading(ClockReading(at_s - 0.01, at_s + 0.01 + late_s, uptime_s), usage)


def values(samples, quantity):
    return [row["value"] for row in samples.to_pylist() if row["quantity"] == quantity]


def test_a_sample_covers_the_time_between_two_readings_on_the_clock_of_the_rows():
    readings = {"a": [reading(0, 1.0, (0, 0)), reading(5, 6.0, (50, 10)), reading(10, 6.5, (100, 10))]}
    samples = samples_of(readings, ROWS_CLOCK)
    assert values(samples, "cpu_cores") == pytest.approx([1.0, 0.1])
    assert values(samples, "throttled_ratio") == pytest.approx([0.2, 0.0])
    assert values(samples, "memory_bytes") == [100, 100]
    assert values(samples, "most_cores") == [2, 2]
    times = sorted({row["at"].timestamp() for row in samples.to_pylist()})
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
