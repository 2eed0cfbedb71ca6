"""The servers under test: the wait ends when all are ready, or with the reason why one does not start.

They are replaced pod by pod: the old ones are gone and the new ones ready before anything is measured. The statuses are
those of a kubelet: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-states
"""

import threading
from typing import Any, cast

import pytest

from provider.cluster import pod_status
from provider.cluster.api import Cluster, ClusterError
from provider.cluster.servers import (
    MACHINE_COMMAND,
    ServerPod,
    replace_servers,
    replicas_of,
    server_pods,
    wait_for_servers,
)
from provider.resource import Operation, ResourceError
from provider.resources.server_start import ServerStart
from stacks.names import NAME, SERVER_LABELS

Json = dict[str, Any]
WAITING = {"waiting": {"reason": "PodInitializing"}}
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}}


@pytest.fixture(autouse=True)
def poll_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provider.cluster.servers._POLL_S", 0.01)


def status(name: str, state: Json, last: Json | None = None, restarts: int = 0) -> Json:
    common = {
        "name": name,
        "image": "i",
        "imageID": "i@sha256:1",
        "restartCount": restarts,
        "ready": "running" in state,
    }
    return common | {"state": state} | ({"lastState": last} if last else {})


def ended(code: int, message: str = "", reason: str = "Error") -> Json:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


def pod(server: Json, init: Json | None = None, name: str = "tf-serving-0") -> Json:
    statuses = {"containerStatuses": [server]} | ({"initContainerStatuses": [init]} if init else {})
    return {"metadata": {"name": name, "uid": f"uid-{name}"}, "spec": {}, "status": statuses}


READY = pod(status("tf-serving", {"running": {}}), status("model-access", ended(0, reason="Completed")))
WAITS = pod(status("tf-serving", WAITING), status("model-access", {"running": {}}))
REFUSED = "after 2 s: 503\nafter 180 s the model still cannot be read: 403"


class Pods:
    """A cluster whose pods are those of the next moment at each call, and then stay."""

    def __init__(self, *moments: list[Json]) -> None:
        self._moments = iter(moments)
        self._now: list[Json] = []
        self.deleted: list[tuple[str, str]] = []

    def delete_pod(self, name: str, uid: str) -> None:
        self.deleted.append((name, uid))

    def pods(self, selector: str) -> list[Json]:
        assert selector == "app.kubernetes.io/name=tf-serving,app.kubernetes.io/component=model-server"
        self._now = next(self._moments, self._now)
        return self._now


def waited(
    *moments: list[Json], replicas: int = 1, limit_s: float = 5, log: list[str] | None = None, autoscaled: bool = False
) -> list[Any]:
    said = [] if log is None else log
    operation = Operation(said.append, said.append)
    return wait_for_servers(
        Pods(*moments),  # type: ignore[arg-type]
        SERVER_LABELS,
        replicas,
        limit_s,
        operation,
        autoscaled=autoscaled,
    )


def test_all_servers_are_waited_for():
    second = pod(status("tf-serving", {"running": {}}), name="tf-serving-1")
    log: list[str] = []
    servers = waited([], [WAITS], [READY], [READY, second], replicas=2, log=log)
    assert [server.name for server in servers] == ["tf-serving-0", "tf-serving-1"]
    assert log[1].startswith("waiting for the servers (2 declared, 1 created, 0 ready): ")


def test_where_an_autoscaler_decides_there_may_be_more_servers_but_none_that_is_not_ready():
    second = pod(status("tf-serving", {"running": {}}), name="tf-serving-1")
    starts = pod(status("tf-serving", WAITING), name="tf-serving-1")
    log: list[str] = []
    servers = waited([], [READY, starts], [READY, second], log=log, autoscaled=True)
    assert [server.name for server in servers] == ["tf-serving-0", "tf-serving-1"]
    assert log[1].startswith("waiting for the servers (1 or more declared, 2 created, 1 ready): ")


def test_a_pod_that_is_being_deleted_is_neither_waited_for_nor_counted():
    leaving = pod(status("tf-serving", {"running": {}}), name="old")
    leaving["metadata"]["deletionTimestamp"] = "2026-11-26T00:00:00Z"
    assert [server.name for server in waited([leaving, READY])] == ["tf-serving-0"]


@pytest.mark.parametrize("state", [(ended(1, REFUSED), None), (BACK_OFF, ended(1, REFUSED))])
def test_an_init_container_that_gave_up_is_the_end_at_once_with_its_log(state):
    gave_up = pod(status("tf-serving", WAITING), status("model-access", *state))
    with pytest.raises(ResourceError) as failure:
        waited([WAITS], [gave_up], limit_s=5)
    assert str(failure.value) == (
        "pod tf-serving-0 does not start, so nothing was measured; its container model-access ended with exit code 1."
        " Correct the cause, and run `pulumi up` again. The end of its log:\n" + REFUSED
    )


