"""The settings of a stack, parsed once from its configuration into one frozen model.

Error messages quote a field's description: it says what a wrong value leads to, and what to give instead.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from stacks.explain import SettingsError, explain
from stacks.frozen import Frozen
from stacks.load.measurement import Measurement
from stacks.machines.autoscaler import AutoscalerSettings
from stacks.machines.gke import GkeSettings
from stacks.machines.kubernetes import KubernetesSettings
from stacks.machines.machine_series import machine_resources, machine_series
from stacks.machines.shapes import NodeShape, ShapeSettings
from stacks.server.image_server import ImageServerSettings, Port
from stacks.server.models import ModelSettings
from stacks.server.protocols import ProtocolFacts
from stacks.server.request_threads import RequestThreads
from stacks.server.servers import known_server, server_facts, server_in
from stacks.server.serving_variant import ServingSettings, ServingVariant
from stacks.sweep_place import SweepPlace


class LocalSettings(Frozen):
    """`shapebench:local`: how the server runs on this machine. For the platform `local` only."""

    server: Annotated[
        str,
        AfterValidator(known_server),
        Field(description="auto is the first other server that is on PATH, else the embedded server."),
    ]
    rest_port: Annotated[Port, Field(description="The REST port. Give a free one from 1024 on, such as 8501.")]
    grpc_port: Annotated[
        Port, Field(description="The gRPC port. Give a free one from 1024 on, such as 8500, but not the REST port.")
    ]
    start_timeout_s: Annotated[
        float,
        Field(gt=0, le=3600, description="Seconds until the server must be ready. Loading the model takes 10 to 60 s."),
    ]

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        if self.rest_port == self.grpc_port:
            raise ValueError(
                "restPort and grpcPort are the same, so only one of the two APIs could listen; give two ports"
            )
        return self


class Settings(Measurement):
    """All settings of a stack, validated. Keys are those of the stack file without `shapebench:`."""

    platform: Annotated[
        Literal["local", "kubernetes", "gke"],
        Field(
            description="Where the server runs: local (a process on this machine), kubernetes (an existing cluster) or"
            " gke (a cluster that the stack creates)."
        ),
    ]
    serving: Annotated[ServingSettings, Field(description="The serving variant: protocol, threads and batching.")]
    model: Annotated[
        ModelSettings, Field(description="The model that is served: weights of ResNet50, or another's path.")
    ]
    server: Annotated[
        ImageServerSettings | None,
        Field(
            description="Any image as the server in a cluster: image, args, protocol, ports and ready. Leave it out for"
            " the servingImage of the platform."
        ),
    ] = None
    autoscaler: Annotated[
        AutoscalerSettings | None,
        Field(
            description="A HorizontalPodAutoscaler: targetPercent, fewest and stabilizationS. Leave it out for as many"
            " servers as nodes."
        ),
    ] = None
    local: Annotated[LocalSettings, Field(description="How the server runs on this machine.")]
    kubernetes: Annotated[KubernetesSettings, Field(description="How the server runs in an existing cluster.")]
    gke: Annotated[GkeSettings, Field(description="How the stack creates its cluster.")]
    sweep: Annotated[
        SweepPlace | None,
        Field(
            description="Which candidate of which sweep this update measures. `shapebench sweep` sets it; leave it out."
        ),
    ] = None

    @model_validator(mode="after")
    def _this_machine_has_no_pods(self) -> Self:
        if self.platform == "local" and self.pods != 1:
            raise ValueError(
                f"shapebench:load.pods is {self.pods}, but on the platform local the generator is no pod; leave it out,"
                " and set load.processes"
            )
        return self

    @model_validator(mode="after")
    def _the_load_node_has_a_core_for_each_process(self) -> Self:
        vcpus = machine_resources(self.gke.load_machine_type)[0]
        if self.platform == "gke" and self.processes > vcpus:
            raise ValueError(
                f"shapebench:load.processes is {self.processes}, but a load node ({self.gke.load_machine_type}) has"
                f" {vcpus} vCPUs, so the processes would wait for each other; give {vcpus} at most, or a larger"
                " gke.loadMachineType"
            )
        return self

    @model_validator(mode="after")
    def _one_machine_is_one_node(self) -> Self:
        if self.platform == "local" and self.shape.nodes != 1:
            raise ValueError(
                f"shapebench:shape.nodes is {self.shape.nodes}, but this machine is one node, so the price of several"
                " would be compared with the throughput of one; give 1"
            )
        return self

    @model_validator(mode="after")
    def _the_autoscaler_has_something_to_follow(self) -> Self:
        why = None
        if self.autoscaler is None:
            return self
        if self.platform == "local":
            why = "is set, but the platform local has one server; remove it"
        elif self.seed_faithful:
            why = (
                f"is set, but {self.platform}.seedFaithful deploys pods without CPU requests, of which a"
                " HorizontalPodAutoscaler knows no utilisation; remove one of them"
            )
        elif self.load.mode != "curve":
            why = (
                f"is set, but load.mode is {self.load.mode}, which measures a fixed number of servers; set load.profile"
                " to curve, or remove it"
            )
        elif self.autoscaler.fewest > self.shape.nodes:
            why = f".fewest is {self.autoscaler.fewest}, but shape.nodes is {self.shape.nodes}; give that at most"
        if why:
            raise ValueError(f"shapebench:autoscaler{'' if why[0] == '.' else ' '}{why}")
        return self

    @model_validator(mode="after")
    def _the_cpu_limit_limits_something(self) -> Self:
        limit, machine, why = self.serving.cpu_limit, self.shape.machine_type, None
        vcpus, _ = machine_resources(machine)
        if limit is None:
            return self
        if self.platform == "local":
            why = "the platform local runs the server without a limit, so it would change nothing; leave it out"
        elif self.seed_faithful:
            why = f"{self.platform}.seedFaithful deploys without limits, so it would change nothing; leave it out"
        elif limit > vcpus:
            why = (
                f"a node ({machine}) has {vcpus} vCPUs, so it would limit nothing; give {vcpus} at most, or leave it"
                " out"
            )
        if why:
            raise ValueError(f"shapebench:serving.cpuLimit is {limit:g}, but {why}")
        return self

    @model_validator(mode="after")
    def _the_server_speaks_the_protocol(self) -> Self:
        if self.server is None:
            if self.platform == "local":
                return self  # which server `auto` is, only the plugin knows
            facts = server_facts(self.deployed_server[0])
            if self.serving.sent_over not in facts.protocols:
                raise ValueError(
                    f"shapebench:serving.protocol is {self.serving.protocol}, which {facts.title} does not speak; set"
                    f" {' or '.join(protocol.name for protocol in facts.protocols)}, or"
                    f" shapebench:{self.platform}.servingImage or shapebench:server to an image that speaks it"
                )
        elif self.platform == "local":
            raise ValueError(
                "shapebench:server names an image, but the platform local runs a process of this machine, so it would"
                " change nothing; remove it, or set shapebench:platform to kubernetes or gke"
            )
        elif self.seed_faithful:
            raise ValueError(
                f"shapebench:server names an image, but {self.platform}.seedFaithful deploys the published experiment's"
                " server; remove one of them"
            )
        elif why := self.server.why_not(self.serving):
            raise ValueError(f"shapebench:{why}")
        return self

    @property
    def sent_over(self) -> ProtocolFacts:
        return self.serving.sent_over

    def node_shape(self, stack: str) -> NodeShape:
        """The stack's node shape, which has the stack's name."""
        return NodeShape.of(stack, self.shape)

    @property
    def load_shape(self) -> NodeShape:
        """The load generator's pool on gke: a node for each of its pods."""
        return NodeShape.of("load", ShapeSettings(machine_type=self.gke.load_machine_type, nodes=self.pods))

    @property
    def machine_token(self) -> str | None:
        """The serving nodes on gke are replaced when it changes; None keeps them. A sweep's block has one."""
        return f"nodes of {self.rerun!r}" if self.fresh_nodes else None

    @property
    def fresh_nodes(self) -> bool:
        """Whether each new `rerun` is measured on other nodes; never outside gke, whose nodes are the stack's own."""
        return self.platform == "gke" and self.gke.fresh_nodes

    @property
    def draws_cpus(self) -> bool:
        """Whether each serving node gets one of several CPU models by chance, as those of E2 do."""
        return self.platform == "gke" and len(machine_series(self.shape.machine_type).cpus) > 1

    @property
    def variant(self) -> ServingVariant:
        """The stack's serving variant. Without `intraOp` it has a thread inside one operation for each vCPU."""
        vcpus, _ = machine_resources(self.shape.machine_type)
        return ServingVariant.model_validate({"intra_op": vcpus} | self.serving.model_dump(exclude_none=True))

    @property
    def serving_image(self) -> str:
        """The image of the server in a cluster."""
        return (
            self.server.image
            if self.server
            else (self.gke if self.platform == "gke" else self.kubernetes).serving_image
        )

    @property
    def server_setting(self) -> tuple[str, str]:
        """The section and the field that name the server."""
        if self.platform == "local":
            return "local", "server"
        return ("server", "image") if self.server else (self.platform, "serving_image")

    @property
    def deployed_server(self) -> tuple[str, str]:
        """Name and version of the server in a cluster, as manifests have them."""
        return (self.server.name, self.server.version) if self.server else server_in(self.serving_image)

    @property
    def seed_faithful(self) -> bool:
        """Whether the server is deployed as in the published experiment; never on the platform local."""
        return self.platform != "local" and bool(getattr(self, self.platform).seed_faithful)

    @property
    def request_threads(self) -> RequestThreads:
        """The threads of each replica that take requests."""
        vcpus, _ = machine_resources(self.shape.machine_type)
        return RequestThreads.of(self.serving.batching, vcpus, self.load.most_in_flight)


def parse_settings(values: dict[str, Any]) -> Settings:
    """Settings from the values of a stack's `shapebench:` keys; raises SettingsError, which names every wrong key."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(explain(error, Settings)) from None
