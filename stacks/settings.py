"""One stack's settings: the model that the whole program reads, parsed once from the stack's configuration.

A field's description says what a wrong value would lead to and what to give instead; error messages quote it.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from stacks.explain import SettingsError, explain
from stacks.frozen import Frozen
from stacks.gke import GkeSettings
from stacks.kubernetes import KubernetesSettings
from stacks.load_profiles import PROFILES, LoadProfile
from stacks.servers import known_server
from stacks.serving_variant import ServingSettings, ServingVariant
from stacks.shapes import NodeShape, ShapeSettings, machine_resources

Port = Annotated[int, Field(ge=1024, le=65535)]

# What stands beside a load profile without being a part of it.
_HOW_IT_RUNS = ("repeats", "processes")


class ModelSettings(Frozen):
    """`shapebench:model`: what is served."""

    weights: Annotated[
        Literal["auto", "imagenet", "random"],
        Field(
            description="Where the numbers come from: imagenet (Keras downloads them), random (a fixed seed, same"
            " arithmetic, no meaning), or auto (imagenet where it can be downloaded)."
        ),
    ]


class LocalSettings(Frozen):
    """`shapebench:local`: how the server runs on this machine, for the platform `local` only."""

    server: Annotated[
        str,
        AfterValidator(known_server),
        Field(description="auto takes tensorflow_model_server where it is on PATH, else the embedded server."),
    ]
    rest_port: Annotated[Port, Field(description="A free port from 1024 on; TF Serving's own is 8501.")]
    grpc_port: Annotated[
        Port, Field(description="A free port from 1024 on, another than REST; TF Serving's own is 8500.")
    ]
    start_timeout_s: Annotated[
        float,
        Field(gt=0, le=3600, description="How long the server may take until it answers; loading takes 10 to 60 s."),
    ]

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        if self.rest_port == self.grpc_port:
            raise ValueError("restPort and grpcPort are the same, so only one of them could listen; give two ports")
        return self


class Settings(Frozen):
    """Everything a stack says, checked. Keys are those of the stack file without their `shapebench:` prefix."""

    platform: Annotated[
        Literal["local", "kubernetes", "gke"],
        Field(
            description="Where the server runs: local (a process on this machine), kubernetes (a cluster that exists"
            " already) or gke (a cluster that the stack makes)."
        ),
    ]
    shape: Annotated[
        ShapeSettings, Field(description="The node shape that is measured and priced: machineType and nodes.")
    ]
    serving: Annotated[ServingSettings, Field(description="The variant: protocol, interOp, and what else it sets.")]
    load: Annotated[
        LoadProfile, Field(description=f"A profile by name ({', '.join(PROFILES)}), and what it overrides.")
    ]
    repeats: Annotated[
        int,
        Field(
            alias="load.repeats",
            ge=1,
            le=100,
            description="How many runs one update makes, one after the other. 0 would measure nothing. Give 1 to 100;"
            " with 5 the spread from run to run shows.",
        ),
    ] = 1
    processes: Annotated[
        int,
        Field(
            alias="load.processes",
            ge=1,
            le=32,
            description="How many processes of the generator ask, a core each. 0 would measure nothing. Give 1, or more"
            " where one core cannot send the load: a run whose generator was the limit says so.",
        ),
    ] = 1
    model: Annotated[ModelSettings, Field(description="What is served: weights.")]
    local: Annotated[LocalSettings, Field(description="How the server runs on this machine.")]
    kubernetes: Annotated[
        KubernetesSettings, Field(description="How the server runs in a cluster that exists already.")
    ]
    gke: Annotated[GkeSettings, Field(description="How the cluster is made that the stack makes.")]
    results: Annotated[
        str, Field(min_length=1, description="Where runs are kept: a folder or a URI such as gs://bucket/prefix.")
    ]
    region: Annotated[
        str, Field(pattern=r"^[a-z]+-[a-z]+\d+$", description="The region whose prices count, such as us-central1.")
    ]
    rerun: Annotated[str, Field(description="Any text; a new one makes the load test run again.")]

    @model_validator(mode="before")
    @classmethod
    def _load_is_a_profile_with_overrides(cls, values: Any) -> Any:  # noqa: ANN401 - pydantic hands over what it got
        if not isinstance(values, dict) or not isinstance(load := values.get("load"), dict):
            return values
        name = load.get("profile")
        if name is None:
            return values
        if name not in PROFILES:
            raise ValueError(
                f"shapebench:load.profile is {name!r}, and there is no such profile; give one of {', '.join(PROFILES)}"
            )
        overrides = {key: value for key, value in load.items() if key != "profile"}
        mode = PROFILES[name].mode
        if overrides.get("mode", mode) != mode:
            raise ValueError(
                f"shapebench:load.mode is {overrides['mode']!r}, but the profile {name} is of mode {mode}, and the two"
                " have different settings; leave mode out, or give a profile of the mode that you want:"
                f" {', '.join(f'{other} ({profile.mode})' for other, profile in PROFILES.items())}"
            )
        return values | {"load": PROFILES[name].model_dump(by_alias=True) | overrides}

    @model_validator(mode="before")
    @classmethod
    def _how_it_runs_is_no_part_of_what_is_asked(cls, values: Any) -> Any:  # noqa: ANN401 - what pydantic got
        # How often a profile runs, and in how many processes, is not of the profile: such runs measure the same.
        if not isinstance(values, dict) or not isinstance(load := values.get("load"), dict):
            return values
        profile = {key: value for key, value in load.items() if key not in _HOW_IT_RUNS}
        return values | {"load": profile} | {f"load.{key}": load[key] for key in _HOW_IT_RUNS if key in load}

    @model_validator(mode="after")
    def _every_process_has_something_to_do(self) -> Self:
        if self.processes == 1:
            return self
        if self.load.mode == "capacity":
            raise ValueError(
                f"shapebench:load.processes is {self.processes}, but a capacity search is made by one process, which"
                " judges each rate while it offers it; leave processes out, or offer rates of your own with the"
                " profile open"
            )
        users, name = (
            (self.load.users, "users") if self.load.mode == "closed" else (self.load.max_in_flight, "maxInFlight")
        )
        if users < self.processes:
            raise ValueError(
                f"shapebench:load.processes is {self.processes}, but load.{name} is {users}, so some of them would have"
                " nothing to do; give fewer processes"
            )
        return self

    @model_validator(mode="after")
    def _the_load_node_has_a_core_for_each_process(self) -> Self:
        vcpus = machine_resources(self.gke.load_machine_type)[0]
        if self.platform == "gke" and self.processes > vcpus:
            raise ValueError(
                f"shapebench:load.processes is {self.processes}, but a load node ({self.gke.load_machine_type}) has"
                f" {vcpus} vCPUs, so they would wait for each other; give {vcpus} at most, or a larger"
                " gke.loadMachineType"
            )
        return self

    @model_validator(mode="after")
    def _one_machine_is_one_node(self) -> Self:
        if self.platform == "local" and self.shape.nodes != 1:
            raise ValueError(
                f"shapebench:shape.nodes is {self.shape.nodes}, but this machine is one node: what it serves would be"
                " divided by the price of several; give 1"
            )
        return self

    def node_shape(self, stack: str) -> NodeShape:
        """The shape that the stack measures, under the stack's name."""
        return NodeShape.of(stack, self.shape)

    @property
    def variant(self) -> ServingVariant:
        """What the stack says about serving, with a thread inside one operation for each vCPU where it says nothing."""
        vcpus, _ = machine_resources(self.shape.machine_type)
        return ServingVariant.model_validate({"intra_op": vcpus} | self.serving.model_dump(exclude_none=True))


def parse_settings(values: dict[str, Any]) -> Settings:
    """Settings from the values of a stack's `shapebench:` keys; raises SettingsError that names every wrong one."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(explain(error, Settings)) from None
