"""The load test in a cluster, as a resource: nothing but the Kubernetes API is used to run it and to bring it back."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from loadtest.result.outcome import LoadTestOutcome, outcome_of
from loadtest.result.raw_rows import read_spools
from loadtest.result.samples import read_all_samples
from loadtest.run import pod as layout
from loadtest.run.planning import Asked, patience_s, plan_of
from provider.cluster.api import Cluster
from provider.cluster.load_job import GENERATOR, JobSpec, job, selector_of
from provider.cluster.load_run import Brought, LoadRun, Patience, remove
from provider.cluster.pod_status import image_id
from provider.cluster.server_pods import ServerPod, image_of, reasons_against_servers, server_pods
from provider.record.repeats import OneRun, run_all
from provider.record.run_record import Circumstances, keep, model_name
from provider.resource import Operation, Props, ResourceError
from provider.resources.measurement import Measurement
from provider.resources.progress import reporter
from provider.sampling.pod_sampler import PodSampler
from provider.sampling.pod_samples import samples_of
from serving.servers import server_named
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
        brought = _bring_back(cluster, this.run_id, inputs, before, operation)
    after = server_pods(cluster.pods(_selector(inputs["selector"])))
    outcome = _outcome(brought, work_dir, inputs, started_at, reasons_against_servers(before, after))
    outcome = replace(outcome, samples=pa.concat_tables([outcome.samples, samples_of(servers.readings, brought.clock)]))
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


def _bring_back(
    cluster: Cluster, run_id: str, inputs: Props, servers: list[ServerPod], operation: Operation
) -> Brought:
    counters_path = server_named(inputs["serving"]["server"]).counters_path
    asked = Asked(
        profile=load_profile(inputs["profile"]),
        protocol=inputs["serving"]["protocol"],
        base_url=inputs["baseUrl"],
        model_name=model_name(inputs),
        processes=int(inputs["processes"]),
        pages={server.name: server.rest_url + counters_path for server in servers if server.rest_url},
    )
    # No parent: the cluster ends it, at the latest when the Job's time is over.
    plan = plan_of(asked, layout.WORK_DIR, parent_pid=None)
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
    patience = Patience(start_s=spec.start_timeout_s, test_s=patience_s(plan))
    return LoadRun(cluster, operation, job(spec, run_id, plan), patience, reporter(operation)).bring_back()


def _outcome(
    brought: Brought,
    work_dir: Path,
    inputs: Props,
    started_at: datetime,
    against_servers: tuple[str, ...],
) -> LoadTestOutcome:
    profile, processes = load_profile(inputs["profile"]), int(inputs["processes"])
    work_dir.mkdir(parents=True)
    for name, content in brought.files.items():
        (work_dir / name).write_bytes(content)
    (work_dir / "locust.log").write_text(brought.log)
    spool = read_spools(work_dir, processes)
    outcome = outcome_of(brought.ending, spool, profile, started_at, "(unknown)", against_servers)
    return replace(outcome, processes=processes, samples=read_all_samples(work_dir, processes))


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
