"""What is measured, whoever runs the server: the machines that are priced, the load, the objective, the results."""

from math import ceil
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from stacks.frozen import Frozen
from stacks.load.load_profiles import MOST_REQUESTS, PROFILES, LoadProfile, Scheduled
from stacks.load.objective import SEARCH_KEYS, ObjectiveSettings
from stacks.load.payload import PayloadSettings
from stacks.machines.shapes import ShapeSettings
from stacks.server.protocols import ProtocolFacts

# Keys of `shapebench:load` that are not part of the load profile.
_RUN_KEYS = ("repeats", "freshDeployment", "processes", "pods")


class Measurement(Frozen):
    """The settings of a load test that do not depend on how its server came to be."""

    shape: Annotated[
        ShapeSettings, Field(description="The node shape that is measured and priced: machineType and nodes.")
    ]
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
    payload: Annotated[
        PayloadSettings, Field(description="What requests carry, and how answers are judged: path, check, tolerance.")
    ]
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

    @property
    def sent_over(self) -> ProtocolFacts:
        """The protocol of the requests, with what follows from it."""
        raise NotImplementedError

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
        processes, most = self.processes * self.pods, self.sent_over.most_rps_a_process
        if isinstance(self.load, Scheduled) and (peak_rps := self.load.peak_rps) > processes * most:
            raise ValueError(
                f"shapebench:load.{self.load.rate_text} {peak_rps:g}, but {processes} generator"
                f" {'process sends' if processes == 1 else 'processes send'} at most about {processes * most:,}"
                f" requests/s over {self.sent_over.name}, so the run would be refused; give load.processes times"
                f" load.pods that come to {ceil(peak_rps / most)} at least, or a lower rate"
            )
        return self

    @model_validator(mode="after")
    def _what_is_sent_can_be_read(self) -> Self:
        if isinstance(self.load, Scheduled) and (requests := self.load.most_requests) > MOST_REQUESTS:
            raise ValueError(
                f"shapebench:load would send {requests:,.0f} requests, but a run has at most {MOST_REQUESTS:,}, or no"
                " report could read it; give a shorter durationS, or lower rates"
            )
        return self


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
