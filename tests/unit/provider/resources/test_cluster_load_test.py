"""A load test in a cluster whose pods are processes: the Job's own commands, real Locust, a real server."""

import platform
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from scipy import stats

import provider.cluster.job_pod
import provider.cluster.job_result
import provider.cluster.load_job
import provider.cluster.pod_sampler
import provider.cluster.pod_status
from analysis.results.run.counters import requests_by_replica
from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore
from loadtest.run import pod as layout
from provider.cluster.job_pod import JobPod
from provider.cluster.load_job import GENERATOR
from provider.resource import Operation, Props, ResourceError
from provider.resources.cluster_load_test import ClusterLoadTest
from stacks.load.load_profiles import OpenLoop
from stacks.machines.autoscaler import Autoscaler
from stacks.server.protocols import GRPC
from tests.support.pod_processes import IMAGE_ID, PodProcesses

pytestmark = pytest.mark.real_time


@pytest.fixture(autouse=True)
def poll_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JobPod, "poll_s", 0.2)
    monkeypatch.setattr(provider.cluster.job_pod, "_DELETION_POLL_S", 0.05)


def operation(log: list[str] | None = None, cancelled: threading.Event | None = None) -> Operation:
    log = [] if log is None else log
    return Operation(log.append, log.append, cancelled or threading.Event())


def run_in(cluster: Any, inputs: Props, operation: Operation) -> Props:
    return ClusterLoadTest(lambda *_: cluster).create(inputs, operation)


def only_run(inputs: dict[str, Any]) -> tuple[Manifest, int]:
    """The manifest, and how many rows are in the store."""
    (manifest,) = ResultsStore(inputs["results"]).scan().manifests
    parts = list(Path(inputs["results"]).glob("requests/*/*/*.parquet"))
    return manifest, sum(pq.read_metadata(part).num_rows for part in parts)


def fails(cluster: Any, inputs: dict[str, Any], cancelled: threading.Event | None = None) -> tuple[str, Manifest, int]:
    with pytest.raises(ResourceError) as failure:
        run_in(cluster, inputs, operation(cancelled=cancelled))
    assert cluster.jobs("") == [], "the Job is gone"
    return str(failure.value), *only_run(inputs)


def test_all_rows_of_a_test_in_the_cluster_are_stored_and_nothing_is_left(cluster: Any, inputs: Any) -> None:
    log: list[str] = []
    cluster.left_behind = ["load-old"]
    kept = run_in(cluster, inputs, operation(log))
    manifest, rows = only_run(inputs)
    assert manifest.validity.reasons == ()
    assert kept["runId"] == manifest.run_id
    assert kept["headline"]["requests"] > 10
    assert rows > kept["headline"]["requests"]
    assert manifest.serving.image == "docker.io/tensorflow/serving@sha256:" + "2" * 64
    assert manifest.software["generator image"] == IMAGE_ID
    assert not manifest.generator.shares_host_with_server
    assert any(" users" in line for line in log), "progress is shown"
    assert log[0] == "deleting load-old, a load test that an interrupted update left behind; it has no pod any more"
    assert cluster.deleted == ["load-old", f"load-{manifest.run_id.lower()}"]
    # The sidecar polls twice a second, so it may still run, but the generator may not.
    assert set(cluster.alive_when_deleted) <= {"sidecar"}
    assert list(Path(inputs["workDir"]).iterdir()) == []


