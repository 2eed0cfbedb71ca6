"""Checks everything that can be checked before the model is loaded, so that a mistake is reported at once."""

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from serving.config_files import default_batching, read_batching_file, read_monitoring_file
from serving.errors import StartError, cannot_bind
from serving.flags import Flags
from stacks.server.serving_variant import Batching


class ModelVersion(NamedTuple):
    """The number of a model version and its folder."""

    number: int
    folder: Path


@dataclass(frozen=True)
class Startup:
    """What the server starts with. `rest_socket` is bound, but refuses connections until it listens.

    `batching` is None if batching is off, `prometheus_path` if monitoring is, `rest_socket` if there is no REST port.
    """

    flags: Flags
    version: ModelVersion
    batching: Batching | None
    prometheus_path: str | None
    rest_socket: socket.socket | None


def check_startup(flags: Flags) -> Startup:
    """Find the model version, read the files that flags name, bind the REST port. Raises StartError."""
    version = _newest_version(flags.model_base_path)
    batching = default_batching() if flags.enable_batching else None
    if flags.batching_parameters_file:
        batching = read_batching_file(flags.batching_parameters_file)
    prometheus_path = read_monitoring_file(flags.monitoring_config_file) if flags.monitoring_config_file else None
    # gRPC cannot take over a bound socket, so this one only shows that the port is free.
    _bound_socket("port", flags.bind_address, flags.port).close()
    rest_socket = (
        _bound_socket("rest_api_port", flags.bind_address, flags.rest_api_port) if flags.rest_api_port else None
    )
    return Startup(flags, version, batching, prometheus_path, rest_socket)


def _newest_version(base_path: Path) -> ModelVersion:
    """The version with the highest number below the model's base path. Raises StartError if there is none."""
    if not base_path.is_dir():
        raise StartError(
            f"--model_base_path={base_path} is not a folder, so there is nothing to serve; export the model"
        )
    versions = [
        ModelVersion(int(folder.name), folder)
        for folder in base_path.iterdir()
        if folder.name.isdecimal() and (folder / "saved_model.pb").is_file()
    ]
    if not versions:
        raise StartError(
            f"--model_base_path={base_path} has no version folder, so there is nothing to serve; a version folder is"
            " named 1, 2, … and contains saved_model.pb; give its parent folder"
        )
    return max(versions)


def _bound_socket(flag: str, address: str, port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((address, port))
    except OSError as error:
        bound.close()
        raise cannot_bind(flag, port, error.strerror) from error
    return bound
