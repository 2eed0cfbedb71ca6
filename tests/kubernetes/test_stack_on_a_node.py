"""`pulumi up` of the stack `kubernetes` in containers: two servers on a real node, asked by Locust in pods of its own.

Servers and generator share two cores, so no figure means anything. What is asserted is that everything works together.
"""

import contextlib
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream
from kubernetes.utils.quantity import parse_quantity
from scipy import stats

from analysis.comparability import comparison_key
from analysis.results.run.counters import requests_by_replica
from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore
from analysis.verdict.variants import variants_of
from loadtest.generator.clients.rest.request import rest_body_of
from loadtest.generator.payload import Request
from loadtest.run.payload import payload_of, photograph
from provider.cluster.load_job import GENERATOR
from stacks.names import GENERATOR_LABELS, SERVER_LABELS
from stacks.server.models import RESNET50
from tests.engine.harness import CHECKOUT, Stack, eventually, stack_in_cluster
from tests.kubernetes.own_images import OwnImages
from tests.kubernetes.traces import network_of, processes_of
from tests.support.images.python import PYTHON
from tests.support.kubernetes.no_upgrades import FORBIDS, no_upgrades
from tests.support.node.single_node import SingleNode

NAMESPACE = "stack-on-a-node"
REPLICAS = 2
# Too short, or too few requests, for a judgement on whether a run settled: a machine that others use as well may change
# its speed while it is measured, and a run that noticed would rightly be refused.
# Over REST a user keeps the replica that the Service chose for it: of twelve, one in two thousand times all the same.
CLOSED = {"profile": "smoke", "users": 12, "spawnRatePerS": 12, "durationS": 9}
OPEN = {"profile": "open", "rateRps": 3, "durationS": 25}
# What is there of a cluster in which nothing of ours is.
OF_EVERY_CLUSTER = {"default", "kube-node-lease", "kube-public", "kube-system"}


def running() -> set[str]:
    """Names of all that runs on the node, which this process started."""
    return processes_of(os.getpid(), network_of(os.getpid()))


@pytest.fixture(scope="module")
def of_the_node(images: OwnImages) -> set[str]:
    """What runs while no container of ours does."""
    return running()


@pytest.fixture(scope="module")
def recorded() -> list[bytes]:
    """Bodies of the photograph and of its negative, which differ in length, and of both turned by 180°."""
    (request,) = payload_of(RESNET50).requests
    negative = bytes(255 - value for value in photograph())
    images = [pixels[::step] for pixels in (photograph(), negative) for step in (1, -1)]
    return [rest_body_of(Request((replace(request.inputs[0], data=data),)), RESNET50.signature) for data in images]