def test_the_resource_usage_of_servers_and_generator_is_on_the_time_axis_of_the_rows(
    cluster: Any, inputs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider.cluster.pod_sampler, "_INTERVAL_S", 0.2)
    inputs["profile"]["duration_s"] = 3.0
    cluster.add_server("tf-serving-1")
    run_in(cluster, inputs | {"replicas": 2}, operation())
    manifest, _ = only_run(inputs)
    assert manifest.validity.reasons == ()
    samples = ResultsStore(inputs["results"]).samples(manifest).to_pandas()
    servers = ["tf-serving-0", "tf-serving-1"]
    assert set(samples["subject"]) == {"generator", *servers}
    rows = pq.read_table(next(Path(inputs["results"]).glob("requests/*/*/*.parquet"))).to_pandas()
    for server in servers:
        own = samples[samples["subject"] == server]
        assert own["at"].min() < rows["start"].min()
        assert own["at"].max() > rows["start"].max()
        values = own.groupby("quantity")["value"]
        other = {"other_cpu_cores", "other_memory_bytes", "stolen_cores"}
        assert set(values.groups) == {"cpu_cores", "memory_bytes", "most_cores", "throttled_ratio"} | other
        assert values.max()["cpu_cores"] > 0, "it answered"
        assert values.unique()["most_cores"].tolist() == [1.5]
        assert values.max()["throttled_ratio"] == 0.25
        assert values.max()["memory_bytes"] > 1e7


def cpu_model() -> str:
    """As another program prints it."""
    listed = subprocess.run(["lscpu"], capture_output=True, text=True, check=True, env={"LC_ALL": "C"}).stdout
    return next(line.partition(":")[2].strip() for line in listed.splitlines() if line.startswith("Model name:"))


def test_the_manifest_has_the_machine_of_every_replica_and_of_the_generator(cluster: Any, inputs: Any) -> None:
    cluster.add_server("tf-serving-1")
    cluster.servers[1]["spec"]["nodeName"] = "another-node"
    run_in(cluster, inputs | {"replicas": 2}, operation())
    manifest, _ = only_run(inputs)
    nodes = {server["metadata"]["name"]: server["spec"]["nodeName"] for server in cluster.servers}
    assert {replica.name: replica.node for replica in manifest.replicas} == nodes
    assert len(set(nodes.values())) == manifest.serving.replicas == 2
    assert manifest.generator.machine
    assert manifest.generator.machine.node == cluster.node
    for machine in (*manifest.replicas, manifest.generator.machine):
        assert machine.cpu_model == cpu_model()
        assert machine.kernel == platform.release()
        assert machine.cpu_vendor
        assert machine.cpu_signature


class CountingPage(BaseHTTPRequestHandler):
    """A Prometheus page whose count grows with every request for it."""

    server: "CountingServer"

    def do_GET(self) -> None:
        self.server.asked += 1
        count = 1000 + self.server.asked * self.server.more_each_time
        page = f':tensorflow:serving:request_count{{model_name="resnet",status="OK"}} {count}\n'.encode()
        self.send_response(200 if self.path == "/monitoring/prometheus/metrics" else 404)
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        pass


class CountingServer(ThreadingHTTPServer):
    asked = 0
    more_each_time = 0


