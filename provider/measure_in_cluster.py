"""A run in a cluster, from its servers to its storage."""

import secrets
import shutil
from datetime import UTC, datetime
from pathlib import Path

from loadtest.run import pod as layout
from provider.cluster.api import Cluster
from provider.cluster.fresh_servers import replace_servers
from provider.cluster.job_pod import JobPod
from provider.cluster.load_job import job
from provider.cluster.load_run import finish_job, start_job
from provider.cluster.pod_machine import replicas_of
from provider.cluster.server_start import wait_for_servers
from provider.cluster_run.marker import Marker
from provider.cluster_run.run_record import RunRecord
from provider.cluster_run.store_result import job_kept_until_saved, store_result
from provider.load_test_inputs import ClusterLoadTestInputs
from provider.progress import progress_reporter
from provider.record.fresh_deployment import must_restart
from provider.record.provenance import git_commit
from provider.record.repeats import FinishedRun, PlannedRun
from provider.resource import Operation
from provider.sampling.pod_sampler import PodSampler, samples_of


def run_once(cluster: Cluster, inputs: ClusterLoadTestInputs, run: PlannedRun, operation: Operation) -> FinishedRun:
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
