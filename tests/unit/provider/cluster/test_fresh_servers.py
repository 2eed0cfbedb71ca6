"""Servers are replaced pod by pod: the old ones are gone and the new ones ready before anything is measured."""

import threading
from typing import Any

import pytest

from provider.cluster import fresh_servers, server_start
from provider.cluster.fresh_servers import replace_servers
from provider.cluster.server_pods import ServerPod, server_pods
from provider.resource import Operation, ResourceError
from stacks.names import SERVER_LABELS

Json = dict[str, Any]


@pytest.fixture(autouse=True)
def poll_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_start, "_POLL_S", 0.01)
    monkeypatch.setattr(fresh_servers, "_POLL_S", 0.01)


def pod(uid: str, *, ready: bool = True, ending: bool = False) -> Json:
    status = {"name": "tf-serving", "ready": ready, "restartCount": 0, "imageID": "i@sha256:1", "image": "i"}
    metadata = {"name": f"tf-serving-{uid}", "uid": uid} | (
        {"deletionTimestamp": "2026-11-26T00:00:00Z"} if ending else {}
    )
    return {"metadata": metadata, "spec": {}, "status": {"containerStatuses": [status | {"state": {"running": {}}}]}}


class Pods:
    """A cluster whose pods are those of the next moment at each call, and then stay."""

    def __init__(self, *moments: list[Json]) -> None:
        self._moments, self._now = iter(moments), list[Json]()
        self.deleted: list[tuple[str, str]] = []

    def delete_pod(self, name: str, uid: str) -> None:
        self.deleted.append((name, uid))

    def pods(self, selector: str) -> list[Json]:
        assert selector == "app.kubernetes.io/name=tf-serving,app.kubernetes.io/component=model-server"
        self._now = next(self._moments, self._now)
        return self._now


def replaced(cluster: Pods, operation: Operation | None = None) -> list[ServerPod]:
    old = server_pods([pod("old-0"), pod("old-1")])
    return replace_servers(cluster, SERVER_LABELS, old, 5, operation or Operation(print, print))  # type: ignore[arg-type]


def test_every_pod_is_deleted_and_its_successors_are_waited_for() -> None:
    new = [pod("new-0"), pod("new-1")]
    cluster = Pods(
        [pod("old-0", ending=True), pod("old-1", ending=True), pod("new-0", ready=False)],
        [pod("old-1", ending=True), *new],
        [new[0], pod("new-1", ready=False)],
        new,
    )
    assert [server.uid for server in replaced(cluster)] == ["new-0", "new-1"]
    assert cluster.deleted == [("tf-serving-old-0", "old-0"), ("tf-serving-old-1", "old-1")]


def test_the_successors_are_not_used_while_an_old_pod_terminates() -> None:
    """It may run on the node of a successor, and take its CPU."""
    waiting: list[str] = []
    new = [pod("new-0"), pod("new-1")]
    replaced(Pods([pod("old-1", ending=True), *new], new), Operation(print, waiting.append))
    assert waiting == ["waiting for the end of the servers that are restarted: tf-serving-old-1"]


def test_a_pod_that_does_not_end_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh_servers, "_END_LIMIT_S", 0.05)
    said = r"are gone after \d+ s \(left: tf-serving-old-0\), so nothing was measured; `kubectl"
    with pytest.raises(ResourceError, match=said):
        replaced(Pods([pod("old-0", ending=True), pod("new-1")]))


def test_a_cancelled_update_does_not_wait_on() -> None:
    operation = Operation(print, print, threading.Event())
    operation.cancelled.set()
    with pytest.raises(ResourceError, match="cancelled while the servers were restarted, so nothing was measured"):
        replaced(Pods([pod("old-0", ending=True)]), operation)
