"""The command line that starts a server, the real one or the embedded one, and the two files it points at.

Imports nothing heavy: a process that starts a server need not load what the server loads.
"""

import sys
from pathlib import Path, PurePath

from stacks.serving_variant import Batching, ServingVariant
from stacks.version import VERSION

SERVER_NAME = "shapebench-embedded"
PROMETHEUS_PATH = "/monitoring/prometheus/metrics"


def server_version() -> str:
    """The embedded server's version, which is the project's."""
    return VERSION


def server_command(  # noqa: PLR0913 - one parameter a flag, by keyword
    executable: str | None,
    *,
    model_name: str,
    model_base_path: Path | str,
    rest_port: int,
    grpc_port: int,
    variant: ServingVariant,
    batching_file: Path | None = None,
    monitoring_file: Path | None = None,
) -> list[str]:
    """The argument list of a server: `executable` is a `tensorflow_model_server`, None means the embedded one."""
    return [
        *([executable] if executable else [sys.executable, "-m", "serving.server"]),
        f"--model_name={model_name}",
        f"--model_base_path={model_base_path}",
        *variant_flags(variant, batching_file),
        *endpoint_flags(rest_port, grpc_port, monitoring_file),
    ]


def variant_flags(variant: ServingVariant, batching_file: PurePath | None) -> list[str]:
    """The flags of a serving variant; `batching_file` holds its batching parameters, if it has any."""
    flags = [
        f"--tensorflow_intra_op_parallelism={variant.intra_op}",
        f"--tensorflow_inter_op_parallelism={variant.inter_op}",
    ]
    if batching_file is not None:
        flags += ["--enable_batching=true", f"--batching_parameters_file={batching_file}"]
    return flags


def endpoint_flags(rest_port: int, grpc_port: int, monitoring_file: PurePath | None) -> list[str]:
    """The flags that say where the server is reached and how it is watched."""
    flags = [f"--rest_api_port={rest_port}", f"--port={grpc_port}", "--enable_grpc_healthcheck_service=true"]
    if monitoring_file is not None:
        flags.append(f"--monitoring_config_file={monitoring_file}")
    return flags


def batching_text(batching: Batching) -> str:
    """TF Serving's batching parameter file."""
    return "".join(f"{name} {{ value: {value} }}\n" for name, value in batching.model_dump().items())


def monitoring_text() -> str:
    """A monitoring file that turns the Prometheus page on, at TF Serving's own path."""
    return f'prometheus_config {{ enable: true path: "{PROMETHEUS_PATH}" }}\n'


def write_batching_file(batching: Batching, path: Path) -> None:
    """Write TF Serving's batching parameter file."""
    path.write_text(batching_text(batching))


def write_monitoring_file(path: Path) -> None:
    """Write the monitoring file."""
    path.write_text(monitoring_text())
