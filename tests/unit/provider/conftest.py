"""A cluster that runs the generator's pods as processes, and a server for them to test."""

import itertools
import json
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from bench.servers import processes as servers
from loadtest.run import pod
from loadtest.run.payload import payload_of
from provider.cluster.api import ClusterError, Json, NotFoundError, PodRequest
from provider.cluster.load_job import GENERATOR
from provider.local.server_process import listening_process
from provider.resource import Props
from stacks.names import NAME
from stacks.server.models import RESNET50
from tests.support.load_test_inputs import cluster_load_test_inputs, load_test_inputs
from tests.support.pod_processes import PodProcesses, ServerProcess

SERVER = {
    "metadata": {"name": "tf-serving-0", "uid": "server-0"},
    "spec": {"nodeName": "node-a"},
    "status": {
        "containerStatuses": [
            {
                "name": "tf-serving",
                "ready": True,
                "restartCount": 0,
                "image": "tensorflow/serving:2.20.0",
                "imageID": "docker.io/tensorflow/serving@sha256:" + "2" * 64,
            }
        ]
    },
}
CONFIG_MAPS = {
    "scripts-1": {name: text.encode() for name, text in pod.scripts().items()},
    "payload-1": pod.payload_parts(payload_of(RESNET50).to_bytes()),
    "broken-1": pod.payload_parts(b"GIF89a"),
}


class ProcessSession:
    """A command that is started anew for each question: a server's process gives each a line of input."""

    def __init__(self, execute: Callable[[], str]) -> None:
        self._execute = execute

    def ask(self, end: str) -> str:
        printed = self._execute()
        assert printed.endswith(end)
        return printed

    def close(self) -> None:
        pass


