"""What can be settled before the model is loaded, so that a mistake is told at once and not after seconds."""

import socket
from dataclasses import dataclass

from serving.api.errors import StartError
from serving.config_files import default_batching, read_batching_file, read_monitoring_file
from serving.flags import Flags
from serving.model.versions import ModelVersion, newest_version
from stacks.serving_variant import Batching


@dataclass(frozen=True)
class Prepared:
    """A start that can only fail by its model. `rest_socket` is bound but refuses connections until it listens."""

    flags: Flags
    version: ModelVersion
    batching: Batching | None
    prometheus_path: str | None
    rest_socket: socket.socket | None


def prepare(flags: Flags) -> Prepared:
    """Read the files that the flags point at, find the version, reserve the ports. Raises StartError."""
    version = newest_version(flags.model_base_path)
    batching = _batching(flags)
    prometheus_path = read_monitoring_file(flags.monitoring_config_file) if flags.monitoring_config_file else None
    # gRPC takes no socket that is bound already: this only tells early that it could not bind its own.
    _bound_socket("port", flags.bind_address, flags.port).close()
    rest_socket = (
        _bound_socket("rest_api_port", flags.bind_address, flags.rest_api_port) if flags.rest_api_port else None
    )
    return Prepared(flags, version, batching, prometheus_path, rest_socket)


def _batching(flags: Flags) -> Batching | None:
    if not flags.enable_batching:
        return None
    return read_batching_file(flags.batching_parameters_file) if flags.batching_parameters_file else default_batching()


def _bound_socket(flag: str, address: str, port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((address, port))
    except OSError as error:
        bound.close()
        raise StartError(f"--{flag}={port} cannot be bound: {error.strerror}; give a free port") from error
    return bound
