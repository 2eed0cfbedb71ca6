"""The servers that can be measured, and all that differs between them: command, flags, environment, files, paths.

TensorFlow Serving and this project's servers take a SavedModel and have gRPC's standard health service; what another
image has, the stack's file says. Whoever starts one need not load what it loads: TensorFlow stays out of this module.
"""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Protocol

from stacks.names import GRPC_PORT, REST_PORT
from stacks.server.image_server import MODEL_PLACE, ImageServerSettings, ServerPorts
from stacks.server.models import DEFAULT_SIGNATURE, Model
from stacks.server.servers import EMBEDDED, ONNX_RUNTIME, OPENVINO, TENSORFLOW_SERVING, ServerFacts
from stacks.server.serving_variant import ServingVariant

_PORTS = ServerPorts(rest=REST_PORT, grpc=GRPC_PORT)
_BATCHING_FILE = "batching.config"
_MONITORING_FILE = "monitoring.config"
# tf2onnx takes 34 s of CPU time for ResNet50, and OpenVINO 15 to 30 s on two idle cores: docs/serving.md.
_CONVERSION_S = 300


@dataclass(frozen=True, kw_only=True)
class Apis:
    """The port of each API, and the threads that take its requests (stacks.server.request_threads).

    `rest_threads` is None for the server's default.
    """

    rest_port: int
    grpc_port: int
    rest_threads: int | None
    grpc_threads: int


class Server(Protocol):
    """What the stack, the plugin and the commands ask of a server."""

    @property
    def facts(self) -> ServerFacts:
        """Its names."""

    @property
    def program(self) -> str:
        """What tells its command line from others."""

    @property
    def counters_path(self) -> str | None:
        """Of the REST port's Prometheus page, whose counters loadtest/generator/monitoring/counters.py reads.

        None where it has none that are known.
        """

    @property
    def ports(self) -> ServerPorts:
        """Those that it listens on in a cluster."""

    @property
    def has_grpc_health(self) -> bool:
        """Whether it answers gRPC's standard health service on its gRPC port."""

    @property
    def reads_buckets(self) -> bool:
        """Whether it loads a model from `gs://…`; if not, a pod has a copy."""

    @property
    def conversion_limit_s(self) -> int:
        """How long it may take to convert a model at its start, in seconds; 0 where it does not."""

    @property
    def load_once_flags(self) -> tuple[str, ...]:
        """What keeps it from looking for another version of a model in a bucket."""

    def executable(self) -> list[str] | None:
        """How its command line begins on this machine; None where it is not installed."""

    def why_not(self, model: Model) -> str | None:
        """Why it cannot serve a model, as far as the signature says; None where it says nothing against it."""

    def arguments(self, model_name: str, variant: ServingVariant, apis: Apis, config_dir: PurePath) -> list[str]:
        """What follows its command, with MODEL_PLACE where the folder above the model's versions is to be put.

        `config_dir` holds the config files.
        """

    def environment(self, variant: ServingVariant) -> dict[str, str | None]:
        """Variables of its environment; None for one that must not be set."""

    def config_files(self, variant: ServingVariant) -> dict[str, str]:
        """Names and texts of the files that the flags point at."""

    def ready_path(self, model_name: str) -> str:
        """Of the REST port; answers 200 when the model can answer requests, and not before."""


