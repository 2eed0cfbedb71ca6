"""Fetches and stores what load tests of interrupted updates left in their Jobs, and deletes these Jobs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from analysis.results.schema.samples import SAMPLES_SCHEMA
from analysis.results.storage.store import ResultsStore
from analysis.results.storage.store_files import StoreError
from loadtest.result.validity.termination import EndedByRunner
from provider.cluster.api import Cluster, ClusterError, Json
from provider.cluster.job_pod import JobPod, delete_job, pods_of
from provider.cluster.job_result import finish_job
from provider.cluster.load_job import GENERATOR, SIDECAR, RunRecord, jobs_selector, record_of
from provider.cluster.pod_status import loss_reason
from provider.cluster.store_run import job_kept_until_saved, marked, store_result, unmark, where_rows_are
from provider.record.record_run import InvalidRunError, UnsavedRunError
from provider.resource import Operation, ResourceError


@dataclass(frozen=True)
class Destination:
    """The stack whose Jobs are looked for, and where their runs are stored."""

    stack: str
    namespace: str
    results: str
    work_dir: Path


def collect_left_jobs(cluster: Cluster, to: Destination, operation: Operation) -> None:
    """Store the runs of all Jobs that are left, and delete the Jobs.

    Raises ResourceError where a Job holds rows that cannot be fetched or stored; the Job then stays.
    """
    for job in cluster.jobs(jobs_selector(to.stack)):
        _collect(cluster, job, to, operation)
    for folder, marker in marked(to.work_dir, to.stack):
        if marker.cluster != cluster.cluster:
            operation.info(
                f"the rows of run {folder.name} are in the Job {marker.job} of another cluster, {marker.cluster}; an"
                f" update of the stack in that cluster fetches them; if that cluster is gone, delete {folder}"
            )
        elif marker.namespace == to.namespace:
            operation.info(f"the rows of run {folder.name} are lost: the Job {marker.job} that held them is gone")
            unmark(folder)


def collect_before_deletion(connect: Callable[[], Cluster], to: Destination, operation: Operation) -> None:
    """The same before the Jobs are deleted with their cluster or namespace, which may be gone already.

    Raises ResourceError where the cluster cannot be reached, too, if this machine knows of rows in it.
    """
    cluster = None
    try:
        cluster = connect()
        cluster.jobs(jobs_selector(to.stack))
    except ClusterError as error:
        there = (each for each in marked(to.work_dir, to.stack) if not cluster or each[1].cluster == cluster.cluster)
        known = next(there, None)
        if known is None:
            operation.info(
                f"the cluster could not be asked for rows of interrupted load tests ({error}), so none are fetched; no"
                " update on this machine left any"
            )
            return
        folder, marker = known
        raise ResourceError(f"{error}. {where_rows_are(marker, folder)}") from error
    collect_left_jobs(cluster, to, operation)


def _collect(cluster: Cluster, job: Json, to: Destination, operation: Operation) -> None:
    pods = pods_of(cluster, job)
    name = pods[0].job_name
    left = f"{name}, a load test that an interrupted update left behind"
    nothing = [_nothing_to_fetch(pod) for pod in pods]
    if all(nothing):
        operation.info(f"deleting {left}; {nothing[0]}")
        delete_job(pods[0])
        return
    record = record_of(job)
    if record is None:
        raise ResourceError(
            f"the Job {left}, may hold rows, but its record of the run is missing or of another version of this"
            " project, so the run cannot be stored; run `pulumi up` or `pulumi destroy` from the checkout that started"
            f" it, or, to drop its rows, `kubectl delete job {name} --namespace {to.namespace}`"
        )
    run_id, record = record.run.run_id, record.at(to.results, to.work_dir)
    with job_kept_until_saved(pods, record, operation):
        if _is_stored(record):
            operation.info(f"deleting {left}; its run {run_id} is stored")
        else:
            operation.info(f"fetching the rows of run {run_id} from {left}")
            for pod, why in zip(pods, nothing, strict=True):
                if not why:
                    pod.require_sidecar()
            _fetch_and_store(record, pods, operation)


def _nothing_to_fetch(pod: JobPod) -> str | None:
    """Why there are no rows to fetch; None where there may be some."""
    status = pod.read()
    if status is None:
        return "it has no pod any more"
    if lost := loss_reason(status):
        return lost
    if not pod.has_started(GENERATOR):
        return "its test had not started"
    return None if "running" in pod.state(SIDECAR) else "its sidecar has ended, and its rows are lost"


def _is_stored(record: RunRecord) -> bool:
    try:
        return ResultsStore(record.inputs.results).is_finished(record.inputs.stack, record.run.run_id)
    except StoreError as error:
        raise UnsavedRunError(str(error)) from error


def _fetch_and_store(record: RunRecord, pods: Sequence[JobPod], operation: Operation) -> None:
    # When the generator ended; none while it runs, or where the kubelet does not know.
    ended = (pods[0].state(GENERATOR).get("terminated") or {}).get("finishedAt")
    result = finish_job(pods, record.work_folder, operation, lambda _: None, EndedByRunner.LEFT)
    termination = replace(result.termination, ended_at=datetime.fromisoformat(ended) if ended else None)
    ResultsStore(record.inputs.results).remove_unfinished(record.inputs.stack, record.run.run_id)
    try:
        store_result(record, pods, replace(result, termination=termination), SAMPLES_SCHEMA.empty_table(), operation)
    except InvalidRunError as error:
        operation.info(str(error))
