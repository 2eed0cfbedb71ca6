"""Stores the run of a Job from its record and what was fetched from its pod."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from analysis.results.hosts import cluster_hosts
from loadtest.generator.plan import LoadTestPlan
from loadtest.result.outcome import outcome_of
from loadtest.result.raw_rows import read_all_raw_rows
from loadtest.result.samples import read_all_samples
from loadtest.result.servers import Servers
from provider.cluster.api import Cluster, ClusterError
from provider.cluster.job_pod import JobPod
from provider.cluster.job_result import JobResult
from provider.cluster.load_job import GENERATOR, KEEP_S
from provider.cluster.load_run import remove_job
from provider.cluster.pod_status import container_state, image_id
from provider.cluster.server_pods import image_of, selector_of, server_pods
from provider.cluster_run.marker import unmark
from provider.cluster_run.run_record import RunRecord
from provider.record.record_run import RunEnvironment, UnsavedRunError, record_run
from provider.record.repeats import FinishedRun
from provider.resource import Operation, ResourceError


@contextmanager
def job_kept_until_saved(pod: JobPod, namespace: str, folder: Path, operation: Operation) -> Iterator[None]:
    """Deletes the Job at the end, unless its rows are nowhere else; then a ResourceError says where they are."""
    try:
        yield
    except (ClusterError, OSError, UnsavedRunError) as error:
        if pod.last_seen is not None and container_state(pod.last_seen, GENERATOR).keys() & {"running", "terminated"}:
            raise ResourceError(f"{error}. {where_rows_are(pod.job_name, namespace, folder)}") from error
        _remove(pod, folder, operation)
        raise
    except ResourceError:  # nothing was measured, or the run is invalid and stored
        _remove(pod, folder, operation)
        raise
    _remove(pod, folder, operation)


def _remove(pod: JobPod, folder: Path, operation: Operation) -> None:
    remove_job(pod, operation)
    unmark(folder)


def where_rows_are(job_name: str, namespace: str, folder: Path) -> str:
    """What a user has to know about rows that are in a Job only."""
    return (
        f"The rows of run {folder.name} are in the Job {job_name} of namespace {namespace}, which keeps them for"
        f" {KEEP_S / 3600:g} h after the test; the next `pulumi up` or `pulumi destroy` fetches and stores them. To"
        f" drop them, run `kubectl delete job {job_name} --namespace {namespace}`, or, if the cluster is gone, delete"
        f" {folder}"
    )


def store_result(
    record: RunRecord,
    plan: LoadTestPlan,
    result: JobResult,
    cluster: Cluster,
    server_samples: pa.Table,
    operation: Operation,
) -> FinishedRun:
    """Write the run to the results store; raises ResourceError as `record_run` does.

    The generator's files are in the work folder.
    """
    inputs = record.inputs
    folder = Path(inputs.work_dir) / record.run.run_id
    now = server_pods(cluster.pods(selector_of(inputs.selector)))
    environment = _environment(record, result)
    nodes = {replica.name: replica.node for replica in record.replicas}
    hosts = cluster_hosts(nodes, inputs.shape.vcpus, environment.generator_node)
    servers = Servers(inputs.replicas, record.servers, now, result.termination.ended_at is not None, hosts)
    (folder / "locust.log").write_text(result.log)
    rows = read_all_raw_rows(folder, plan.processes)
    samples = pa.concat_tables([read_all_samples(folder, plan.processes), server_samples])
    outcome = outcome_of(plan, result.termination, rows, samples, servers, record.started_at)
    return record_run(record.run, inputs, outcome, environment, operation)


def _environment(record: RunRecord, result: JobResult) -> RunEnvironment:
    node = result.pod["spec"].get("nodeName")
    generator_image = image_id(result.pod, GENERATOR)
    return RunEnvironment(
        image=image_of(record.servers),
        replicas=record.replicas,
        generator_node=node,
        shares_host_with_server=node in {server.node for server in record.servers},
        software={"generator image": generator_image} if generator_image else {},
        commit=record.commit,
    )
