"""The embedded server's flags: named as `tensorflow_model_server`'s, and meaning the same."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import NoReturn

from serving.api.errors import StartError
from serving.command import SERVER_NAME, server_version

_MIB = 1 << 20


@dataclass(frozen=True)
class Flags:
    """A parsed and checked command line. Ports of 0 and thread counts of 0 mean what they mean to TF Serving."""

    bind_address: str
    port: int
    rest_api_port: int
    rest_api_num_threads: int
    rest_api_timeout_in_ms: int
    rest_api_max_body_bytes: int
    grpc_max_threads: int
    grpc_channel_arguments: tuple[tuple[str, int | str], ...]
    enable_grpc_healthcheck_service: bool
    model_name: str
    model_base_path: Path
    enable_model_warmup: bool
    num_request_iterations_for_warmup: int
    enable_batching: bool
    batching_parameters_file: Path | None
    monitoring_config_file: Path | None
    intra_op_threads: int
    inter_op_threads: int


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise StartError(message)


def parse_flags(arguments: Sequence[str]) -> Flags:
    """Parse `--flag=value` arguments. Raises StartError; `--help` and `--version` print and exit."""
    given, unknown = _parser().parse_known_args(arguments)
    if unknown:
        raise StartError(
            f"'{unknown[0]}' is no flag of the embedded server, and ignoring it would measure something else than "
            "asked for; leave it out, or put tensorflow_model_server on PATH if it is one of that"
        )
    _check(given)
    session_threads = given.tensorflow_session_parallelism
    return Flags(
        bind_address=given.bind_address,
        port=given.port,
        rest_api_port=given.rest_api_port,
        rest_api_num_threads=given.rest_api_num_threads,
        rest_api_timeout_in_ms=given.rest_api_timeout_in_ms,
        rest_api_max_body_bytes=given.rest_api_max_body_bytes,
        grpc_max_threads=given.grpc_max_threads,
        grpc_channel_arguments=given.grpc_channel_arguments,
        enable_grpc_healthcheck_service=given.enable_grpc_healthcheck_service,
        model_name=given.model_name,
        model_base_path=given.model_base_path,
        enable_model_warmup=given.enable_model_warmup,
        num_request_iterations_for_warmup=max(given.num_request_iterations_for_warmup, 1),
        enable_batching=given.enable_batching,
        batching_parameters_file=given.batching_parameters_file,
        monitoring_config_file=given.monitoring_config_file,
        intra_op_threads=session_threads or given.tensorflow_intra_op_parallelism,
        inter_op_threads=session_threads or given.tensorflow_inter_op_parallelism,
    )


def _parser() -> _Parser:
    threads = 4 * (os.cpu_count() or 1)
    parser = _Parser(prog="python -m serving.server", description=__doc__, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"{SERVER_NAME} {server_version()}")
    add = parser.add_argument
    add(
        "--bind_address",
        type=_address,
        default="127.0.0.1",
        help="IPv4 address of both APIs; 0.0.0.0 for all (tensorflow_model_server has no such flag, and takes all)",
    )
    add("--port", type=_port, default=8500, help="gRPC port")
    add("--rest_api_port", type=_port, default=0, help="REST port; 0 means no REST")
    add("--rest_api_num_threads", type=_positive, default=threads, help="threads that answer REST requests")
    add("--rest_api_timeout_in_ms", type=_positive, default=30_000, help="a REST request that takes longer gets 504")
    add(
        "--rest_api_max_body_bytes",
        type=_positive,
        default=256 * _MIB,
        help="a larger REST body gets 413 (tensorflow_model_server has no such flag, and no limit)",
    )
    add("--grpc_max_threads", type=_positive, default=threads, help="threads that answer gRPC requests")
    add("--grpc_channel_arguments", type=_channel_arguments, default=(), help="key=value, comma-separated")
    _add_switch(parser, "--enable_grpc_healthcheck_service", default=False, text="serve grpc.health.v1.Health")
    add("--model_name", default="default")
    add("--model_base_path", type=_file, help="the folder above the numeric version folders")
    add("--file_system_poll_wait_seconds", type=_never_again, default=0, help="0: look for versions at the start only")
    _add_switch(parser, "--enable_model_warmup", default=True, text="run the model's warm-up records before serving")
    add("--num_request_iterations_for_warmup", type=int, default=1, help="how often each warm-up record is run")
    _add_switch(parser, "--enable_batching", default=False, text="merge waiting requests")
    add("--batching_parameters_file", type=_file, help="BatchingParameters in text form")
    add("--monitoring_config_file", type=_file, help="MonitoringConfig in text form")
    add("--tensorflow_session_parallelism", type=_natural, default=0, help="both thread pools; 0 means automatic")
    add("--tensorflow_intra_op_parallelism", type=_natural, default=0, help="threads that share one operation")
    add("--tensorflow_inter_op_parallelism", type=_natural, default=0, help="operations that run at once")
    return parser


def _check(given: argparse.Namespace) -> None:
    if given.model_base_path is None:
        raise StartError("--model_base_path is missing, so there is nothing to serve; give the folder above version 1")
    separate = given.tensorflow_intra_op_parallelism or given.tensorflow_inter_op_parallelism
    if given.tensorflow_session_parallelism and separate:
        raise StartError(
            "--tensorflow_session_parallelism sets both thread pools, so it excludes --tensorflow_intra_op_parallelism "
            "and --tensorflow_inter_op_parallelism; give either the one or the two"
        )
    if given.batching_parameters_file and not given.enable_batching:
        raise StartError("--batching_parameters_file has no effect without --enable_batching; give both or neither")
    if given.port == 0:
        raise StartError("--port=0 leaves the gRPC API without a port; give a free one")
    if given.port == given.rest_api_port:
        raise StartError(f"--port and --rest_api_port are both {given.port}; the two APIs need a port each")


def _add_switch(parser: argparse.ArgumentParser, flag: str, *, default: bool, text: str) -> None:
    parser.add_argument(flag, type=_switch, nargs="?", const=True, default=default, help=text)


def _switch(text: str) -> bool:
    values = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"'{text}' is neither true nor false")
    return values[text.lower()]


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is no number from 0 up")
    return int(text)


def _never_again(text: str) -> int:
    if (value := _natural(text)) != 0:
        raise argparse.ArgumentTypeError(f"this server looks for versions once, not every {value} s; give 0")
    return value


def _positive(text: str) -> int:
    if (value := _natural(text)) == 0:
        raise argparse.ArgumentTypeError("0 would answer nothing; give 1 or more")
    return value


def _address(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' is no IPv4 address; give 127.0.0.1, or 0.0.0.0 for all that this machine has"
        ) from None


def _port(text: str) -> int:
    if (value := _natural(text)) > 65535:
        raise argparse.ArgumentTypeError(f"{value} is no port: the highest is 65535")
    return value


def _file(text: str) -> Path | None:
    return Path(text) if text else None


def _channel_arguments(text: str) -> tuple[tuple[str, int | str], ...]:
    pairs = [part.partition("=") for part in text.split(",") if part]
    if bad := [key for key, equals, _ in pairs if not key or not equals]:
        raise argparse.ArgumentTypeError(f"'{bad[0]}' is not of the form key=value")
    return tuple((key, int(value) if value.lstrip("-").isdecimal() else value) for key, _, value in pairs)
