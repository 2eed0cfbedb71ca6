"""The load test in a cluster: a Job runs it, and its rows are fetched through the Kubernetes API."""

import secrets
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from analysis.results.manifest import Replica
from loadtest.result.outcome import outcome_of
from loadtest.result.raw_rows import read_all_raw_rows
from loadtest.result.samples import read_all_samples
from loadtest.result.validity.servers import Servers
from loadtest.run import pod as layout
from provider.cluster.api import REQUIRED_RIGHTS, RESTART_RIGHTS, Cluster
from provider.cluster.connection import connect
from provider.cluster.fresh_servers import replace_servers
from provider.cluster.job_pod import JobPod
from provider.cluster.job_result import JobResult
from provider.cluster.load_job import GENERATOR, job, jobs_selector
from provider.cluster.load_run import delete_and_wait, run_job
from provider.cluster.pod_machine import replicas_of
from provider.cluster.pod_status import image_id
from provider.cluster.server_pods import ServerPod, image_of, selector_of, server_pods
from provider.cluster.server_start import wait_for_servers
from provider.load_test_inputs import ClusterLoadTestInputs
from provider.record.fresh_deployment import must_restart
from provider.record.record_run import RunEnvironment, record_run
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
        for left in cluster.jobs(jobs_selector(inputs.stack)):
            name = left["metadata"]["name"]
            operation.info(f"deleting {name}, a load test that an interrupted update left behind")
            delete_and_wait(cluster, name)
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
    work_dir = Path(inputs.work_dir) / run.run_id
    before = wait_for_servers(cluster, inputs.selector, inputs.replicas, inputs.start_timeout_s, operation)
    if must_restart(inputs, before):
        operation.info("restarting the servers, so that this run has a deployment of its own")
        before = replace_servers(cluster, inputs.selector, before, inputs.start_timeout_s, operation)
    replicas = replicas_of(cluster, before, operation.info)
    started_at = datetime.now(UTC)
    rest_urls = {server.name: server.rest_url for server in before if server.rest_url}
    # Without a parent process: the cluster ends the generator, at the latest at the Job's deadline.
    plan = inputs.plan(layout.WORK_DIR, rest_urls)
    token, report = secrets.token_urlsafe(), progress_reporter(operation)
    pod = JobPod(cluster, job(inputs, run.run_id, plan, token), token)
    work_dir.mkdir(parents=True)
    with PodSampler(cluster, [server.name for server in before], operation.info) as sampler:
        try:
            result = run_job(pod, work_dir, inputs.start_timeout_s, plan.timeout_s, operation, report)
        except BaseException:
            shutil.rmtree(work_dir)
            raise
    servers = Servers(inputs.replicas, before, server_pods(cluster.pods(selector_of(inputs.selector))))
    (work_dir / "locust.log").write_text(result.log)
    rows = read_all_raw_rows(work_dir, plan.processes)
    server_samples = samples_of(sampler.readings, result.clock)
    samples = pa.concat_tables([read_all_samples(work_dir, plan.processes), server_samples])
    outcome = outcome_of(plan, result.termination, rows, samples, servers, started_at)
    finished = record_run(run, inputs, outcome, _environment(before, replicas, result), operation)
    shutil.rmtree(work_dir)
    return finished


def _environment(servers: list[ServerPod], replicas: tuple[Replica, ...], result: JobResult) -> RunEnvironment:
    node = result.pod["spec"].get("nodeName")
    generator_image = image_id(result.pod, GENERATOR)
    return RunEnvironment(
        image=image_of(servers),
        replicas=replicas,
        generator_node=node,
        shares_host_with_server=node in {server.node for server in servers},
        software={"generator image": generator_image} if generator_image else {},
    )
