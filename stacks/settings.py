"""The settings of a stack, parsed once from its configuration into one frozen model.

Error messages quote a field's description: it says what a wrong value leads to, and what to give instead.
"""

from math import ceil
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from stacks.explain import SettingsError, explain
from stacks.frozen import Frozen
from stacks.gke import GkeSettings
from stacks.image_server import ImageServerSettings, Port
from stacks.kubernetes import KubernetesSettings
from stacks.load_profiles import MOST_REQUESTS, PROFILES, LoadProfile
from stacks.machine_series import machine_resources, machine_series
from stacks.models import ModelSettings
from stacks.objective import SEARCH_KEYS, ObjectiveSettings
from stacks.payload import PayloadSettings
from stacks.request_threads import RequestThreads
from stacks.servers import known_server, server_facts, server_in
from stacks.serving_variant import ServingSettings, ServingVariant
from stacks.shapes import NodeShape, ShapeSettings
from stacks.sweep_place import SweepPlace

# Keys of `shapebench:load` that are not part of the load profile.
_RUN_KEYS = ("repeats", "freshDeployment", "processes", "pods")


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


class Settings(Frozen):
    """All settings of a stack, validated. Keys are those of the stack file without `shapebench:`."""

    platform: Annotated[
        Literal["local", "kubernetes", "gke"],
        Field(
            description="Where the server runs: local (a process on this machine), kubernetes (an existing cluster) or"
            " gke (a cluster that the stack creates)."
        ),
    ]
    shape: Annotated[
        ShapeSettings, Field(description="The node shape that is measured and priced: machineType and nodes.")
    ]
    serving: Annotated[ServingSettings, Field(description="The serving variant: protocol, threads and batching.")]
    load: Annotated[
        LoadProfile,
        Field(description=f"A load profile by name ({', '.join(PROFILES)}), with the settings that differ from it."),
    ]
    objective: Annotated[
        ObjectiveSettings,
        Field(description="What a capacity search is for: a latency limit (p90, p95, p99 or p999), and errors."),
    ]
    repeats: Annotated[
        int,
        Field(
            alias="load.repeats",
            ge=1,
            le=100,
            description="Runs of one update, one after the other. 0 would measure nothing. Give 1 to 100; 5 show how"
            " much runs differ.",
        ),
    ] = 1
    fresh_deployment: Annotated[
        bool,
        Field(
            alias="load.freshDeployment",
            description="Whether servers that have answered a run are restarted before the next one, so that runs also"
            " show how much deployments differ. Give true or false.",
        ),
    ] = False
    processes: Annotated[
        int,
        Field(
            alias="load.processes",
            ge=1,
            le=32,
            description="Worker processes of the generator, a core each, in each of its pods. 0 would measure nothing."
            " Give 1, or more where one core cannot send the load: a run whose generator was the limit says so.",
        ),
    ] = 1
    pods: Annotated[
        int,
        Field(
            alias="load.pods",
            ge=1,
            le=16,
            description="Pods of the generator, each on a node of its own where there are as many; gke creates and"
            " prices that many load nodes. 0 would measure nothing. Give 1, or more where the cores of one node cannot"
            " send the load.",
        ),
    ] = 1
    model: Annotated[
        ModelSettings, Field(description="The model that is served: weights of ResNet50, or another's path.")
    ]
    payload: Annotated[
        PayloadSettings, Field(description="What requests carry, and how answers are judged: path, check, tolerance.")
    ]
    server: Annotated[
        ImageServerSettings | None,
        Field(
            description="Any image as the server in a cluster: image, args, protocol, ports and ready. Leave it out for"
            " the servingImage of the platform."
        ),
    ] = None
    local: Annotated[LocalSettings, Field(description="How the server runs on this machine.")]
    kubernetes: Annotated[KubernetesSettings, Field(description="How the server runs in an existing cluster.")]
    gke: Annotated[GkeSettings, Field(description="How the stack creates its cluster.")]
    results: Annotated[
        str, Field(min_length=1, description="The results store: a folder or a URI such as gs://bucket/prefix.")
    ]
    region: Annotated[
        str,
        Field(
            pattern=r"^[a-z]+-[a-z]+\d+$",
            description="The region of the cluster and of the prices, such as us-central1.",
        ),
    ]
    rerun: Annotated[str, Field(description="Any text. A new one makes the load test run again.")]
    sweep: Annotated[
        SweepPlace | None,
        Field(
            description="Which candidate of which sweep this update measures. `shapebench sweep` sets it; leave it out."
        ),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _expand_the_load_profile(cls, values: Any) -> Any:  # noqa: ANN401 - unvalidated input
        if not isinstance(values, dict) or not isinstance(load := values.get("load"), dict):
            return values
        # None of these changes the load, so they must not change the load profile of a run.
        values = values | {f"load.{key}": load[key] for key in _RUN_KEYS if key in load}
        load = {key: value for key, value in load.items() if key not in _RUN_KEYS}
        name = load.get("profile")
        if name is None:
            return values | {"load": load}
        if not isinstance(name, str) or name not in PROFILES:
            raise ValueError(
                f"shapebench:load.profile is {name!r}, which is no load profile; give one of {', '.join(PROFILES)}"
            )
        overrides = {key: value for key, value in load.items() if key != "profile"}
        mode = PROFILES[name].mode
        if overrides.get("mode", mode) != mode:
            raise ValueError(
                f"shapebench:load.mode is {overrides['mode']!r}, but the profile {name!r} has the mode {mode!r}, which"
                " has other settings; leave load.mode out, or set load.profile to one with the mode that you want:"
                f" {', '.join(f'{other} ({profile.mode})' for other, profile in PROFILES.items())}"
            )
        profile = PROFILES[name].model_dump(by_alias=True)
        if mode == "capacity":
            profile |= _stated_objective(values, overrides)
        return values | {"load": profile | overrides}

    @model_validator(mode="after")
    def _every_process_has_users(self) -> Self:
        if (processes := self.processes * self.pods) == 1:
            return self
        setting = f"load.{'processes' if self.pods == 1 else 'pods'}"
        given = f"shapebench:{setting} is {self.processes if self.pods == 1 else self.pods}"
        if self.load.mode == "capacity":
            raise ValueError(
                f"{given}, but a capacity search runs in one process, which must see every answer to choose the next"
                f" rate; leave {setting} out, or set load.profile to open, which sends a fixed rate"
            )
        if (users := self.load.most_in_flight) < processes:
            name = "users" if self.load.mode == "closed" else "maxInFlight"
            raise ValueError(
                f"{given}, but load.{name} is {users}, so some of the {processes} processes would send nothing; give"
                f" fewer {setting.removeprefix('load.')}"
            )
        return self

    @model_validator(mode="after")
    def _the_generator_can_send_the_rate(self) -> Self:
        processes, most = self.processes * self.pods, self.serving.sent_over.most_rps_a_process
        if self.load.mode == "open" and self.load.rate_rps > processes * most:
            raise ValueError(
                f"shapebench:load.rateRps is {self.load.rate_rps:g}, but {processes} generator"
                f" {'process sends' if processes == 1 else 'processes send'} at most about {processes * most:,}"
                f" requests/s over {self.serving.protocol}, so the run would be refused; give load.processes times"
                f" load.pods that come to {ceil(self.load.rate_rps / most)} at least, or a lower rate"
            )
        return self

    @model_validator(mode="after")
    def _this_machine_has_no_pods(self) -> Self:
        if self.platform == "local" and self.pods != 1:
            raise ValueError(
                f"shapebench:load.pods is {self.pods}, but on the platform local the generator is no pod; leave it out,"
                " and set load.processes"
            )
        return self

    @model_validator(mode="after")
    def _what_is_sent_can_be_read(self) -> Self:
        if self.load.mode == "open" and (requests := self.load.rate_rps * self.load.total_s) > MOST_REQUESTS:
            raise ValueError(
                f"shapebench:load would send {requests:,.0f} requests, but a run has at most {MOST_REQUESTS:,}, or no"
                " report could read it; give a shorter durationS, or a lower rateRps"
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
                    f" {' or '.join(each.name for each in facts.protocols)}, or shapebench:server to an image that"
                    " speaks it"
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


def _stated_objective(values: dict[str, Any], overrides: dict[str, Any]) -> dict[str, float]:
    """The objective's values of a capacity search; raises ValueError where the load states them, too."""
    if doubled := [key for key in SEARCH_KEYS if key in overrides]:
        example = "errors to 0.1%" if doubled[0] == "errorRatio" else "p99 to 400ms"
        raise ValueError(
            f"shapebench:load.{doubled[0]} is set, but the objective of a search is stated in shapebench:objective;"
            f" remove it (pulumi config rm --path shapebench:load.{doubled[0]}), and set for example"
            f" shapebench:objective.{example}"
        )
    try:
        return ObjectiveSettings.model_validate(values.get("objective")).search
    except ValidationError:  # the section's own error says what is wrong with it
        return {}


def parse_settings(values: dict[str, Any]) -> Settings:
    """Settings from the values of a stack's `shapebench:` keys; raises SettingsError, which names every wrong key."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(explain(error, Settings)) from None
