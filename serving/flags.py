"""The embedded server's flags, with the names, meanings and defaults of `tensorflow_model_server`."""

import argparse
import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from ipaddress import IPv4Address
from pathlib import Path
from typing import NoReturn

from serving.errors import StartError
from serving.runtimes import RUNTIMES, TENSORFLOW, Runtime
from stacks.version import VERSION

_MIB = 1 << 20


@dataclass(frozen=True)
class Flags:
    """A checked command line. As in TF Serving, port 0 means no REST API, and 0 threads means automatic."""

    bind_address: str
    port: int
    rest_api_port: int
    rest_api_num_threads: int
    rest_api_timeout_in_ms: int
    rest_api_max_body_bytes: int
    request_memory_bytes: int
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
    runtime: str


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise StartError(message)


def parse_flags(arguments: Sequence[str]) -> Flags:
    """Parse `--flag=value` arguments. Raises StartError; `--help` and `--version` print and exit."""
    parsed, unknown = _parser(_runtime_in(arguments)).parse_known_args(arguments)
    if unknown:
        raise StartError(
            f"'{unknown[0]}' is not a flag of the embedded server, so it did not start; leave it out, or start"
            " tensorflow_model_server instead if it is a flag of that server"
        )
    _check(parsed)
    values = vars(parsed)
    session_threads = values.pop("tensorflow_session_parallelism")
    if session_threads:
        values |= {"intra_op_threads": session_threads, "inter_op_threads": session_threads}
    values["num_request_iterations_for_warmup"] = max(parsed.num_request_iterations_for_warmup, 1)
    del values["file_system_poll_wait_seconds"]
    return Flags(**values)


def _runtime_in(arguments: Sequence[str]) -> Runtime:
    """What computes the model, and so the name and version that `--version` prints."""
    return next((each for name, each in RUNTIMES.items() if f"--runtime={name}" in arguments), RUNTIMES[TENSORFLOW])


def _parser(runtime: Runtime) -> _Parser:
    threads = 4 * (os.cpu_count() or 1)
    parser = _Parser(prog="python -m serving.server", description=__doc__, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"{runtime.facts.name} {_version(runtime)}")
    add = parser.add_argument
    add(
        "--runtime",
        choices=tuple(RUNTIMES),
        default=TENSORFLOW,
        help="what computes the model (tensorflow_model_server has no such flag)",
    )
    add(
        "--bind_address",
        type=_address,
        default="127.0.0.1",
        help="IPv4 address of both APIs; 0.0.0.0 for all (tensorflow_model_server has no such flag and listens on all)",
    )
    add("--port", type=_port, default=8500, help="gRPC port")
    add("--rest_api_port", type=_port, default=0, help="REST port; 0 means no REST")
    add("--rest_api_num_threads", type=_positive, default=threads, help="REST threads; more requests wait")
    add("--rest_api_timeout_in_ms", type=_positive, default=30_000, help="a slower REST request is answered with 504")
    add(
        "--rest_api_max_body_bytes",
        type=_positive,
        default=32 * _MIB,
        help="a larger REST body is answered with 413 (tensorflow_model_server has no such flag and no limit)",
    )
    add(
        "--request_memory_bytes",
        type=_positive,
        default=192 * _MIB,
        help="of all requests in flight, over both APIs (tensorflow_model_server has no such flag and no limit)",
    )
    add("--grpc_max_threads", type=_positive, default=threads, help="gRPC threads; more calls are refused")
    add("--grpc_channel_arguments", type=_channel_arguments, default=(), help="key=value, comma-separated")
    _add_switch(parser, "--enable_grpc_healthcheck_service", default=False, text="serve grpc.health.v1.Health")
    add("--model_name", default="default")
    add("--model_base_path", type=_file, help="the folder above the numeric version folders")
    add("--file_system_poll_wait_seconds", type=_only_zero, default=0, help="0: look up versions once, at the start")
    _add_switch(parser, "--enable_model_warmup", default=True, text="run the model's warm-up records before serving")
    add("--num_request_iterations_for_warmup", type=int, default=1, help="how often each warm-up record is run")
    _add_switch(parser, "--enable_batching", default=False, text="run requests that wait at the same time as a batch")
    add("--batching_parameters_file", type=_file, help="BatchingParameters in text format")
    add("--monitoring_config_file", type=_file, help="MonitoringConfig in text format")
    add("--tensorflow_session_parallelism", type=_natural, default=0, help="both thread pools; 0 means automatic")
    for kind, text in (("intra", "threads that share one operation"), ("inter", "operations that run at once")):
        flag = f"--tensorflow_{kind}_op_parallelism"
        add(flag, dest=f"{kind}_op_threads", type=_natural, default=0, help=text)
    return parser