@dataclass(frozen=True)
class TensorFlowServing:
    """`tensorflow_model_server`. Flags: https://github.com/tensorflow/serving, model_servers/main.cc.

    Its image's entrypoint, too, takes the flags that are given here. So does a server of this project's own, which is a
    `module` that Python runs, with `module_flags` of its own.
    """

    facts: ServerFacts = TENSORFLOW_SERVING
    module: str | None = None
    module_flags: tuple[str, ...] = ()
    converts: bool = False
    counters_path: str = "/monitoring/prometheus/metrics"
    ports: ServerPorts = _PORTS
    has_grpc_health: bool = True
    # Otherwise it lists the bucket once a second, for money (tensorflow/serving issue 1916) and while measured.
    load_once_flags: tuple[str, ...] = ("--file_system_poll_wait_seconds=0",)

    @property
    def program(self) -> str:
        return self.module or self.facts.name

    @property
    def reads_buckets(self) -> bool:
        # TensorFlow Serving is built with TensorFlow's file systems; this project's servers look for a folder.
        return self.module is None

    @property
    def conversion_limit_s(self) -> int:
        return _CONVERSION_S if self.converts else 0

    def executable(self) -> list[str] | None:
        if self.module:
            return [sys.executable, "-m", self.module, *self.module_flags]
        path = shutil.which(self.program)
        return [path] if path else None

    def why_not(self, model: Model) -> str | None:
        if not self.converts:
            return None
        if model.signature != DEFAULT_SIGNATURE:
            return f"it converts the signature {DEFAULT_SIGNATURE} only, not {model.signature}"
        text = [tensor.name for tensor in (*model.inputs, *model.outputs) if tensor.dtype == "string"]
        return f"it computes no text, and {', '.join(text)} of the model is text" if text else None

    def arguments(self, model_name: str, variant: ServingVariant, apis: Apis, config_dir: PurePath) -> list[str]:
        flags = [
            f"--model_name={model_name}",
            f"--model_base_path={MODEL_PLACE}",
            f"--tensorflow_intra_op_parallelism={variant.intra_op}",
            f"--tensorflow_inter_op_parallelism={variant.inter_op}",
        ]
        if variant.batching:
            flags += ["--enable_batching=true", f"--batching_parameters_file={config_dir / _BATCHING_FILE}"]
        if apis.rest_threads is not None:
            flags.append(f"--rest_api_num_threads={apis.rest_threads}")
        return [
            *flags,
            f"--grpc_max_threads={apis.grpc_threads}",
            f"--rest_api_port={apis.rest_port}",
            f"--port={apis.grpc_port}",
            "--enable_grpc_healthcheck_service=true",
            f"--monitoring_config_file={config_dir / _MONITORING_FILE}",
        ]

    def environment(self, variant: ServingVariant) -> dict[str, str | None]:
        # TensorFlow reads this one once. Without it the CPU decides: docs/google-cloud-facts.md.
        return {"TF_ENABLE_ONEDNN_OPTS": None if variant.one_dnn is None else str(int(variant.one_dnn))}

    def config_files(self, variant: ServingVariant) -> dict[str, str]:
        files = {_MONITORING_FILE: f'prometheus_config {{ enable: true path: "{self.counters_path}" }}\n'}
        if variant.batching:
            parameters = variant.batching.model_dump().items()
            files[_BATCHING_FILE] = "".join(f"{name} {{ value: {value} }}\n" for name, value in parameters)
        return files

    def ready_path(self, model_name: str) -> str:
        # The status page answers 200 in whatever state the model is; this one needs a handle on the model.
        return f"/v1/models/{model_name}/metadata"


@dataclass(frozen=True)
class ImageServer:
    """A server in any image: what `shapebench:server` says of it, and nothing else."""

    settings: ImageServerSettings
    counters_path: str | None = None
    # That its gRPC port answers the health service is not said anywhere.
    has_grpc_health: bool = False
    load_once_flags: tuple[str, ...] = ()
    conversion_limit_s: int = 0

    @property
    def facts(self) -> ServerFacts:
        name = self.settings.name
        return ServerFacts(name, name, name, name, self.settings.protocols)

    @property
    def program(self) -> str:
        return self.settings.image

    @property
    def ports(self) -> ServerPorts:
        return self.settings.ports

    @property
    def reads_buckets(self) -> bool:
        return self.settings.reads_buckets

    def executable(self) -> list[str] | None:
        return None

    def why_not(self, model: Model) -> str | None:  # noqa: ARG002 - it is not known
        return None

    def arguments(self, model_name: str, variant: ServingVariant, apis: Apis, config_dir: PurePath) -> list[str]:  # noqa: ARG002 - its own
        return self.settings.arguments(model_name, variant.intra_op, variant.inter_op)

    def environment(self, variant: ServingVariant) -> dict[str, str | None]:  # noqa: ARG002 - the same
        # The image's user may have a folder; the pod's has none but this one, and no other can be written to.
        return {"HOME": "/tmp"}  # noqa: S108 - a volume of the pod's own

    def config_files(self, variant: ServingVariant) -> dict[str, str]:  # noqa: ARG002 - the same
        return {}

    def ready_path(self, model_name: str) -> str:
        return self.settings.ready_path(model_name)


EMBEDDED_SERVER = TensorFlowServing(EMBEDDED, module="serving.server")
# The same front, so that what differs between them is what computes the model.
_CONVERTING = tuple(
    TensorFlowServing(facts, "serving.server", module_flags=(f"--runtime={facts.setting}",), converts=True)
    for facts in (ONNX_RUNTIME, OPENVINO)
)
# In the order in which `auto` looks for one.
SERVERS: tuple[Server, ...] = (TensorFlowServing(), EMBEDDED_SERVER, *_CONVERTING)


def server_named(name: str) -> Server:
    """The server with this name or setting; raises KeyError where there is none."""
    servers = {key: server for server in SERVERS for key in (server.facts.setting, server.facts.name)}
    return servers[name]


def installed_server() -> Server:
    """The first server that is installed on this machine; the embedded one always is."""
    return next(server for server in SERVERS if server.executable())


def command_of(
    server: Server,
    variant: ServingVariant,
    apis: Apis,
    *,
    model_name: str,
    model_base_path: Path | str,
    config_dir: Path,
) -> list[str]:
    """The command line that starts a server on this machine."""
    arguments = server.arguments(model_name, variant, apis, config_dir)
    return [
        *(server.executable() or [server.program]),
        *(argument.replace(MODEL_PLACE, str(model_base_path)) for argument in arguments),
    ]


def write_config_files(server: Server, variant: ServingVariant, folder: Path) -> None:
    """Write the files that the server's flags point at."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in server.config_files(variant).items():
        (folder / name).write_text(text, encoding="utf-8")