def test_the_next_update_waits_for_the_next_attempt_not_for_the_one_that_failed_before_it():
    before = pod(status("tf-serving", WAITING), status("model-access", BACK_OFF, ended(1, REFUSED)))
    again = pod(status("tf-serving", WAITING), status("model-access", {"running": {}}, ended(1, REFUSED), restarts=1))
    assert waited([before], [before], [again], [READY])
    failed_again = pod(status("tf-serving", WAITING), status("model-access", BACK_OFF, ended(1, "second"), restarts=1))
    with pytest.raises(ResourceError, match="second"):
        waited([before], [again], [failed_again], limit_s=5)


def test_a_server_may_be_restarted_once_and_the_second_end_says_what_its_log_does():
    once = pod(status("tf-serving", {"running": {}} | {"ready": False}, ended(137), restarts=1))
    once["status"]["containerStatuses"][0]["ready"] = False
    assert waited([WAITS], [once], [READY])
    crash = "\n".join(f"line {number}" for number in range(40))
    twice = pod(status("tf-serving", BACK_OFF, ended(137, crash, "OOMKilled"), restarts=1))
    with pytest.raises(ResourceError) as failure:
        waited([WAITS], [once], [twice], limit_s=5)
    said = str(failure.value).splitlines()
    assert said[0].partition("; ")[2] == (
        "its container tf-serving ended with exit code 137 (OOMKilled). Correct the cause, and run `pulumi up` again."
        " The end of its log:"
    )
    assert said[1:] == [f"line {number}" for number in range(30, 40)]


