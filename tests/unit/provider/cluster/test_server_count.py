"""The servers that are ready are counted during a test, on the clock of its rows."""

import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any

import pytest

from provider.cluster import server_count
from provider.cluster.api import ClusterError
from provider.cluster.pod_sampler import ClockReading
from provider.cluster.server_count import ServerCount
from stacks.names import SERVER_LABELS

Json = dict[str, Any]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_count, "_INTERVAL_S", 0.01)


def pod(number: int, *, ready: bool = True) -> Json:
    container = {"name": "tf-serving", "image": "i", "imageID": "i", "restartCount": 0, "ready": ready}
    return {
        "metadata": {"name": f"tf-serving-{number}", "uid": str(number)},
        "spec": {},
        "status": {"containerStatuses": [container]},
    }


class Scripted:
    """A cluster that answers each call with the next moment, and then with the last one."""

    def __init__(self, *moments: Callable[[], list[Json]]) -> None:
        self.calls = 0
        self._moments: Iterator[Callable[[], list[Json]]] = chain(moments, repeat(moments[-1]))

    def pods(self, selector: str) -> list[Json]:
        assert selector == "app.kubernetes.io/name=tf-serving,app.kubernetes.io/component=model-server"
        self.calls += 1
        return next(self._moments)()


def counted(cluster: Scripted, calls: int) -> ServerCount:
    with ServerCount(cluster, SERVER_LABELS) as count:  # type: ignore[arg-type]
        deadline = time.monotonic() + 5
        while cluster.calls < calls and time.monotonic() < deadline:
            time.sleep(0.01)
    return count


def unreachable() -> list[Json]:
    raise ClusterError("the cluster cannot be reached")


def now_read(ahead_s: float) -> list[ClockReading]:
    """The clock of the rows is so far behind this one."""
    now_s = time.time()
    return [ClockReading(now_s, now_s, now_s - ahead_s)]


def test_ready_servers_are_counted_again_and_again_and_lost_answers_cost_samples_only() -> None:
    cluster = Scripted(lambda: [pod(0)], unreachable, lambda: [pod(0), pod(1, ready=False)], lambda: [pod(0), pod(1)])
    samples = counted(cluster, 6).samples(now_read(0))
    assert samples["value"].to_pylist()[:3] == [1, 1, 2]
    assert set(samples["quantity"].to_pylist()) == {"ready_servers"}
    assert samples.num_rows >= cluster.calls - 2


def test_samples_have_the_times_of_the_clock_of_the_rows() -> None:
    began_s = time.time()
    samples = counted(Scripted(lambda: [pod(0)]), 2).samples(now_read(100))
    first_s = samples["at"].cast("int64").to_pylist()[0] / 1e6
    assert began_s - 100.1 <= first_s <= time.time() - 99.9


def test_without_that_clock_there_are_no_samples() -> None:
    assert counted(Scripted(lambda: [pod(0)]), 2).samples([]).num_rows == 0
    assert ServerCount(Scripted(list), SERVER_LABELS).samples(now_read(0)).num_rows == 0  # type: ignore[arg-type]
