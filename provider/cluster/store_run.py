"""Stores the run of a Job, and keeps the Job until its rows are saved.

Until then the run's work folder has a file that says where the rows are: in a cluster and nowhere else.
"""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from pydantic import ValidationError

from analysis.results.run.hosts import cluster_hosts
from analysis.results.storage.file_system import write_to_disk
from loadtest.result.outcome import outcome_of
from loadtest.result.raw_rows import read_all_raw_rows
from loadtest.result.samples import read_all_samples
from loadtest.result.servers import Servers
from provider.cluster.api import ClusterError, selector_of
from provider.cluster.job_pod import JobPod, remove_job
from provider.cluster.job_result import JobResult
from provider.cluster.load_job import GENERATOR, KEEP_S, RunRecord, plan_of
from provider.cluster.pod_status import image_id
from provider.cluster.servers import image_of, server_pods
from provider.live_metrics import LiveMetrics
from provider.record.record_run import RunEnvironment, UnsavedRunError, record_run
from provider.record.repeats import FinishedRun
from provider.resource import Operation, ResourceError
from stacks.frozen import Frozen

_MARKER = "unfetched.json"


class Marker(Frozen):
    """Where rows are; `cluster` is provider.cluster.api.Cluster.cluster."""

    stack: str
    cluster: str
    namespace: str
    job: str


def marked(work_dir: Path, stack: str) -> Iterator[tuple[Path, Marker]]:
    """The work folders of a stack whose rows are in a cluster and nowhere else."""
    for file in sorted(work_dir.glob(f"*/{_MARKER}")):
        with contextlib.suppress(OSError, ValidationError):  # a file that was cut off marks nothing
            marker = Marker.model_validate_json(file.read_bytes())
            if marker.stack == stack:
                yield file.parent, marker


def unmark(folder: Path) -> None:
    """Remove the mark, and the folder where nothing else is in it."""
    (folder / _MARKER).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # it holds the log of an invalid run, or a run to import
        folder.rmdir()


def where_rows_are(marker: Marker, folder: Path) -> str:
    """What a user has to know about rows that are in a Job only."""
    return (
        f"The rows of run {folder.name} are in the Job {marker.job} of namespace {marker.namespace}, which keeps them"
        f" for {KEEP_S / 3600:g} h after the test; the next `pulumi up` or `pulumi destroy` fetches and stores them. To"
        f" drop them, run `kubectl delete job {marker.job} --namespace {marker.namespace}`, or, if the cluster is gone,"
        f" delete {folder}"
    )


@contextlib.contextmanager
def job_kept_until_saved(pods: Sequence[JobPod], record: RunRecord, operation: Operation) -> Iterator[None]:
    """Marks the work folder, and deletes the Job at the end, unless its rows are nowhere else.

    In that case a ResourceError says where they are.
    """
    folder, inputs = record.work_folder, record.inputs
    first = pods[0]
    marker = Marker(stack=inputs.stack, cluster=first.cluster.cluster, namespace=inputs.namespace, job=first.job_name)
    folder.mkdir(parents=True, exist_ok=True)
    write_to_disk(folder / _MARKER, marker.model_dump_json().encode())
    try:
        yield
    except (ClusterError, OSError, UnsavedRunError) as error:
        if any(pod.has_started(GENERATOR) for pod in pods):
            raise ResourceError(f"{error}. {where_rows_are(marker, folder)}") from error
        _remove(pods, folder, operation)
        raise
    except ResourceError:  # nothing was measured, or the run is invalid and stored
        _remove(pods, folder, operation)
        raise
    _remove(pods, folder, operation)


def _remove(pods: Sequence[JobPod], folder: Path, operation: Operation) -> None:
    remove_job(pods, operation)
    unmark(folder)


def store_result(
    record: RunRecord,
    pods: Sequence[JobPod],
    result: JobResult,
    server_samples: pa.Table,
    operation: Operation,
    live: LiveMetrics | None = None,
) -> FinishedRun:
    """Write the run to the results store; raises ResourceError as `record_run` does.

    The generator's files are in the work folder, which is deleted with the raw rows of a valid run.
    """
    first, folder, inputs = pods[0], record.work_folder, record.inputs
    plan = plan_of(first.job)
    now = server_pods(first.cluster.pods(selector_of(inputs.selector)))
    environment = _environment(record, pods)
    nodes = {replica.name: replica.node for replica in record.replicas}
    autoscaled = inputs.autoscaler is not None
    hosts = cluster_hosts(nodes, inputs.shape.vcpus, environment.generator_nodes, autoscaled=autoscaled)
    servers = Servers(
        inputs.replicas,
        record.servers,
        now,
        seen_late=result.termination.ended_at is not None,
        hosts=hosts,
        autoscaled=autoscaled,
    )
    (folder / "locust.log").write_text(result.log)
    rows = read_all_raw_rows(folder, plan.workers)
    samples = pa.concat_tables([read_all_samples(folder, plan.workers), server_samples])
    outcome = outcome_of(plan, result.termination, rows, samples, servers, record.started_at)
    finished = record_run(record.run, inputs, outcome, environment, operation, live)
    shutil.rmtree(folder)
    return finished


def _environment(record: RunRecord, pods: Sequence[JobPod]) -> RunEnvironment:
    generator_image = image_id(pods[0].status, GENERATOR)
    nodes = tuple(pod.node for pod in pods)
    return RunEnvironment(
        image=image_of(record.servers),
        replicas=record.replicas,
        generator_node=nodes[0],
        generator_nodes=nodes,
        shares_host_with_server=not set(nodes).isdisjoint(server.node for server in record.servers),
        software={"generator image": generator_image} if generator_image else {},
        autoscaler=record.inputs.autoscaler,
        commit=record.commit,
    )
