"""The servers that a stack can name, and which of them a container image holds. How each runs: serving/servers.py."""

from typing import NamedTuple

from stacks.server.images import name_and_version
from stacks.server.protocols import GRPC, IMAGE, REST, V2_BINARY, V2_GRPC, V2_REST, ProtocolFacts


class ServerFacts(NamedTuple):
    """What a server is called in which place."""

    name: str
    """In manifests and in the state."""
    setting: str
    """In `shapebench:local.server`."""
    title: str
    """In reports."""
    image_prefix: str = ""
    """How the last part of its images' names begins."""
    protocols: tuple[ProtocolFacts, ...] = (REST, GRPC)
    """What requests can be sent over: TensorFlow Serving's APIs, and where given others."""


# The front of this project's own servers.
_OURS = (REST, GRPC, V2_REST, V2_BINARY, V2_GRPC, IMAGE)

EMBEDDED = ServerFacts("shapebench-embedded", "embedded", "shapebench's embedded server", "shapebench-embedded", _OURS)
OPENVINO = ServerFacts(
    "shapebench-openvino", "openvino", "OpenVINO in shapebench's server", "shapebench-openvino", _OURS
)
ONNX_RUNTIME = ServerFacts(
    "shapebench-onnxruntime", "onnxruntime", "ONNX Runtime in shapebench's server", "shapebench-onnxruntime", _OURS
)
# Whoever builds TF Serving names the image as they like, so every image that names no other server is of this one.
TENSORFLOW_SERVING = ServerFacts("tensorflow_model_server", "tensorflow_model_server", "TensorFlow Serving")

ALL_SERVERS = (EMBEDDED, ONNX_RUNTIME, OPENVINO, TENSORFLOW_SERVING)


def server_in(image: str) -> tuple[str, str]:
    """The name of the server in an image, and its version: the tag, or the digest where there is no tag."""
    name, version = name_and_version(image)
    last = name.rpartition("/")[2]
    return next(server for server in ALL_SERVERS if last.startswith(server.image_prefix)).name, version


def server_facts(name: str) -> ServerFacts:
    """The server of this name in manifests; raises KeyError where it is another image's."""
    return {server.name: server for server in ALL_SERVERS}[name]


def server_title(name: str) -> str:
    """What reports call the server of this name: an image that is no server of this project, as it is."""
    return next((server.title for server in ALL_SERVERS if server.name == name), name)


def known_server(setting: str) -> str:
    """The setting, if it is `auto` or names a server; raises ValueError otherwise."""
    settings = ["auto", *(server.setting for server in ALL_SERVERS)]
    if setting not in settings:
        raise ValueError(f"{setting!r} is no server that shapebench can start; give one of {', '.join(settings)}")
    return setting
