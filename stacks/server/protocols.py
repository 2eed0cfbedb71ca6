"""The protocols that requests can be sent over, and all that differs between them outside the load generator.

How a request is written and an answer read is in loadtest/generator/clients.
"""

from typing import Literal, NamedTuple, get_args

ProtocolName = Literal["rest", "grpc", "v2-rest", "v2-binary", "v2-grpc", "image"]

# Locust's image, and the same with OpenTelemetry's packages, which include grpcio and protobuf.
PLAIN_GENERATOR_IMAGE = "locustio/locust:2.46.6"
_GRPC_GENERATOR_IMAGE = "locustio/locust-otel:2.46.6"

# The most that a process of the generator sends in a second: twice what `make bench-protocols` measured on a core of
# today (docs/measurement.md).
_REST_RPS, _GRPC_RPS = 6000, 2000

_HALVES = frozenset({"float16", "bfloat16"})


class ProtocolFacts(NamedTuple):
    """A protocol, and what follows from it."""

    name: str
    """In stack files and manifests."""
    title: str
    """In messages."""
    suffix: str
    """In the names of variants."""
    over_grpc: bool
    """Whether its connections are gRPC's, each to one replica; else they go through the cluster's Service."""
    not_carried: frozenset[str] = frozenset()
    """The types of tensors that its messages cannot hold."""
    instead: str = ""
    """The protocol to set for a model that has these."""

    @property
    def generator_image(self) -> str:
        """The load generator's own image."""
        return _GRPC_GENERATOR_IMAGE if self.over_grpc else PLAIN_GENERATOR_IMAGE

    @property
    def most_rps_a_process(self) -> int:
        """More than a process of the generator can send in a second."""
        return _GRPC_RPS if self.over_grpc else _REST_RPS


# What no number in JSON becomes, and what is not written as one: json_tensor.cc of tensorflow/serving 2.20.0 has no
# case for these types (its issue 1639).
REST = ProtocolFacts(
    "rest", "TensorFlow Serving's REST API", "", over_grpc=False, not_carried=_HALVES | {"uint16"}, instead="grpc"
)
GRPC = ProtocolFacts("grpc", "TensorFlow Serving's gRPC API", "-grpc", over_grpc=True)
# JSON has no type of half precision: github.com/kserve/open-inference-protocol, "Tensor Data Types".
V2_REST = ProtocolFacts(
    "v2-rest",
    "the Open Inference Protocol's JSON",
    "-v2rest",
    over_grpc=False,
    not_carried=_HALVES,
    instead="v2-binary",
)
V2_BINARY = ProtocolFacts("v2-binary", "the Open Inference Protocol's binary tensors", "-v2binary", over_grpc=False)
V2_GRPC = ProtocolFacts("v2-grpc", "the Open Inference Protocol over gRPC", "-v2grpc", over_grpc=True)
# Which requests can be uploads is checked where the files are made: loadtest/run/uploads.py. Answers are REST's.
IMAGE = ProtocolFacts(
    "image",
    "the published FastAPI experiment's JPEG upload",
    "-image",
    over_grpc=False,
    not_carried=REST.not_carried,
    instead="grpc",
)

PROTOCOLS = {protocol.name: protocol for protocol in (REST, GRPC, V2_REST, V2_BINARY, V2_GRPC, IMAGE)}
NAMES: tuple[str, ...] = get_args(ProtocolName)
