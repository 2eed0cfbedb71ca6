"""A run in a cluster, from its servers to its storage."""

from datetime import UTC, datetime

from loadtest.run import pod as layout
from provider.cluster.api import Cluster
from provider.cluster.job_pod import pods_of, start_job
from provider.cluster.job_result import finish_job
from provider.cluster.load_job import RunRecord, job
from provider.cluster.pod_sampler import PodSampler, samples_of
from provider.cluster.servers import replace_servers, replicas_of, wait_for_servers
from provider.cluster.store_run import job_kept_until_saved, store_result
from provider.load_test_inputs import ClusterLoadTestInputs
from provider.progress import progress_reporter
from provider.record.fresh_deployment import must_restart
from provider.record.provenance import git_commit
from provider.record.repeats import FinishedRun, PlannedRun
from provider.resource import Operation


def run_once(cluster: Cluster, inputs: ClusterLoadTestInputs, run: PlannedRun, operation: Operation) -> FinishedRun:
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
    pods = pods_of(cluster, job(record, inputs.plan(layout.WORK_DIR, rest_urls, run.index)))
    with job_kept_until_saved(pods, record, operation):
        with PodSampler(cluster, [server.name for server in servers], operation.info) as sampler:
            start_job(pods, inputs.start_timeout_s, operation)
            result = finish_job(pods, record.work_folder, operation, progress_reporter(operation))
        return store_result(record, pods, result, samples_of(sampler.readings, result.clock), operation)
