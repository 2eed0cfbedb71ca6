"""The load test in a cluster: a Job runs it, and its rows are fetched through the Kubernetes API."""

import secrets
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import ClassVar

from loadtest.run import pod as layout
from provider.cluster.api import REQUIRED_RIGHTS, RESTART_RIGHTS, Cluster
from provider.cluster.connection import connect
from provider.cluster.fresh_servers import replace_servers
from provider.cluster.job_pod import JobPod
from provider.cluster.load_job import job
from provider.cluster.load_run import finish_job, start_job
from provider.cluster.pod_machine import replicas_of
from provider.cluster.server_start import wait_for_servers
from provider.cluster_run.left_jobs import Destination, collect_left_jobs
from provider.cluster_run.marker import Marker
from provider.cluster_run.run_record import RunRecord
from provider.cluster_run.store_result import job_kept_until_saved, store_result
from provider.load_test_inputs import ClusterLoadTestInputs
from provider.record.fresh_deployment import must_restart
from provider.record.provenance import git_commit
from provider.record.repeats import FinishedRun, PlannedRun, RunOnce
from provider.resource import Operation, ResourceError
from provider.resources.load_test import LoadTest, progress_reporter
from provider.sampling.pod_sampler import PodSampler, samples_of


class ClusterLoadTest(LoadTest[ClusterLoadTestInputs]):
    """Run by Locust in a pod of the cluster."""

    token: ClassVar[str] = "shapebench:kubernetes:LoadTest"  # noqa: S105 - Pulumi's name for a type
    inputs = ClusterLoadTestInputs
    triggers: ClassVar[frozenset[str]] = LoadTest.triggers | {"generatorImage"}
    secrets: ClassVar[frozenset[str]] = frozenset({"kubeconfig"})

    def __init__(self, connect: Callable[[ClusterLoadTestInputs, Operation], Cluster] | None = None) -> None:
        self._connect = connect or _connect

    def prepare(self, inputs: ClusterLoadTestInputs, operation: Operation) -> RunOnce:
        cluster = self._connect(inputs, operation)
        to = Destination(inputs.stack, inputs.namespace, inputs.results, Path(inputs.work_dir))
        collect_left_jobs(cluster, to, operation)
        return partial(_run_once, cluster, inputs)


def _connect(inputs: ClusterLoadTestInputs, operation: Operation) -> Cluster:
    api = connect(inputs, operation, "; a test that runs there continues")
    required = REQUIRED_RIGHTS + RESTART_RIGHTS if inputs.fresh_deployment else REQUIRED_RIGHTS
    if missing := api.missing_rights(required):
        raise ResourceError(
            f"the kubeconfig's user lacks permissions in namespace {inputs.namespace}: {', '.join(missing)}; the load"
            " test needs them to run and to fetch its rows; bind a Role with them to that user"
        )
    return api


def _run_once(cluster: Cluster, inputs: ClusterLoadTestInputs, run: PlannedRun, operation: Operation) -> FinishedRun:
    folder = Path(inputs.work_dir) / run.run_id
    servers = wait_for_servers(cluster, inputs.selector, inputs.replicas, inputs.start_timeout_s, operation)
    if must_restart(inputs, servers):
        operation.info("restarting the servers, so that this run has a deployment of its own")
        servers = replace_servers(cluster, inputs.selector, servers, inputs.start_timeout_s, operation)
    record = RunRecord(
        run=run,
        inputs=inputs,
        servers=tuple(servers),
        replicas=replicas_of(cluster, servers, operation.info),
        started_at=datetime.now(UTC),
        commit=git_commit(),
    )
    rest_urls = {server.name: server.rest_url for server in servers if server.rest_url}
    # Without a parent process: the cluster ends the generator, at the latest at the Job's deadline.
    plan = inputs.plan(layout.WORK_DIR, rest_urls, run.index)
    token = secrets.token_urlsafe()
    pod = JobPod(cluster, job(inputs, run.run_id, plan, token, record.annotations()), token)
    Marker(stack=inputs.stack, cluster=cluster.cluster, namespace=inputs.namespace, job=pod.job_name).write(folder)
    with job_kept_until_saved(pod, inputs.namespace, folder, operation):
        with PodSampler(cluster, [server.name for server in servers], operation.info) as sampler:
            start_job(pod, inputs.start_timeout_s, operation)
            result = finish_job(pod, folder, plan.timeout_s, operation, progress_reporter(operation))
        samples = samples_of(sampler.readings, result.clock)
        finished = store_result(record, plan, result, cluster, samples, operation)
        shutil.rmtree(folder)
    return finished