def test_an_image_that_cannot_be_pulled_is_named_before_the_time_is_over(monkeypatch):
    monkeypatch.setattr(pod_status, "_BLOCKED_LIMIT_S", 0.05)
    state = {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "nope:1"'}}
    said = r'not ready as declared.*ImagePullBackOff: Back-off pulling image "nope:1"\. Correct the cause \(`kubectl'
    with pytest.raises(ResourceError, match=said):
        waited([pod(status("tf-serving", WAITING), status("model-access", state))], limit_s=5)


def test_when_the_time_is_over_the_pods_condition_is_the_reason():
    message = "0/3 nodes are available"
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    pending: Json = {"metadata": {"name": "p", "uid": "u"}, "spec": {}, "status": {"conditions": [condition]}}
    with pytest.raises(
        ResourceError,
        match=r"not ready as declared \(1 declared, 1 created, 0 ready\).*Unschedulable: 0/3 nodes are available",
    ):
        waited([pending], limit_s=0.05)


def test_an_interrupted_update_stops_waiting():
    cancelled = threading.Event()
    cancelled.set()
    operation = Operation(lambda _: None, lambda _: None, cancelled)
    with pytest.raises(ResourceError, match="was cancelled"):
        wait_for_servers(Pods([WAITS]), SERVER_LABELS, 1, 600, operation)  # type: ignore[arg-type]


@pytest.fixture
def inputs() -> Json:
    return {
        "kubeconfig": "secret-kubeconfig",
        "namespace": "shapebench",
        "selector": SERVER_LABELS,
        "replicas": 1,
        "deployment": "uid-1",
        "limitS": 5.0,
    }


def test_the_resource_is_made_anew_for_another_deployment_only_and_keeps_no_kubeconfig(inputs):
    start = ServerStart(lambda *_: Pods([WAITS], [READY]))  # type: ignore[arg-type, return-value]
    log: list[str] = []
    state = start.create(inputs, Operation(log.append, lambda _: None))
    assert log == ["ready servers: 1"]
    assert "kubeconfig" not in state
    assert start.changed(state, inputs) == []
    assert start.changed(state, inputs | {"kubeconfig": "another", "limitS": 9.0}) == []
    assert start.changed(state, inputs | {"deployment": "uid-2"}) == ["deployment"]


def server_pod(uid: str, *, ready: bool = True, ending: bool = False) -> Json:
    status = {"name": "tf-serving", "ready": ready, "restartCount": 0, "imageID": "i@sha256:1", "image": "i"}
    metadata = {"name": f"tf-serving-{uid}", "uid": uid} | (
        {"deletionTimestamp": "2026-11-26T00:00:00Z"} if ending else {}
    )
    return {"metadata": metadata, "spec": {}, "status": {"containerStatuses": [status | {"state": {"running": {}}}]}}


def replaced(cluster: Pods, operation: Operation | None = None) -> list[ServerPod]:
    old = server_pods([server_pod("old-0"), server_pod("old-1")])
    return replace_servers(cluster, SERVER_LABELS, old, 5, operation or Operation(print, print))  # type: ignore[arg-type]


def test_every_pod_is_deleted_and_its_successors_are_waited_for() -> None:
    new = [server_pod("new-0"), server_pod("new-1")]
    cluster = Pods(
        [server_pod("old-0", ending=True), server_pod("old-1", ending=True), server_pod("new-0", ready=False)],
        [server_pod("old-1", ending=True), *new],
        [new[0], server_pod("new-1", ready=False)],
        new,
    )
    assert [server.uid for server in replaced(cluster)] == ["new-0", "new-1"]
    assert cluster.deleted == [("tf-serving-old-0", "old-0"), ("tf-serving-old-1", "old-1")]


def test_the_successors_are_not_used_while_an_old_pod_terminates() -> None:
    """It may run on the node of a successor, and take its CPU."""
    waiting: list[str] = []
    new = [server_pod("new-0"), server_pod("new-1")]
    replaced(Pods([server_pod("old-1", ending=True), *new], new), Operation(print, waiting.append))
    assert waiting == ["waiting for the end of the servers that are restarted: tf-serving-old-1"]


def test_a_pod_that_does_not_end_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provider.cluster.servers._END_LIMIT_S", 0.05)
    said = r"are gone after \d+ s \(left: tf-serving-old-0\), so nothing was measured; `kubectl"
    with pytest.raises(ResourceError, match=said):
        replaced(Pods([server_pod("old-0", ending=True), server_pod("new-1")]))


def test_a_cancelled_update_does_not_wait_on() -> None:
    operation = Operation(print, print, threading.Event())
    operation.cancelled.set()
    with pytest.raises(ResourceError, match="cancelled while the servers were restarted, so nothing was measured"):
        replaced(Pods([server_pod("old-0", ending=True)]), operation)


class Refusing:
    """A cluster that refuses commands in one pod."""

    def __init__(self, refused: str) -> None:
        self.refused = refused
        self.asked: list[tuple[str, tuple[object, ...]]] = []

    def machine_of(self, node: str) -> str | None:
        return None if node == "n3" else f"machine-{node}"

    def execute(self, pod: str, *arguments: object) -> str:
        self.asked.append((pod, arguments[:2]))
        if pod == self.refused:
            raise ClusterError("no upgrade")
        return "6.6.72+\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC 7B12\n"


def test_after_a_refused_command_no_other_server_is_asked_and_one_message_names_the_unknown_ones() -> None:
    cluster = Refusing("s1")
    said: list[str] = []
    servers = [ServerPod(name=f"s{at}", uid="u", ready=True, restarts=0, image=None, node=f"n{at}") for at in range(4)]
    replicas = replicas_of(cast("Cluster", cluster), servers, said.append)
    assert cluster.asked == [("s0", (NAME, MACHINE_COMMAND)), ("s1", (NAME, MACHINE_COMMAND))]
    assert [
        (replica.name, replica.node, replica.machine, replica.cpu_model, replica.kernel) for replica in replicas
    ] == [
        ("s0", "n0", "machine-n0", "AMD EPYC 7B12", "6.6.72+"),
        ("s1", "n1", "machine-n1", None, None),
        ("s2", "n2", "machine-n2", None, None),
        ("s3", "n3", None, None, None),
    ]
    (line,) = said
    assert line == (
        "the CPU of s1, s2, s3 is unknown (no upgrade), so the run is not compared with runs on a known CPU;"
        " to read it, `kubectl exec` must work, and the server's image must have `sh`"
    )


def with_conditions(restarts: int = 0, **at: str) -> Json:
    """A pod as a kubelet reports it, with the time of each condition's last change."""
    found = pod(status("tf-serving", {"running": {}}, restarts=restarts))
    found["status"]["conditions"] = [
        {"type": name, "status": "True", "lastTransitionTime": f"2026-12-01T10:{time}Z"} for name, time in at.items()
    ]
    return found


@pytest.mark.parametrize(
    ("started", "expected"),
    [
        (with_conditions(PodScheduled="00:05", Initialized="00:40", ContainersReady="01:10", Ready="01:10"), 65),
        (with_conditions(PodScheduled="00:05"), None),
        (with_conditions(Ready="00:05"), None),
        # It was ready before its container ended, and again after that.
        (with_conditions(1, PodScheduled="00:05", Ready="09:10"), None),
        (READY, None),
    ],
)
def test_a_replica_has_the_time_from_the_choice_of_its_node_until_it_was_ready(
    started: Json, expected: float | None
) -> None:
    [server] = server_pods([started])
    [replica] = replicas_of(cast("Cluster", Refusing("none")), [server], lambda _: None)
    assert (server.ready_after_s, replica.ready_after_s) == (expected, expected)


def test_a_pod_that_is_not_ready_has_no_start() -> None:
    waits = with_conditions(PodScheduled="00:05", Ready="01:10")
    waits["status"]["conditions"][1]["status"] = "False"
    [server] = server_pods([waits])
    assert server.ready_after_s is None