def _version(runtime: Runtime) -> str:
    """The version with the digest of what serves, so that two builds of one version are told apart."""
    built_of = [file.read_bytes() for file in sorted(Path(__file__).parent.rglob("*.py"))]
    with suppress(PackageNotFoundError):
        built_of += [version(package).encode() for package in runtime.packages]
    return f"{VERSION}+{hashlib.sha256(b''.join(built_of)).hexdigest()[:8]}"


def _check(parsed: argparse.Namespace) -> None:
    if parsed.model_base_path is None:
        raise StartError(
            "--model_base_path is missing, so there is nothing to serve; give the folder above the version folders"
        )
    separate = parsed.intra_op_threads or parsed.inter_op_threads
    if parsed.tensorflow_session_parallelism and separate:
        raise StartError(
            "--tensorflow_session_parallelism sets both thread pools, so it excludes --tensorflow_intra_op_parallelism "
            "and --tensorflow_inter_op_parallelism; give either the first flag or the other two"
        )
    if parsed.batching_parameters_file and not parsed.enable_batching:
        raise StartError("--batching_parameters_file has no effect without --enable_batching; give both or neither")
    if parsed.port == 0:
        raise StartError("--port=0 leaves the gRPC API without a port; give a free port")
    if parsed.port == parsed.rest_api_port:
        raise StartError(
            f"--port and --rest_api_port are both {parsed.port}, but each API needs its own port; give two free ports"
        )


def _add_switch(parser: argparse.ArgumentParser, flag: str, *, default: bool, text: str) -> None:
    parser.add_argument(flag, type=_switch, nargs="?", const=True, default=default, help=text)


def _switch(text: str) -> bool:
    values = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"'{text}' is neither true nor false; give one of them")
    return values[text.lower()]


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number without a sign; give digits only")
    return int(text)


def _only_zero(text: str) -> int:
    if (value := _natural(text)) != 0:
        raise argparse.ArgumentTypeError(
            f"the embedded server looks for versions of the model once, at its start, so {value} has no effect; give 0"
        )
    return value


def _positive(text: str) -> int:
    if (value := _natural(text)) == 0:
        raise argparse.ArgumentTypeError("0 would answer no request; give 1 or more")
    return value


def _address(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not an IPv4 address; give 127.0.0.1, or 0.0.0.0 for all addresses of this machine"
        ) from None


def _port(text: str) -> int:
    if (value := _natural(text)) > 65535:
        raise argparse.ArgumentTypeError(f"{value} is not a port; give 1 to 65535")
    return value


def _file(text: str) -> Path | None:
    return Path(text) if text else None


def _channel_arguments(text: str) -> tuple[tuple[str, int | str], ...]:
    pairs = [part.partition("=") for part in text.split(",") if part]
    if malformed := [key for key, equals, _ in pairs if not key or not equals]:
        raise argparse.ArgumentTypeError(f"'{malformed[0]}' is not of the form key=value; separate pairs with commas")
    return tuple((key, int(value) if value.lstrip("-").isdecimal() else value) for key, _, value in pairs)
