"""A run in a cluster, from its servers to its storage."""

from contextlib import nullcontext
from datetime import UTC, datetime

import pyarrow as pa

from loadtest.run import pod as layout
from provider.cluster.api import Cluster
from provider.cluster.job_pod import pods_of, start_job
from provider.cluster.job_result import finish_job
from provider.cluster.load_job import RunRecord, job
from provider.cluster.pod_sampler import PodSampler, samples_of
from provider.cluster.server_count import ServerCount
from provider.cluster.servers import replace_servers, replicas_of, wait_for_servers
from provider.cluster.store_run import job_kept_until_saved, store_result
from provider.live_metrics import live_metrics
from provider.load_test_inputs import ClusterLoadTestInputs
from provider.progress import progress_reporter
from provider.record.fresh_deployment import must_restart
from provider.record.provenance import git_commit
from provider.record.repeats import FinishedRun, PlannedRun
from provider.resource import Operation


def run_once(cluster: Cluster, inputs: ClusterLoadTestInputs, run: PlannedRun, operation: Operation) -> FinishedRun:
    autoscaled, limit_s = inputs.autoscaler is not None, inputs.start_timeout_s
    servers = wait_for_servers(cluster, inputs.selector, inputs.replicas, limit_s, operation, autoscaled=autoscaled)
    if must_restart(inputs, servers):
        operation.info("restarting the servers, so that this run has a deployment of its own")
        servers = replace_servers(cluster, inputs.selector, servers, limit_s, operation, autoscaled=autoscaled)
    record = RunRecord(
        run=run,
        inputs=inputs,
        servers=tuple(servers),
        replicas=replicas_of(cluster, servers, operation.info),
        started_at=datetime.now(UTC),
        commit=git_commit(),
    )
    # The counters of servers that come and go are of no use: they are read at the beginning and at the end.
    rest_urls = {server.name: server.rest_url for server in servers if server.rest_url and not autoscaled}
    # Without a parent process: the cluster ends the generator, at the latest at the Job's deadline.
    pods = pods_of(cluster, job(record, inputs.plan(layout.WORK_DIR, rest_urls, run.index)))
    with (
        job_kept_until_saved(pods, record, operation),
        live_metrics(inputs.labels(run.run_id), operation.info) as live,
    ):
        count = ServerCount(cluster, inputs.selector)
        with (
            PodSampler(cluster, [server.name for server in servers], operation.info) as sampler,
            count if autoscaled else nullcontext(),
        ):
            start_job(pods, limit_s, operation)
            result = finish_job(pods, record.work_folder, operation, progress_reporter(operation, live))
        samples = [samples_of(sampler.readings, result.clock), count.samples(result.clock)]
        return store_result(record, pods, result, pa.concat_tables(samples), operation, live)
