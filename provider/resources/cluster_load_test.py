"""The load test in a cluster, as a resource: nothing but the Kubernetes API is used to run it and to bring it back."""

import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from loadtest.generator.plan import LoadTestPlan, load_plan
from loadtest.result.outcome import LoadTestOutcome, outcome_of
from loadtest.result.raw_rows import read_all_raw_rows
from loadtest.result.samples import read_all_samples
from loadtest.result.validity.servers import Servers
from loadtest.run import pod as layout
from provider.cluster.api import Cluster
from provider.cluster.load_job import GENERATOR, JobSpec, job, selector_of
from provider.cluster.load_run import Brought, LoadRun, Patience, remove
from provider.cluster.pod_status import image_id
from provider.cluster.server_pods import ServerPod, image_of, server_pods
from provider.record.repeats import OneRun, run_all
from provider.record.run_record import Circumstances, keep, model_name
from provider.resource import Operation, Props, ResourceError
from provider.resources.measurement import Measurement
from provider.resources.progress import reporter
from provider.sampling.pod_sampler import PodSampler
from provider.sampling.pod_samples import samples_of
from stacks.load_profiles import load_profile

_LOOK_S = 1.0

# What the kubeconfig's user must be allowed to do in the namespace: (verb, resource).
NEEDED_RIGHTS = (
    ("create", "jobs"),
    ("delete", "jobs"),
    ("list", "jobs"),
    ("list", "pods"),
    ("list", "events"),
    ("get", "pods/log"),
    ("get", "pods/exec"),
    ("create", "pods/exec"),
)


class ClusterLoadTest(Measurement):
    """Inputs: those of components.load_test.cluster.ClusterLoadTestRunArgs. Outputs: runId, headline and runIds."""

    token: ClassVar[str] = "shapebench:kubernetes:LoadTest"  # noqa: S105 - Pulumi's word for a type's name
    triggers: ClassVar[frozenset[str]] = frozenset(
        {"baseUrl", "fingerprint", "processes", "profile", "repeats", "rerun", "shape", "generatorImage"}
    )

    unkept: ClassVar[frozenset[str]] = frozenset({"kubeconfig"})

    def measure(self, inputs: Props, operation: Operation) -> Props:
        return run_in(_cluster(inputs, operation), inputs, operation)


def run_in(cluster: Cluster, inputs: Props, operation: Operation) -> Props:
    """Run the test in this cluster, as often as it shall be, and keep it; returns runId, headline and runIds."""
    for left in cluster.jobs(selector_of(inputs["stack"])):
        operation.say(f"removing {left['metadata']['name']}, a load test that an interrupted update left behind")
        remove(cluster, left["metadata"]["name"])
    return run_all(inputs, operation, partial(_run, cluster, inputs))


def _run(cluster: Cluster, inputs: Props, this: OneRun, operation: Operation) -> Props:
    work_dir = Path(inputs["workDir"]) / this.run_id
    before = _ready_servers(cluster, inputs, operation)
    started_at = datetime.now(UTC)
    with PodSampler(cluster, [server.name for server in before], operation.say) as servers:
        plan = _plan(inputs, before)
        brought = _bring_back(cluster, this.run_id, inputs, plan, operation)
    after = server_pods(cluster.pods(_selector(inputs["selector"])))
    of_servers = samples_of(servers.readings, brought.clock)
    outcome = _outcome(brought, work_dir, plan, of_servers, started_at, Servers(inputs["replicas"], before, after))
    kept = keep(this, inputs, outcome, _circumstances(inputs, before, brought), operation)
    shutil.rmtree(work_dir)
    return kept


def _cluster(inputs: Props, operation: Operation) -> Cluster:
    from provider.cluster.kube_api import Access, KubeApi  # noqa: PLC0415 - most updates need no client, and it is large

    def on_lost(seconds: float) -> None:
        operation.show(f"no connection to the cluster's API for {seconds:.0f} s; a test that runs there goes on")

    access = Access(inputs.get("kubeconfig"), inputs.get("context"))
    api = KubeApi(access, inputs["namespace"], operation.cancelled, on_lost)
    if forbidden := api.forbidden(NEEDED_RIGHTS):
        raise ResourceError(
            f"the kubeconfig's user may not {', '.join(forbidden)} in namespace {inputs['namespace']}, which the load"
            " test needs to run and to bring back its rows; have a Role with these rights bound to that user"
        )
    return api


def _ready_servers(cluster: Cluster, inputs: Props, operation: Operation) -> list[ServerPod]:
    """All of them, and no other; raises ResourceError where they do not come."""
    deadline = time.monotonic() + inputs["startTimeoutS"]
    while True:
        servers = server_pods(cluster.pods(_selector(inputs["selector"])))
        ready = sum(server.ready for server in servers)
        if ready == len(servers) == inputs["replicas"]:
            return servers
        state = f"{ready} of {len(servers)} servers are ready, and {inputs['replicas']} are declared"
        if operation.cancelled.is_set() or time.monotonic() > deadline:
            raise ResourceError(
                f"{state}, so nothing was measured;"
                f" `kubectl get pods -n {inputs['namespace']}` shows what they wait for"
            )
        operation.show(f"waiting for the servers: {state}")
        operation.cancelled.wait(_LOOK_S)


def _plan(inputs: Props, servers: list[ServerPod]) -> LoadTestPlan:
    # No parent: the cluster ends it, at the latest when the Job's time is over.
    return LoadTestPlan(
        load=load_plan(load_profile(inputs["profile"]).model_dump()),
        protocol=inputs["serving"]["protocol"],
        base_url=inputs["baseUrl"],
        model_name=model_name(inputs),
        work_dir=str(layout.WORK_DIR),
        processes=int(inputs["processes"]),
        counter_urls={server.name: server.page for server in servers if server.page},
    )


def _bring_back(cluster: Cluster, run_id: str, inputs: Props, plan: LoadTestPlan, operation: Operation) -> Brought:
    spec = JobSpec(
        namespace=inputs["namespace"],
        stack=inputs["stack"],
        image=inputs["generatorImage"],
        service_account=inputs["serviceAccount"],
        scripts=inputs["scripts"],
        payload=inputs["payload"],
        node_selector=inputs["nodeSelector"],
        start_timeout_s=inputs["startTimeoutS"],
    )
    patience = Patience(start_s=spec.start_timeout_s, test_s=plan.timeout_s)
    return LoadRun(cluster, operation, job(spec, run_id, plan), patience, reporter(operation)).bring_back()


def _outcome(
    brought: Brought,
    work_dir: Path,
    plan: LoadTestPlan,
    of_servers: pa.Table,
    started_at: datetime,
    servers: Servers,
) -> LoadTestOutcome:
    work_dir.mkdir(parents=True)
    for name, content in brought.files.items():
        (work_dir / name).write_bytes(content)
    (work_dir / "locust.log").write_text(brought.log)
    samples = pa.concat_tables([read_all_samples(work_dir, plan.processes), of_servers])
    rows = read_all_raw_rows(work_dir, plan.processes)
    return outcome_of(plan, brought.ending, rows, samples, servers, started_at)


def _circumstances(inputs: Props, servers: list[ServerPod], brought: Brought) -> Circumstances:
    node = brought.pod["spec"].get("nodeName")
    generator_image = image_id(brought.pod, GENERATOR)
    return Circumstances(
        image=image_of(servers),
        replicas=inputs["replicas"],
        shares_host_with_server=node in {server.node for server in servers},
        software={"generator image": generator_image} if generator_image else {},
    )


def _selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in labels.items())
