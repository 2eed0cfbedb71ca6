"""The inputs of the load tests, on this machine and in a cluster, and those that name a cluster."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from analysis.results.schema import manifest
from analysis.results.schema.manifest import Deployed
from loadtest.generator.plan import LoadTestPlan, load_plan, repeat_of
from loadtest.run.payload import outputs_of
from provider.resource import ResourceInputs
from serving.servers import server_named
from stacks.load.load_profiles import LoadProfile
from stacks.machines.autoscaler import Autoscaler
from stacks.machines.shapes import NodeShape
from stacks.server.models import RESNET50, Model
from stacks.sweep_place import SweepPlace


class ServingInputs(Deployed):
    """The deployed variant with its server and model.

    It is analysis.results.schema.manifest.Serving, but for image and replicas.
    """

    server: str
    server_version: str
    model: manifest.Model


class LoadTestInputs(ResourceInputs):
    """What both have: server, load, and what the run is stored with. components.load_test documents the fields."""

    stack: str
    platform: Literal["local", "kubernetes", "gke", "service"]
    base_url: str
    fingerprint: str
    serving: ServingInputs
    model: Model
    payload_digest: str
    check_answers: Literal["values", "shape", "off"]
    tolerance: float
    profile: LoadProfile
    shape: NodeShape
    region: str
    repeats: int
    fresh_deployment: bool
    processes: int
    pods: int = 1
    rerun: str
    # Not in the state of an earlier version.
    sweep: SweepPlace | None = None
    results: str
    work_dir: str

    @model_validator(mode="before")
    @classmethod
    def _what_earlier_versions_did(cls, values: Any) -> Any:  # noqa: ANN401 - unvalidated input
        """In the records of runs that they began."""
        if not isinstance(values, dict) or "checkAnswers" in values:
            return values
        return {"model": RESNET50, "payload_digest": "", "check_answers": "shape", "tolerance": 0.0, **values}

    def plan(
        self, work_dir: PurePath, rest_urls: Mapping[str, str], repeat: int = 1, server_pid: int | None = None
    ) -> LoadTestPlan:
        """The generator's plan. `rest_urls` are those of the servers, by the names that samples have.

        `repeat` is the number of the run among the repeats, from 1 on.
        """
        # The arguments are those of an image whose counters are not known.
        is_known = self.serving.server_args is None
        counters_path = server_named(self.serving.server).counters_path if is_known else None
        return LoadTestPlan(
            load=repeat_of(load_plan(self.profile.plan_values), repeat, self.rerun),
            protocol=self.serving.protocol,
            base_url=self.base_url,
            model_name=self.model.name,
            work_dir=str(work_dir),
            outputs=outputs_of(self.model),
            check=self.check_answers,
            tolerance=self.tolerance,
            processes=self.processes,
            pods=self.pods,
            counter_urls={name: url + counters_path for name, url in rest_urls.items()} if counters_path else {},
            server_pid=server_pid,
            grpc_threads=self.serving.grpc_threads,
            replicas=self.shape.nodes,
        )

    def labels(self, run_id: str) -> dict[str, str]:
        """What each metric of a run says of it: the variant, and the run's id."""
        return {
            "stack": self.stack,
            "platform": self.platform,
            "machine_type": self.shape.machine_type,
            "nodes": str(self.shape.nodes),
            "server": self.serving.server,
            "protocol": self.serving.protocol,
            "model": self.model.name,
            "run_id": run_id,
        }


class LocalLoadTestInputs(LoadTestInputs):
    """components.load_test.local.LoadTestArgs, as the engine sends it."""

    rest_url: str
    # None of a service that this project did not start.
    server_log: str | None
    payload: str
    start_timeout_s: float


class NamespaceInputs(ResourceInputs):
    """The kubeconfig's text, whose current context is used; without one, the user's own and its context `context`."""

    kubeconfig: Annotated[str | None, Field(repr=False)] = None
    context: str | None = None
    namespace: str


class ClusterInputs(NamespaceInputs):
    """A namespace of a cluster, and the server's pods in it."""

    selector: Mapping[str, str]
    replicas: int


class ClusterLoadTestInputs(LoadTestInputs, ClusterInputs):
    """components.load_test.cluster.ClusterLoadTestRunArgs, as the engine sends it."""

    # Not in the record of a run that an earlier version began.
    autoscaler: Autoscaler | None = None
    generator_image: str
    node_selector: Mapping[str, str]
    start_timeout_s: float
    scripts: str
    # The names of the ConfigMaps with its parts. Earlier versions had one.
    payload: tuple[str, ...]
    service_account: str

    @field_validator("payload", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:  # noqa: ANN401 - unvalidated input
        return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value
