import time
from collections.abc import Callable

import pytest

import provider.sampling.pod_sampler
from provider.cluster.api import ClusterError
from provider.sampling.pod_sampler import PodSampler

PRINTED = "== /proc/uptime\n1.0 1.0\n== /sys/fs/cgroup/cpu.stat\nusage_usec 5\n"


class Scripted:
    """A cluster whose commands print what `answer` returns for the pod."""

    def __init__(self, answer: Callable[[str], str]) -> None:
        self.executed: list[str] = []
        self._answer = answer

    def execute(self, pod, container, command, retry_s):
        assert command[0] == "sh"
        assert retry_s == 0, "it would wait for a lost connection beside the test, which waits already"
        assert container == "tf-serving"
        self.executed.append(pod)
        return self._answer(pod)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider.sampling.pod_sampler, "_INTERVAL_S", 0.01)


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

    sampler, _, warnings = sampled(answer, lambda cluster: cluster.executed.count("a") >= 11)
    assert len(sampler.readings["a"]) >= 2
    assert warnings == []


def test_the_end_of_a_test_does_not_wait_for_a_command_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider.sampling.pod_sampler, "_JOIN_S", 0.05)

    def hang(_: str) -> str:
        time.sleep(2)
        return PRINTED

    began = time.monotonic()
    sampled(hang, lambda cluster: bool(cluster.executed))
    assert time.monotonic() - began < 1