class ProcessCluster:
    """A Cluster over processes. `during`, if set, is called once, when requests have been answered."""

    def __init__(self, folder: Path, server: ServerProcess) -> None:
        self._folder = folder
        self.server = server
        """The process behind each of the servers' pods."""
        self._numbers = itertools.count()
        self.cluster = "https://10.0.0.1 (authority 1)"
        self.job: Json = {}
        self.pod: PodProcesses | None = None
        """The first one."""
        self.all_pods: list[PodProcesses] = []
        self.deleted_pods: set[int] = set()
        self.name = ""
        self.deleted: list[str] = []
        self.servers: list[Json] = [json.loads(json.dumps(SERVER))]
        self.during: Callable[[ProcessCluster], None] | None = None
        self.corrupt_reads = 0
        self.refuses_commands = False
        self.pod_unreachable = False
        self.unreachable = False
        self.node = "node-b"
        self.left_behind: list[str] = []
        self.disruption: Json | None = None
        self.successors_start = True
        self.names: dict[str, str] = {}
        """Addresses in the cluster's network, and the addresses here that replace them."""

    def create_job(self, job: Json) -> None:
        self.job, self.name = job, job["metadata"]["name"]
        self.all_pods = [self._started(job, index) for index in range(job["spec"].get("completions", 1))]
        self.pod = self.all_pods[0]

    def _started(self, job: Json, index: int) -> PodProcesses:
        folder = self._folder / f"pod-{next(self._numbers)}"
        folder.mkdir()
        spec = json.loads(json.dumps(job["spec"]["template"]["spec"]))
        if job["spec"].get("completionMode") == "Indexed":
            for container in (*spec["initContainers"], *spec["containers"]):
                container["env"].append({"name": "JOB_COMPLETION_INDEX", "value": str(index)})
        pod = PodProcesses(spec, folder, CONFIG_MAPS, self.names)
        pod.start()
        return pod

    def delete_job(self, name: str) -> None:
        self._require_reachable()
        self.deleted.append(name)
        self.left_behind = [left for left in self.left_behind if left != name]
        if name == self.name and self.pod:
            self.alive_when_deleted = self.pod.alive
            for pod in self.all_pods:
                pod.stop()
            self.name = ""

    def jobs(self, selector: str) -> list[Json]:
        self._require_reachable()
        there: list[Json] = [{"metadata": {"name": name}} for name in self.left_behind]
        there += [self.job] if self.name else []
        wanted = selector.removeprefix("batch.kubernetes.io/job-name=")
        return [job for job in there if wanted in {selector, job["metadata"]["name"]}]

    def _require_reachable(self) -> None:
        if self.unreachable:
            raise ClusterError("the cluster's API gave no usable answer for 600 s (MaxRetryError)")

    def machine_of(self, node: str) -> str | None:
        return f"machine of {node}"

    def pods(self, selector: str) -> list[Json]:
        self._require_reachable()
        if not selector.startswith("batch.kubernetes.io/job-name="):
            return self.servers
        if not self.name or self.pod is None or self.name != selector.removeprefix("batch.kubernetes.io/job-name="):
            return []
        there = [self._described(index) for index in range(len(self.all_pods)) if index not in self.deleted_pods]
        return [pod for pod in there if pod]

    def _described(self, index: int) -> Json | None:
        pod = self.all_pods[index]
        labels = {"batch.kubernetes.io/job-completion-index": str(index)}
        metadata: Json = {"name": f"{self.name}-{index}", "uid": f"uid-{self.name}-{index}", "labels": labels}
        status = pod.status()
        if self.disruption and pod is self.pod:
            if not pod.alive:
                return None
            metadata |= {"deletionTimestamp": "2026-01-01T00:00:45Z"}
            status |= {"conditions": [self.disruption]}
        return {"metadata": metadata, "spec": {"nodeName": f"{self.node}{index or ''}"}, "status": status}

    def delete_generator_pod(self, index: int) -> None:
        """Delete it at once, as `kubectl delete pod --force` does."""
        self.deleted_pods.add(index)
        self.all_pods[index].stop()

    def _named(self, pod: str) -> PodProcesses:
        return self.all_pods[int(pod.rpartition("-")[2])]

    def delete_pod(self, name: str, uid: str) -> None:
        """Another pod takes its place, as those of a Deployment do; it starts unless `successors_start` is False."""
        (pod,) = (pod for pod in self.servers if pod["metadata"]["uid"] == uid)
        pod["metadata"] = {"name": name, "uid": f"{uid}-successor"}
        if not self.successors_start:
            waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
            pod["status"]["containerStatuses"][0] |= {"ready": False, "state": {"waiting": waiting}}

    def events(self, name: str) -> list[str]:
        return [f"FailedScheduling: no node for {name}"]

    def log(self, pod: str, container: str, lines: int) -> str:
        text = self._named(pod).log(container, lines)
        _, shown, latest = text.rpartition('"event": "progress"')
        if self.during and shown and '"requests": 0,' not in latest:
            during, self.during = self.during, None
            during(self)
        return text

    def execute(self, pod: str, container: str, command: Sequence[str], retry_s: float = 0) -> str:  # noqa: ARG002
        if self.refuses_commands:
            raise ClusterError("a command in a pod needs a WebSocket, but the answer was 403 Forbidden")
        if container == NAME:
            done = self.server.execute(container, list(command))
        elif not self.name or self.pod is None:
            raise NotFoundError("there is no such pod")
        elif self.pod_unreachable:
            raise ClusterError("the pod gave no usable answer for 600 s (503)")
        else:
            done = self._named(pod).execute(container, list(command))
        if done.returncode:
            raise ClusterError(done.stderr.decode())
        if "read" in command and self.corrupt_reads:
            self.corrupt_reads -= 1
            return done.stdout.decode()[:-10]
        return done.stdout.decode()

    def session(self, pod: str, container: str, command: Sequence[str]) -> "ProcessSession":
        return ProcessSession(lambda: self.execute(pod, container, command))

    def ask(self, pod: str, container: str, command: Sequence[str], request: PodRequest, retry_s: float = 0) -> str:
        if not self.refuses_commands:
            return self.execute(pod, container, command)
        if not self.name or self.pod is None:
            raise NotFoundError("there is no such pod")
        url = f"http://{self._named(pod).address}:{request.port}/{request.path}"
        deadline = time.monotonic() + retry_s
        while True:
            try:
                with urllib.request.urlopen(urllib.request.Request(url, headers=dict(request.headers))) as answer:
                    return str(answer.read().decode())
            except OSError as error:
                if time.monotonic() > deadline:
                    raise ClusterError(str(error)) from None
                time.sleep(0.1)

    def serve_page(self, server: Json, address: str, url: str) -> None:
        """The Prometheus page of this server is at `url`; requests to its pod's address go there."""
        server["status"]["podIP"] = address
        self.names[f"http://{address}:8501"] = url

    def add_server(self, name: str) -> None:
        another = json.loads(json.dumps(SERVER))
        another["metadata"] = {"name": name, "uid": name}
        self.servers.append(another)

    def drain(self) -> None:
        """Evict the pod, as `kubectl drain` does with those of a node."""
        self.disruption = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
        }
        assert self.pod
        self.pod.terminate()

    def shut_down(self) -> None:
        """Terminate the pod as a kubelet does whose node shuts down: its status does not report it."""
        assert self.pod
        self.pod.terminate()

    def kill_generator(self) -> None:
        assert self.pod
        self.pod.kill(GENERATOR)


@pytest.fixture
def cluster(server_url: str, tmp_path: Path) -> Iterator[ProcessCluster]:
    server = listening_process(server_url)
    assert server
    cluster = ProcessCluster(tmp_path, ServerProcess(server.pid, tmp_path / "cgroup"))
    yield cluster
    for pod_process in cluster.all_pods:
        pod_process.stop()


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A server that answers every prediction correctly and at once."""
    with servers.null() as (_, url):
        yield url


@pytest.fixture(scope="session")
def grpc_server_url() -> Iterator[str]:
    """The same over gRPC."""
    with servers.null("grpc") as (_, url):
        yield url


@pytest.fixture(name="load_test_inputs")
def inputs_of_both_load_tests(tmp_path: Path) -> Props:
    """The inputs that both load tests have."""
    return load_test_inputs(tmp_path)


@pytest.fixture
def inputs(tmp_path: Path, server_url: str) -> Props:
    """The inputs of a load test in a cluster."""
    return cluster_load_test_inputs(tmp_path, server_url, "shapebench", {"app.kubernetes.io/name": "tf-serving"})