@pytest.fixture
def counting(cluster: Any) -> Iterator[list[CountingServer]]:
    """The Prometheus pages of two replicas."""
    cluster.add_server("tf-serving-1")
    pages = [CountingServer(("127.0.0.1", 0), CountingPage) for _ in range(2)]
    for at, page in enumerate(pages):
        threading.Thread(target=page.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        cluster.serve_page(cluster.servers[at], f"10.0.0.{at}", f"http://127.0.0.1:{page.server_port}")
    yield pages
    for page in pages:
        page.shutdown()
        page.server_close()


def test_the_counters_of_each_replica_are_read_in_the_pod_before_during_and_after_the_test(
    cluster: Any, inputs: Any, counting: list[CountingServer]
) -> None:
    counting[0].more_each_time, counting[1].more_each_time = 10, 30
    run_in(cluster, inputs | {"replicas": 2}, operation())
    manifest, _ = only_run(inputs)
    assert manifest.validity.reasons == ()
    samples = ResultsStore(inputs["results"]).samples(manifest)
    readings = samples.filter(pc.equal(samples["quantity"], "requests_ok_total")).to_pandas()
    rows = pq.read_table(next(Path(inputs["results"]).glob("requests/*/*/*.parquet"))).to_pandas()
    for page, server in zip(counting, ("tf-serving-0", "tf-serving-1"), strict=True):
        own = readings[readings["subject"] == server]
        assert own["value"].min() == 1000 + page.more_each_time, "nobody had asked before"
        assert own["at"].min() < rows["start"].min()
        assert own["at"].max() > rows["start"].max()
        assert len(own) >= 3
        assert requests_by_replica(samples)[server] == page.more_each_time * (len(own) - 1)


def test_a_replica_that_counts_no_request_was_idle_and_the_run_is_invalid(
    cluster: Any, inputs: Any, counting: list[CountingServer]
) -> None:
    counting[0].more_each_time = 10
    message, manifest, rows = fails(cluster, inputs | {"replicas": 2})
    assert "only 1 of 2 replicas answered (tf-serving-0), so the cost per prediction includes replicas" in message
    assert len(manifest.validity.reasons) == 1
    assert rows > 0


def test_a_cluster_that_refuses_commands_hands_over_all_rows_in_plain_http(
    cluster: Any, inputs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider.cluster.pod_sampler, "_INTERVAL_S", 0.05)
    cluster.refuses_commands = True
    log: list[str] = []
    run_in(cluster, inputs, operation(log))
    manifest, rows = only_run(inputs)
    assert manifest.validity.reasons == ()
    assert rows > 10
    (said,) = (line for line in log if "is not sampled" in line)
    assert "a command in a pod needs a WebSocket, but the answer was 403 Forbidden), so the report may" in said
    assert set(cluster.alive_when_deleted) <= {"sidecar"}


def test_servers_that_cannot_be_sampled_are_tested_all_the_same(
    cluster: Any, inputs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider.cluster.pod_sampler, "_INTERVAL_S", 0.05)
    cluster.server.execute = lambda _, command: subprocess.CompletedProcess(command, 126, b"", b"no such file")
    log: list[str] = []
    run_in(cluster, inputs, operation(log))
    manifest, _ = only_run(inputs)
    assert manifest.validity.reasons == ()
    assert set(ResultsStore(inputs["results"]).samples(manifest)["subject"].to_pylist()) == {"generator"}
    said = [line for line in log if "is not sampled" in line]
    assert [line.partition(", so ")[0] for line in said] == [
        "the CPU and memory use of server tf-serving-0 is not sampled (no such file)"
    ]
    (replica,) = manifest.replicas
    assert (replica.node, replica.cpu_model, replica.kernel) == (cluster.servers[0]["spec"]["nodeName"], None, None)
    assert next(line for line in log if "CPU" in line) == (
        "the CPU of tf-serving-0 is unknown (no such file), so the run is not compared with runs on a known CPU;"
        " to read it, `kubectl exec` must work, and the server's image must have `sh`"
    )


def test_repeats_are_runs_of_their_own_one_after_the_other(cluster: Any, inputs: Any) -> None:
    inputs["repeats"] = 2
    inputs["profile"] |= {"mode": "closed"}
    log: list[str] = []
    kept = run_in(cluster, inputs, operation(log))
    manifests = sorted(ResultsStore(inputs["results"]).scan().manifests, key=lambda manifest: manifest.started_at)
    assert kept["runIds"] == [manifest.run_id for manifest in manifests]
    assert kept["runId"] in kept["runIds"]
    first = manifests[0].run_id
    assert [manifest.repeat and manifest.repeat.model_dump() for manifest in manifests] == [
        {"group": first, "index": index, "of": 2} for index in (1, 2)
    ]
    assert manifests[0].finished_at <= manifests[1].started_at
    assert manifests[0].deployment == manifests[1].deployment is not None, "the same servers answered"
    assert cluster.deleted == [f"load-{manifest.run_id.lower()}" for manifest in manifests], "a Job each"
    assert any(line.startswith("run 2/2, ") and " users" in line for line in log), "progress says which"


def runs_of(inputs: Props) -> list[Manifest]:
    return list(ResultsStore(inputs["results"]).scan().manifests)


def test_with_fresh_deployments_no_two_runs_have_the_same_servers(cluster: Any, inputs: Any) -> None:
    cluster.add_server("tf-serving-1")
    inputs |= {"repeats": 2, "replicas": 2, "freshDeployment": True}
    log: list[str] = []
    run_in(cluster, inputs, operation(log))
    assert [pod["metadata"]["uid"] for pod in cluster.servers] == ["server-0-successor", "tf-serving-1-successor"]
    restarting = "restarting the servers, so that this run has a deployment of its own"
    assert [line for line in log if "restarting" in line] == [f"run 2 of 2: {restarting}"], "the first were fresh"
    run_in(cluster, inputs | {"repeats": 1}, operation(log))
    assert log.count(restarting) == 1, "another update finds servers that have answered a run"
    runs = runs_of(inputs)
    assert len({run.deployment for run in runs}) == len(runs) == 3
    assert {run.validity.verdict for run in runs} == {"valid"}


def test_servers_that_do_not_come_back_end_the_update_and_the_runs_before_are_kept(
    cluster: Any, inputs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider.cluster.pod_status, "_BLOCKED_LIMIT_S", 0.5)
    cluster.successors_start = False
    with pytest.raises(ResourceError) as failure:
        run_in(cluster, inputs | {"repeats": 3, "freshDeployment": True}, operation())
    run, rows = only_run(inputs)
    assert str(failure.value).startswith(
        f"run 2 of 3 (valid and stored before it: {run.run_id}): after 1 s the servers are not ready as declared"
        " (1 declared, 1 created, 0 re"
    )
    assert "so nothing was measured: ImagePullBackOff: Back-off pulling image" in str(failure.value)
    said = "Correct the cause (`kubectl get events --all-namespaces` shows more), and run `pulumi up` again"
    assert str(failure.value).endswith(said)
    assert rows > 10
    assert run.validity.verdict == "valid"


def test_over_grpc_the_pod_makes_its_own_request_and_all_rows_are_stored(
    cluster: Any, inputs: Any, grpc_server_url: str
) -> None:
    inputs |= {"baseUrl": grpc_server_url, "generatorImage": GRPC.generator_image}
    inputs["serving"] |= {"protocol": "grpc"}
    run_in(cluster, inputs, operation())
    manifest, rows = only_run(inputs)
    assert manifest.validity.reasons == ()
    assert manifest.serving.protocol == "grpc"
    stored = pq.read_table(next(Path(inputs["results"]).glob("requests/*/*/*.parquet")), columns=["ok", "backend"])
    assert rows == stored.num_rows > 10
    assert set(stored["ok"].to_pylist()) == {True}
    assert set(stored["backend"].to_pylist()) == {grpc_server_url.removeprefix("grpc://")}


def test_several_workers_of_one_pod_send_over_grpc_and_the_rows_of_each_are_stored(
    cluster: Any, inputs: Any, grpc_server_url: str
) -> None:
    inputs |= {"baseUrl": grpc_server_url, "generatorImage": GRPC.generator_image, "processes": 2}
    inputs["serving"] |= {"protocol": "grpc"}
    run_in(cluster, inputs, operation())
    manifest, _ = only_run(inputs)
    assert manifest.validity.reasons == ()
    assert manifest.generator.processes == 2
    parts = {part.name: pq.read_table(part, columns=["ok"]) for part in Path(inputs["results"]).rglob("part-*.parquet")}
    assert parts.keys() == {"part-locust-0.parquet", "part-locust-1.parquet"}
    assert min(part.num_rows for part in parts.values()) > 5
    assert all(set(part["ok"].to_pylist()) == {True} for part in parts.values())


def of_two_pods(inputs: dict[str, Any], **profile: Any) -> dict[str, Any]:
    inputs |= {"pods": 2}
    inputs["profile"] |= profile
    return inputs


def test_two_pods_play_one_schedule_together_and_the_rows_of_both_are_stored(cluster: Any, inputs: Any) -> None:
    profile = OpenLoop(rate_rps=200, arrivals="poisson", seed=1, warmup_s=1, ramp_s=0, duration_s=5, max_in_flight=50)
    inputs |= {"pods": 2, "profile": profile.model_dump()}
    run_in(cluster, inputs, operation())
    manifest, rows = only_run(inputs)
    assert manifest.validity.reasons == ()
    assert (manifest.generator.processes, manifest.generator.nodes) == (2, (cluster.node, f"{cluster.node}1"))
    parts = {part.name: pq.read_table(part) for part in Path(inputs["results"]).rglob("part-*.parquet")}
    assert parts.keys() == {"part-locust-0.parquet", "part-locust-1.parquet"}
    held = {name: part.filter(pc.equal(part["phase"], "hold")) for name, part in parts.items()}
    assert sum(part.num_rows for part in parts.values()) == rows
    assert abs(held["part-locust-0.parquet"].num_rows - held["part-locust-1.parquet"].num_rows) <= 1
    due_us = np.sort(np.concatenate([part["intended_start"].cast(pa.int64()).to_numpy() for part in held.values()]))
    assert stats.kstest(np.diff(due_us) / 1e6, stats.expon(scale=1 / profile.rate_rps).cdf).pvalue > 0.001
    assert cluster.alive_when_deleted in ([], ["sidecar"])


def test_a_pod_that_is_lost_makes_the_run_invalid_and_loses_no_row_of_the_other(cluster: Any, inputs: Any) -> None:
    cluster.during = lambda cluster: cluster.delete_generator_pod(1)
    message, manifest, rows = fails(cluster, of_two_pods(inputs, duration_s=600.0))
    assert "a pod of the load generator was lost (number 2 of 2: its pod was deleted)" in message
    assert manifest.validity.verdict == "invalid"
    assert rows > 0
    assert len(list(Path(inputs["results"]).rglob("part-*.parquet"))) == 1


def test_without_the_pod_of_the_master_the_rows_of_the_other_are_stored(cluster: Any, inputs: Any) -> None:
    cluster.during = lambda cluster: cluster.delete_generator_pod(0)
    message, manifest, rows = fails(cluster, of_two_pods(inputs, duration_s=600.0))
    assert "the load generator was lost before its rows were fetched (its pod was deleted)" in message
    assert manifest.validity.verdict == "invalid"
    assert rows > 0


def test_a_killed_container_of_one_of_two_pods_is_named(cluster: Any, inputs: Any) -> None:
    def kill(cluster: Any) -> None:
        cluster.all_pods[1].wait_for_rows()
        cluster.all_pods[1].kill(GENERATOR)

    cluster.during = kill
    message, _, rows = fails(cluster, of_two_pods(inputs, duration_s=600.0))
    assert "a pod of the load generator was lost (number 2 of 2: OOMKilled)" in message
    assert rows > 0
    assert len(list(Path(inputs["results"]).rglob("part-*.parquet"))) == 2, "its sidecar had its rows"


def test_a_cancelled_test_of_two_pods_ends_both_and_keeps_their_rows(cluster: Any, inputs: Any) -> None:
    cancelled = threading.Event()
    cluster.during = lambda _: cancelled.set()
    message, manifest, rows = fails(cluster, of_two_pods(inputs, duration_s=600.0), cancelled)
    assert "the test was cancelled, so later requests are missing" in message
    assert rows > 0
    assert not any("Locust counted" in reason for reason in manifest.validity.reasons), "all rows were written"


def test_a_generator_that_is_killed_leaves_its_rows_in_the_sidecar(cluster: Any, inputs: Any) -> None:
    inputs["profile"]["duration_s"] = 600.0
    cluster.during = type(cluster).kill_generator
    message, manifest, rows = fails(cluster, inputs)
    assert "the load generator crashed (SIGKILL, OOMKilled)" in message
    assert manifest.validity.verdict == "invalid"
    assert rows > 0
    assert f"{rows} requests" in message


@pytest.mark.parametrize("processes", [1, 2])
def test_a_cancelled_test_ends_the_job_and_its_rows_are_stored(cluster: Any, inputs: Any, processes: int) -> None:
    inputs |= {"processes": processes}
    inputs["profile"]["duration_s"] = 600.0
    cancelled = threading.Event()
    cluster.during = lambda _: cancelled.set()
    message, manifest, rows = fails(cluster, inputs, cancelled)
    assert "the test was cancelled, so later requests are missing" in message
    assert rows > 0
    assert not any("Locust counted" in reason for reason in manifest.validity.reasons), "all rows were written"


def test_a_pod_that_is_deleted_makes_the_run_invalid(cluster: Any, inputs: Any) -> None:
    inputs["profile"]["duration_s"] = 600.0
    cluster.during = lambda cluster: cluster.delete_job(cluster.name)
    message, manifest, rows = fails(cluster, inputs)
    assert "the load generator was lost before its rows were fetched (its pod was deleted)" in message
    assert (rows, manifest.validity.verdict) == (0, "invalid")


@pytest.mark.parametrize("refuses_commands", [False, True], ids=["commands", "requests"])
@pytest.mark.parametrize(
    ("away", "reason"),
    [
        ("drain", "pod was deleted during the test (EvictionByEvictionAPI: Eviction API: evicting)"),
        ("shut_down", "the test was interrupted (SIGTERM)"),
    ],
)
def test_every_row_of_a_generator_whose_node_is_drained_or_shut_down_is_stored(
    cluster: Any,
    inputs: Any,
    away: str,
    reason: str,
    refuses_commands: bool,  # noqa: FBT001 - by name only
) -> None:
    cluster.refuses_commands = refuses_commands
    inputs["profile"]["duration_s"] = 600.0
    cluster.during = getattr(type(cluster), away)
    message, manifest, rows = fails(cluster, inputs)
    assert reason in message
    assert manifest.validity.verdict == "invalid"
    # Rows are compared with what Locust counted.
    assert not any("Locust counted" in reason or "crashed" in reason for reason in manifest.validity.reasons)
    assert rows > 0


def test_a_generator_that_cannot_end_in_a_drained_pod_is_not_waited_for(
    cluster: Any, inputs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider.cluster.job_result, "_TERMINATION_LIMIT_S", 1.0)
    inputs["profile"]["duration_s"] = 600.0
    cluster.during = lambda cluster: (cluster.pod.suspend(GENERATOR), cluster.drain())
    message, _, rows = fails(cluster, inputs)
    assert "the load generator's pod was deleted during the test" in message
    assert rows > 0, "those that it had written"


def end_servers(cluster: Any) -> None:
    replaced, restarted = cluster.servers
    replaced["metadata"]["uid"] = "another"
    restarted["status"]["containerStatuses"][0]["restartCount"] = 2


def test_servers_that_are_replaced_or_restarted_make_the_run_invalid(cluster: Any, inputs: Any) -> None:
    cluster.add_server("tf-serving-1")
    cluster.during = end_servers
    message, manifest, rows = fails(cluster, inputs | {"replicas": 2})
    changed = (
        "so fewer servers answered for a part of the test; check the server's log and its memory limit, and run again"
    )
    for words in (
        f"server tf-serving-0 was replaced during the test by tf-serving-0, {changed}",
        f"server tf-serving-1 restarted during the test (2 times), {changed}",
    ):
        assert words in message
        assert words in manifest.validity.reasons
    assert rows > 0


def test_an_autoscaler_changes_the_servers_whose_number_is_in_the_samples(cluster: Any, inputs: Any) -> None:
    autoscaler = {"target_percent": 60, "fewest": 1, "stabilization_s": 300, "request_millis": 900}
    curve = {"mode": "curve", "rates_rps": [4.0, 9.0], "arrivals": "constant", "seed": 1, "max_in_flight": 9}
    profile = curve | {"warmup_s": 1.0, "duration_s": 6.0}
    cluster.add_server("tf-serving-1")
    cluster.during = lambda cluster: cluster.servers.pop(0)
    run_in(cluster, inputs | {"autoscaler": autoscaler, "profile": profile}, operation())
    manifest, rows = only_run(inputs)
    assert manifest.validity.verdict == "valid"
    assert manifest.autoscaler == Autoscaler(**autoscaler)
    assert rows >= 39
    samples = ResultsStore(inputs["results"]).samples(manifest)
    ready = samples.filter(pc.equal(samples["quantity"], "ready_servers"))["value"].to_pylist()
    assert (ready[0], ready[-1]) == (2, 1)


def test_damaged_parts_are_fetched_again(cluster: Any, inputs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider.cluster.job_result, "_PART_BYTES", 1000)
    cluster.corrupt_reads = 2
    cluster.node = "node-a"
    run_in(cluster, inputs, operation())
    manifest, rows = only_run(inputs)
    assert manifest.validity.verdict == "valid"
    assert rows > 20
    assert manifest.generator.shares_host_with_server, "it ran on a server's node"


def test_rows_that_are_always_damaged_are_not_stored(cluster: Any, inputs: Any) -> None:
    cluster.corrupt_reads = 99
    with pytest.raises(ResourceError, match="pod 3 times, and its length or sha256 never matched"):
        run_in(cluster, inputs, operation())
    assert ResultsStore(inputs["results"]).scan().manifests == ()
    assert cluster.deleted == [], "they are in the Job still"


def test_a_pod_that_never_starts_is_an_error_with_what_it_waits_for(
    cluster: Any, inputs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        type(cluster), "pods", lambda cluster, selector: [] if "job-name" in selector else cluster.servers
    )
    monkeypatch.setattr(type(cluster), "create_job", lambda *_: None)
    with pytest.raises(ResourceError, match=r"did not start within .* FailedScheduling: no node for load-"):
        run_in(cluster, inputs | {"startTimeoutS": 0.3}, operation())


def test_a_pod_that_is_evicted_before_its_containers_run_is_not_waited_for(
    cluster: Any, inputs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    evicted = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
    monkeypatch.setattr(PodProcesses, "start", lambda _: None)
    monkeypatch.setattr(PodProcesses, "status", lambda _: evicted)
    words = (
        r"lost before it sent a request \(its pod ended: Evicted: The node was low on resource: memory\.\),"
        r" so nothing was measured; check the load pool's nodes"
    )
    with pytest.raises(ResourceError, match=words):
        run_in(cluster, inputs | {"startTimeoutS": 600}, operation())
    assert ResultsStore(inputs["results"]).scan().manifests == ()
    assert cluster.jobs("") == []


def test_servers_that_are_not_all_ready_are_not_tested(cluster: Any, inputs: Any) -> None:
    with pytest.raises(ResourceError, match=r"\(2 declared, 1 created, 1 ready\), so nothing was measured"):
        run_in(cluster, inputs | {"replicas": 2, "startTimeoutS": 0}, operation())
    assert cluster.pod is None


def test_a_file_that_is_no_payload_is_an_error_before_the_test(cluster: Any, inputs: Any) -> None:
    with pytest.raises(ResourceError, match=r"could not write its request(?s:.)*are not a payload"):
        run_in(cluster, inputs | {"payload": ["broken-1"]}, operation())


def test_a_server_that_the_pod_cannot_reach_is_an_error_before_the_test(
    cluster: Any, inputs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider.cluster.load_job, "_AVAILABLE_WITHIN_S", 0)
    said = r"or the server gave it no correct answer, so nothing was measured(?s:.)*127.0.0.1:1 gave no correct answer"
    with pytest.raises(ResourceError, match=said):
        run_in(cluster, inputs | {"baseUrl": "http://127.0.0.1:1"}, operation())
    assert ResultsStore(inputs["results"]).scan().manifests == ()
    assert cluster.jobs("") == []


def test_the_pod_gets_all_of_the_generator_in_the_folders_of_the_checkout() -> None:
    checkout = Path(layout.__file__).parents[2]
    items = {item["path"]: layout.scripts()[item["key"]] for item in layout.script_items()}
    in_checkout = [checkout / "loadtest/__init__.py", *(checkout / "loadtest/generator").rglob("*.py")]
    assert items == {str(path.relative_to(checkout)): path.read_text() for path in in_checkout}
    assert "loadtest/generator/locustfile.py" in items
    assert len(items) == len(layout.scripts())
