"""`shapebench:server`: any container image as the server of a stack, said by its arguments, ports and protocol."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stacks.frozen import Frozen
from stacks.server.images import ServingImage, name_and_version
from stacks.server.protocols import GRPC, PROTOCOLS, REST, V2_BINARY, V2_GRPC, V2_REST, ProtocolFacts
from stacks.server.serving_variant import ServingSettings

MODEL_PLACE, NAME_PLACE = "{model}", "{name}"
_PLACES = {MODEL_PLACE, NAME_PLACE, "{intraOp}", "{interOp}"}
# Braces around anything else, as in JSON, stay as they are.
_PLACE = re.compile(r"\{\w+\}")

_SPOKEN = {"v2": (V2_REST, V2_BINARY, V2_GRPC), "tf-serving": (REST, GRPC)}
# Both need the model. In https://github.com/kserve/open-inference-protocol a model that is not ready answers with 4xx.
_READY = {"v2": f"/v2/models/{NAME_PLACE}/ready", "tf-serving": f"/v1/models/{NAME_PLACE}/metadata"}

Port = Annotated[int, Field(ge=1024, le=65535)]


class ServerPorts(Frozen):
    """The ports that the image's server listens on."""

    rest: Annotated[Port, Field(description="Of its REST API, where it says that it is ready. Give 1024 to 65535.")]
    grpc: Annotated[
        Port | None, Field(description="Of its gRPC API. Give 1024 to 65535, or leave it out without one.")
    ] = None

    @model_validator(mode="after")
    def _they_differ(self) -> Self:
        if self.rest == self.grpc:
            raise ValueError("rest and grpc are the same, so only one of the two APIs could listen; give two ports")
        return self


class ImageServerSettings(Frozen):
    """A server that this project knows nothing of but what is said here."""

    image: ServingImage
    args: Annotated[
        tuple[str, ...],
        Field(
            strict=False,
            description="The arguments of the image's entrypoint, a list. {model} is the model's folder or URI, {name}"
            " its name in requests, {intraOp} and {interOp} the numbers in shapebench:serving.",
        ),
    ]
    protocol: Annotated[
        Literal["v2", "tf-serving"],
        Field(description="What it speaks: v2 (the Open Inference Protocol) or tf-serving (TensorFlow Serving's)."),
    ]
    ports: Annotated[ServerPorts, Field(description="The ports that it listens on: rest, and grpc if it has one.")]
    ready: Annotated[
        str | None,
        Field(
            pattern=r"^/\S*$",
            description="The path on its REST port that answers 200 once the model can be asked, such as"
            " /v2/health/ready. Leave it out for the protocol's own.",
        ),
    ] = None

    reads_buckets: Annotated[
        bool,
        Field(
            description="Whether it loads a model from gs://…, where a stack on Google Cloud has it. false: each pod"
            " gets a copy of the model, whose folder {model} is then."
        ),
    ] = True

    @model_validator(mode="after")
    def _the_arguments_name_the_model(self) -> Self:
        if unknown := sorted({place for arg in self.args for place in _PLACE.findall(arg)} - _PLACES):
            raise ValueError(
                f"args has {unknown[0]}, which stands for nothing; write one of {', '.join(sorted(_PLACES))}"
            )
        if MODEL_PLACE not in "".join(self.args):
            raise ValueError(
                f"args has no {MODEL_PLACE}, so the server could serve another model than the one that the run records;"
                f" give the argument that says where its model is, such as --model-repository={MODEL_PLACE}"
            )
        return self

    @property
    def name(self) -> str:
        """What manifests and reports call the server: its image without the version."""
        return name_and_version(self.image)[0]

    @property
    def version(self) -> str:
        return name_and_version(self.image)[1]

    @property
    def protocols(self) -> tuple[ProtocolFacts, ...]:
        """What requests can be sent over."""
        return tuple(protocol for protocol in _SPOKEN[self.protocol] if self.ports.grpc or not protocol.over_grpc)

    def ready_path(self, model_name: str) -> str:
        return (self.ready or _READY[self.protocol]).replace(NAME_PLACE, model_name)

    def uses(self, place: str) -> bool:
        """Whether an argument has the value that stands at `place`, such as `{interOp}`."""
        return place in "".join(self.args)

    def arguments(self, model_name: str, intra_op: int, inter_op: int) -> list[str]:
        """The arguments, in which only the model's folder is still to be put."""
        values = {NAME_PLACE: model_name, "{intraOp}": str(intra_op), "{interOp}": str(inter_op)}
        return [_PLACE.sub(lambda place: values.get(place[0], place[0]), arg) for arg in self.args]

    def why_not(self, serving: ServingSettings) -> str | None:
        """Why it cannot be measured with these settings, after the key that is wrong; None where it can."""
        if PROTOCOLS[serving.protocol] not in self.protocols:
            spoken = " or ".join(protocol.name for protocol in self.protocols)
            port = ", or give server.ports.grpc" if serving.sent_over in _SPOKEN[self.protocol] else ""
            return (
                f"serving.protocol is {serving.protocol}, which the server does not speak (server.protocol"
                f" {self.protocol}, server.ports.grpc {self.ports.grpc or 'not given'}); set {spoken}{port}"
            )
        unused = {
            "batching": serving.batching is not None,
            "oneDnn": serving.one_dnn is not None,
            "intraOp": serving.intra_op is not None and not self.uses("{intraOp}"),
        }
        for key, is_unused in unused.items():
            if is_unused:
                place = ", or put {intraOp} into server.args" if key == "intraOp" else ""
                return (
                    f"serving.{key} is set, but nothing in server.args uses it, so it would change nothing; remove it"
                    f"{place}"
                )
        return None