@pytest.fixture(scope="module")
def stack(
    node: SingleNode,
    images: OwnImages,
    of_the_node: set[str],
    recorded: list[bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """It sends recorded requests."""
    settings = images.settings(NAMESPACE)
    folder = tmp_path_factory.mktemp("stack")
    path = folder / "requests.jsonl"
    path.write_bytes(b"\n".join(recorded))
    with stack_in_cluster("on-a-node", folder, node.kubeconfig, settings, CLOSED, nodes=REPLICAS) as stack:
        stack.config["payload"] = {"path": str(path)}
        yield stack


def measured(stack: Stack, protocol: str, load: dict[str, Any]) -> Manifest:
    """The run that an update with this protocol and load makes."""
    before = {run.run_id for run in stack.runs()}
    stack.config["serving"] = stack.config["serving"] | {"protocol": protocol}
    stack.config["load"] = load
    result = stack.up()
    assert result.returncode == 0, result.stdout + result.stderr
    (run,) = (run for run in stack.runs() if run.run_id not in before)
    return run


@pytest.fixture(scope="module")
def over_rest(stack: Stack) -> Manifest:
    return measured(stack, "rest", CLOSED)


@pytest.fixture(scope="module")
def over_rest_on_schedule(stack: Stack, over_rest: Manifest) -> Manifest:
    return measured(stack, "rest", OPEN | {"processes": 2})


@pytest.fixture(scope="module")
def over_grpc(stack: Stack, over_rest_on_schedule: Manifest) -> Manifest:
    return measured(stack, "grpc", CLOSED)


@pytest.fixture(scope="module")
def over_grpc_on_schedule(stack: Stack, over_grpc: Manifest) -> Manifest:
    return measured(stack, "grpc", OPEN | {"pods": 2})


@pytest.fixture(scope="module")
def runs(
    over_rest: Manifest, over_rest_on_schedule: Manifest, over_grpc: Manifest, over_grpc_on_schedule: Manifest
) -> list[Manifest]:
    return [over_rest, over_rest_on_schedule, over_grpc, over_grpc_on_schedule]


def rows_of(stack: Stack, run: Manifest) -> Any:
    """The rows of the counted phase."""
    rows = ds.dataset(stack.results / "requests", partitioning="hive").to_table(
        filter=(ds.field("run_id") == run.run_id) & (ds.field("phase") == "hold")
    )
    assert rows.num_rows > 0
    return rows


def pods(api: client.ApiClient, labels: dict[str, str]) -> list[client.V1Pod]:
    selector = ",".join(f"{name}={value}" for name, value in labels.items())
    return client.CoreV1Api(api).list_namespaced_pod(NAMESPACE, label_selector=selector).items


@pytest.mark.parametrize(
    ("which", "protocol", "mode"),
    [
        ("over_rest", "rest", "closed"),
        ("over_rest_on_schedule", "rest", "open"),
        ("over_grpc", "grpc", "closed"),
        ("over_grpc_on_schedule", "grpc", "open"),
    ],
)
def test_every_answer_is_right_and_no_row_is_missing(
    stack: Stack, request: pytest.FixtureRequest, which: str, protocol: str, mode: str
) -> None:
    run: Manifest = request.getfixturevalue(which)
    # Rows are compared with what Locust counted and what was due: a missing one would be a reason.
    assert run.validity.reasons == ()
    assert (run.serving.protocol, run.load.mode) == (protocol, mode)
    rows = rows_of(stack, run)
    assert pc.all(rows["ok"]).as_py(), pc.value_counts(rows["error"])
    # How many a closed loop has is the speed of the machine, which other tests use as well.
    assert rows.num_rows >= (CLOSED["users"] if mode == "closed" else 20)


def test_recorded_requests_reach_the_pod_as_they_are_and_are_sent_in_turn(
    stack: Stack, api: client.ApiClient, over_rest_on_schedule: Manifest, recorded: list[bytes]
) -> None:
    sent = {
        counted["values"]: counted["counts"]
        for counted in pc.value_counts(rows_of(stack, over_rest_on_schedule)["request_bytes"]).to_pylist()
    }
    assert sent.keys() == {len(body) for body in recorded}
    assert max(sent.values()) - min(sent.values()) <= 2, "two of each length"
    config_maps = client.CoreV1Api(api).list_namespaced_config_map(NAMESPACE).items
    assert sum("-payload-" in config_map.metadata.name for config_map in config_maps) > 1, "one does not hold them"


def test_over_grpc_both_servers_have_their_half(
    stack: Stack, api: client.ApiClient, over_grpc: Manifest, over_grpc_on_schedule: Manifest
) -> None:
    addresses = {f"{pod.status.pod_ip}:8500" for pod in pods(api, SERVER_LABELS)}
    assert len(addresses) == REPLICAS
    of_users, on_schedule = (
        {
            counted["values"]: counted["counts"]
            for counted in pc.value_counts(rows_of(stack, run)["backend"]).to_pylist()
        }
        for run in (over_grpc, over_grpc_on_schedule)
    )
    assert of_users.keys() == on_schedule.keys() == addresses
    # Users send few requests, and those that one server had not answered when the test ended are no rows: only a
    # schedule's requests are all answered.
    assert min(on_schedule.values()) >= 0.4 * sum(on_schedule.values()), on_schedule


@pytest.mark.parametrize(("which", "pods"), [("over_rest_on_schedule", 1), ("over_grpc_on_schedule", 2)])
def test_two_processes_of_one_pod_and_two_pods_play_a_schedule_together(
    stack: Stack, request: pytest.FixtureRequest, which: str, pods: int
) -> None:
    run: Manifest = request.getfixturevalue(which)
    assert (run.generator.processes, len(run.generator.nodes)) == (2, pods)
    rows = rows_of(stack, run)
    counts = {counted["values"]: counted["counts"] for counted in pc.value_counts(rows["worker"]).to_pylist()}
    assert counts.keys() == {"locust-0", "locust-1"}
    assert abs(counts["locust-0"] - counts["locust-1"]) <= 1, "every other request"
    due_us = np.sort(rows["intended_start"].cast(pa.int64()).to_numpy())
    gaps = stats.kstest(np.diff(due_us) / 1e6, stats.expon(scale=1 / OPEN["rateRps"]).cdf)
    assert gaps.pvalue > 0.001, "those of one schedule of independent callers"


def samples_of(stack: Stack, run: Manifest) -> pd.DataFrame:
    return ResultsStore(str(stack.results)).samples(run).to_pandas()


def test_what_every_replica_and_the_others_on_its_node_used_is_known_throughout_the_run(
    stack: Stack, api: client.ApiClient, runs: list[Manifest]
) -> None:
    servers = {pod.metadata.name for pod in pods(api, SERVER_LABELS)}
    cores, memory_bytes = os.cpu_count() or 1, psutil.virtual_memory().total
    for run in runs:
        recorded = ResultsStore(str(stack.results)).samples(run)
        samples = recorded.to_pandas()
        generators = {"generator", "generator-1"} if run.generator.processes == 2 else {"generator"}
        assert set(samples["subject"]) == generators | servers
        for server in servers:
            own = samples[samples["subject"] == server]
            values = own.groupby("quantity")["value"]
            assert values.max()["most_cores"] == cores
            assert "throttled_ratio" not in values.groups, "it has no CPU limit"
            assert values.max()["cpu_cores"] < 1.05 * cores
            span_s = (own["at"].max() - own["at"].min()).total_seconds()
            # An answer takes a few milliseconds of CPU.
            assert values.mean()["cpu_cores"] * span_s > 0.0005 * requests_by_replica(recorded)[server]
            assert 1e8 < values.max()["memory_bytes"] < 3072 * 2**20
            generator_at = samples[samples["subject"] == "generator"]["at"]
            assert own["at"].min() < generator_at.max()
            assert own["at"].max() > generator_at.min()
            used = own.pivot_table(index="at", columns="quantity", values="value").dropna(subset=["cpu_cores"])
            assert (used["cpu_cores"] + used["other_cpu_cores"]).max() < 1.05 * cores
            assert 1e8 < used["other_memory_bytes"].min() <= used["other_memory_bytes"].max() < memory_bytes
            # The other replica is on the same node, and is read right before or after.
            (other,) = servers - {server}
            of_other = samples[(samples["subject"] == other) & (samples["quantity"] == "cpu_cores")]["value"]
            assert used["other_cpu_cores"].mean() > 0.7 * of_other.mean() > 0


def test_the_replicas_count_just_the_requests_that_were_sent(
    stack: Stack, api: client.ApiClient, runs: list[Manifest]
) -> None:
    servers = {pod.metadata.name for pod in pods(api, SERVER_LABELS)}
    for run in runs:
        counted = requests_by_replica(ResultsStore(str(stack.results)).samples(run))
        assert counted.keys() == servers
        sent = ds.dataset(stack.results / "requests", partitioning="hive").count_rows(
            filter=ds.field("run_id") == run.run_id
        )
        assert sum(counted.values()) == sent, counted


def test_a_run_says_that_it_is_of_the_embedded_server_beside_its_generator(
    runs: list[Manifest], images: OwnImages
) -> None:
    for run in runs:
        assert (run.serving.server, run.serving.replicas) == ("shapebench-embedded", REPLICAS)
        assert run.generator.shares_host_with_server
        assert run.serving.image
        assert "sha256:" in run.serving.image
        assert run.software["generator image"] != run.serving.image


def test_a_run_says_on_which_node_and_cpu_every_pod_ran(api: client.ApiClient, runs: list[Manifest]) -> None:
    (node,) = client.CoreV1Api(api).list_node().items
    models = set(re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE))
    for run in runs:
        assert {replica.name for replica in run.replicas} == {pod.metadata.name for pod in pods(api, SERVER_LABELS)}
        assert all(0 < (replica.ready_after_s or 0) < 600 for replica in run.replicas)
        assert {replica.machine for replica in run.replicas} == {node.status.node_info.system_uuid or None}
        assert run.generator.machine
        for machine in (*run.replicas, run.generator.machine):
            assert machine.node == node.metadata.name
            assert machine.kernel == node.status.node_info.kernel_version
            assert {machine.cpu_model} == models
        assert comparison_key(run) == comparison_key(runs[0]), "on one machine all compare"


def test_another_load_leaves_the_servers_as_they_are(api: client.ApiClient, runs: list[Manifest]) -> None:
    servers = pods(api, SERVER_LABELS)
    assert len(servers) == REPLICAS
    assert {status.restart_count for pod in servers for status in pod.status.container_statuses} == {0}
    assert max(pod.metadata.creation_timestamp for pod in servers) < runs[0].started_at


def test_neither_job_nor_generator_is_left_after_a_run(api: client.ApiClient, runs: list[Manifest]) -> None:
    assert client.BatchV1Api(api).list_job_for_all_namespaces().items == []
    assert pods(api, GENERATOR_LABELS) == []


def test_the_report_shows_the_runs(stack: Stack, runs: list[Manifest], tmp_path: Path) -> None:
    command = ["shapebench", "report", "--results", str(stack.results), "--out", str(tmp_path)]
    subprocess.run(command, cwd=CHECKOUT, env=stack.environment, check=True, capture_output=True)
    page = (tmp_path / "report.html").read_text()
    for run in runs:
        assert f'id="{run.run_id}"' in page
    found = re.findall(
        r"Beside the server, other programs of each node used ([\d.]+)(?: to [\d.]+)? vCPUs and \d+", page
    )
    assert len(found) == len(runs)
    assert all(0 < float(least) < 1.05 * (os.cpu_count() or 1) for least in found)


def failed_run(
    stack: Stack, api: client.ApiClient, during: Callable[[str], object], generator_pods: int = 1
) -> tuple[str, Manifest]:
    """What an update says, and the run that it keeps, when this happens to the generator's first pod while it asks."""
    core, before = client.CoreV1Api(api), stack.runs()
    stack.config["load"] = CLOSED | {"durationS": 120, "pods": generator_pods}
    update = stack.start("up", "--yes", "--skip-preview")
    made = eventually(lambda: pods(api, GENERATOR_LABELS), "its pod is made", 120)
    index = "batch.kubernetes.io/job-completion-index"
    name = next(pod.metadata.name for pod in made if pod.metadata.labels.get(index, "0") == "0")

    def asks() -> bool:
        with contextlib.suppress(ApiException):  # its container has not started
            # The client has None for an empty log.
            log = core.read_namespaced_pod_log(name, NAMESPACE, container=GENERATOR) or ""
            return bool(re.search(r'"p50_ms": \d', log))
        return False

    eventually(asks, "requests are answered", 120)
    during(name)
    said, _ = update.communicate(timeout=120)
    assert update.returncode != 0
    (run,) = (run for run in stack.runs() if run not in before)
    assert client.BatchV1Api(api).list_namespaced_job(NAMESPACE).items == []
    return said, run


def test_a_deleted_generator_pod_of_two_takes_its_own_rows_with_it_and_no_others(
    stack: Stack, api: client.ApiClient, over_rest: Manifest
) -> None:
    core = client.CoreV1Api(api)

    def delete_the_other(first: str) -> None:
        (other,) = (pod.metadata.name for pod in pods(api, GENERATOR_LABELS) if pod.metadata.name != first)
        core.delete_namespaced_pod(other, NAMESPACE, grace_period_seconds=0)

    said, run = failed_run(stack, api, delete_the_other, generator_pods=2)
    assert "a pod of the load generator was lost" in " ".join(said.split())
    assert run.validity.verdict == "invalid"
    parts = [file for file in run.files or () if file.name.startswith("part-")]
    assert len(parts) == 1
    assert all_its_rows(stack, run) == parts[0].rows > 0


def all_its_rows(stack: Stack, run: Manifest) -> int:
    return int(
        ds.dataset(stack.results / "requests", partitioning="hive").count_rows(filter=ds.field("run_id") == run.run_id)
    )


def test_a_drained_generator_still_hands_over_its_rows(
    stack: Stack, api: client.ApiClient, over_rest: Manifest
) -> None:
    core = client.CoreV1Api(api)

    def drain(name: str) -> None:
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": NAMESPACE}}
        core.create_namespaced_pod_eviction(name, NAMESPACE, eviction)

    said, run = failed_run(stack, api, drain)
    assert "pod was deleted during the test (EvictionByEvictionAPI" in run.validity.reasons[0], said
    assert all_its_rows(stack, run) > 0
    # Rows are compared with what Locust counted.
    assert not any("rows are wrong" in reason for reason in run.validity.reasons)


def test_a_generator_over_its_memory_limit_says_so_and_its_rows_are_kept(
    stack: Stack, api: client.ApiClient, over_rest: Manifest
) -> None:
    core = client.CoreV1Api(api)

    def fill(name: str) -> None:
        # The kernel ends the largest process, by a measure to which its score is added: so many small ones fill it, and
        # Locust, the container's first process, gets the highest score.
        fill = "import os, time; open('/proc/1/oom_score_adj', 'w').write('1000')"
        fill += "; [os.fork() or (b'x' * 2**25, time.sleep(60), os._exit(0)) for _ in range(40)]"
        with contextlib.suppress(ApiException):  # its own end is not heard
            stream(
                core.connect_get_namespaced_pod_exec,
                name,
                NAMESPACE,
                container=GENERATOR,
                command=["python", "-c", fill],
                stdin=False,
                stdout=True,
                stderr=True,
                tty=False,
            )

    said, run = failed_run(stack, api, fill)
    reason = "(SIGKILL, OOMKilled), so requests are missing; it used more memory than its container's limit"
    assert reason in run.validity.reasons[0], said
    assert all_its_rows(stack, run) > 0


def test_a_cpu_limit_of_the_variant_is_the_kernels_and_the_runs_are_of_another_variant(
    stack: Stack, api: client.ApiClient, runs: list[Manifest]
) -> None:
    stack.config["serving"] = stack.config["serving"] | {"cpuLimit": "600m"}
    limited = measured(stack, "rest", CLOSED)
    assert limited.serving.cpu_limit == 0.6
    assert len(variants_of([runs[0], limited])) == 2
    for pod in pods(api, SERVER_LABELS):
        assert parse_quantity(pod.spec.containers[0].resources.limits["cpu"]) == Decimal("0.6")
        values = samples_of(stack, limited).groupby(["subject", "quantity"])["value"].max()[pod.metadata.name]
        assert values["most_cores"] == 0.6
        assert values["cpu_cores"] < 0.8
        assert 0 <= values["throttled_ratio"] <= 1


def test_a_destroy_leaves_nothing_of_it_and_keeps_the_runs(
    stack: Stack, api: client.ApiClient, runs: list[Manifest], of_the_node: set[str]
) -> None:
    kept = stack.runs()
    assert PYTHON.name in running() - of_the_node, "the servers run"
    stack.must("destroy", "--yes", "--skip-preview")
    core = client.CoreV1Api(api)
    assert {item.metadata.name for item in core.list_namespace().items} == OF_EVERY_CLUSTER
    assert core.list_pod_for_all_namespaces().items == []
    eventually(lambda: running() <= of_the_node, "no process of a container is left", within_s=30)
    assert stack.runs() == kept


def test_without_websockets_all_rows_come_back_and_only_what_the_servers_used_is_missing(
    stack: Stack, node: SingleNode, tmp_path: Path
) -> None:
    # On a stack that is not up: Pulumi takes another address for another cluster, and would replace what is up.
    through = tmp_path / "kubeconfig"
    with no_upgrades(FORBIDS, node.kubeconfig, tmp_path) as passed:
        through.write_text(passed.kubeconfig)
        stack.variables = {"KUBECONFIG": str(through)}
        try:
            run = measured(stack, "rest", CLOSED | {"durationS": 10})
            # Here, for the same reason: from another address its pods would stay, and take the room of other tests.
            stack.must("destroy", "--yes", "--skip-preview")
        finally:
            stack.variables = {"KUBECONFIG": str(node.kubeconfig)}
    # Rows are compared with what Locust counted and what was due: a missing one would be a reason.
    assert run.validity.reasons == ()
    assert rows_of(stack, run).num_rows >= CLOSED["users"]
    assert passed.upgrades, "commands were tried"
    assert {"list", "release"} <= {path.rpartition("/")[2] for path in passed.to_pods}
    samples = ResultsStore(str(stack.results)).samples(run)
    used = samples.filter(pc.equal(samples["quantity"], "cpu_cores"))
    assert set(used["subject"].to_pylist()) == {"generator"}
    assert len(requests_by_replica(samples)) == REPLICAS
