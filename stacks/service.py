"""A service that something else deploys: what a load test of it needs to know."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from stacks.explain import PREFIX, SettingsError, explain
from stacks.files import project_defaults, with_defaults
from stacks.frozen import Frozen
from stacks.load.measurement import Measurement
from stacks.server.models import SignatureSettings
from stacks.server.protocols import GRPC, PROTOCOLS, REST, ProtocolFacts, ProtocolName

# How to change a stack file, which the program of a service has none of.
_STACK_FILE_ADVICE = re.compile(r" \(pulumi config [^)]*\)")
_Text = Annotated[str, Field(min_length=1, max_length=200)]


class ServedModelSettings(SignatureSettings):
    """The model behind a service, which itself says what the model takes."""

    name: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
            description="What the service serves the model under: letters, digits, dots, dashes.",
        ),
    ]
    digest: Annotated[
        _Text | None,
        Field(
            description="What tells the model from another with the same inputs and outputs, such as a digest of its"
            " files: runs of different models are not compared. Leave it out to go by what the service says of it."
        ),
    ] = None


class ServerSettings(Frozen):
    """What the service runs, where it does not say so itself."""

    name: Annotated[_Text, Field(description="The name of the server, such as my-server.")]
    version: Annotated[
        _Text, Field(description="Its version, such as a tag or a digest of its image. A new one measures again.")
    ]


class ServiceSettings(Measurement):
    """A service, and how it is measured."""

    service: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
            description="What reports call it: letters, digits, dots, dashes, such as recommender.",
        ),
    ]
    url: Annotated[
        str,
        Field(
            pattern=r"^http://[^/\s?#@]+$",
            description="The address of its REST API, without a path, such as http://10.0.0.5:8080. It is asked there"
            " what the model takes, whatever the protocol.",
        ),
    ]
    grpc_address: Annotated[
        str | None,
        Field(
            pattern=r"^[^/\s?#@]+:\d+$",
            description="The host and port of its gRPC API, such as 10.0.0.5:8081, where the protocol is grpc or"
            " v2-grpc.",
        ),
    ] = None
    protocol: Annotated[
        ProtocolName,
        Field(
            description="What requests are sent over: v2-rest, v2-binary or v2-grpc (the Open Inference Protocol), rest"
            " or grpc (TensorFlow Serving's), or image (a JPEG upload, which this project's own servers decode)."
        ),
    ] = "v2-rest"
    model: Annotated[ServedModelSettings, Field(description="The model: its name, and what is sent to it.")]
    server: Annotated[
        ServerSettings | None,
        Field(description="Name and version of the server. Leave it out for what the service says of itself."),
    ] = None
    start_timeout_s: Annotated[
        float, Field(gt=0, le=3600, description="Seconds until the service must say that it serves the model.")
    ] = 180.0

    @property
    def sent_over(self) -> ProtocolFacts:
        return PROTOCOLS[self.protocol]

    @property
    def base_url(self) -> str:
        """Where requests are sent."""
        return f"grpc://{self.grpc_address}" if self.sent_over.over_grpc else self.url

    @property
    def speaks_v2(self) -> bool:
        """Whether the Open Inference Protocol's metadata describe its model; else TensorFlow Serving's do."""
        return self.sent_over not in (REST, GRPC)

    @model_validator(mode="after")
    def _grpc_has_an_address(self) -> Self:
        if self.sent_over.over_grpc and self.grpc_address is None:
            raise ValueError(
                f"protocol is {self.protocol}, but grpcAddress is not set, so it is not known where to send requests;"
                " give host and port of the service's gRPC API"
            )
        if self.grpc_address is not None and not self.sent_over.over_grpc:
            raise ValueError(
                f"grpcAddress is set, but protocol is {self.protocol}, so it would change nothing; remove it, or set"
                " protocol to v2-grpc or grpc"
            )
        return self

    @model_validator(mode="after")
    def _this_machine_sends_and_restarts_nothing(self) -> Self:
        if self.pods != 1:
            raise ValueError(
                f"load.pods is {self.pods}, but the machine that runs `pulumi up` sends the load; leave it out, and set"
                " load.processes"
            )
        if self.fresh_deployment:
            raise ValueError(
                "load.freshDeployment is true, but nothing here can restart the service; leave it out, and have your"
                " program deploy the service anew with each rerun"
            )
        return self


def parse_service(values: Mapping[str, Any]) -> ServiceSettings:
    """The settings from a resource's inputs, with the project's defaults; raises SettingsError."""
    merged = with_defaults(dict(values))
    defaults = {key: merged[key] for key in service_defaults()}
    try:
        return ServiceSettings.model_validate({**values, **defaults})
    except ValidationError as error:
        raise SettingsError(as_input(explain(error, ServiceSettings, lambda key: key))) from None


def service_defaults() -> dict[str, Any]:
    """The project's defaults that hold for a service, too: those of a measurement, by input."""
    defaults = project_defaults()
    return {key: defaults[key] for key in Measurement.model_fields if key in defaults}


def as_input(message: str) -> str:
    """A message for stack files as one for a program, whose inputs have no prefix."""
    return _STACK_FILE_ADVICE.sub("", message).replace(PREFIX, "")
