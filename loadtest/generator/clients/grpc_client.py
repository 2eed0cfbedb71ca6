"""A client of the gRPC interface: a connection to every replica, asked in turn, no retries, every answer judged."""

import itertools
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import grpc
import grpc.experimental.gevent

from loadtest.generator.clients.client import NO_ANSWER, Answer
from loadtest.generator.clients.grpc_check import GrpcCheck
from loadtest.generator.plan import Plan

# Without this a call would stop the whole process until its answer is there, and users would ask one after the other.
grpc.experimental.gevent.init_gevent()

_METHOD = "/tensorflow.serving.PredictionService/Predict"

Call = Callable[..., bytes]


def grpc_clients(plan: Plan, body: bytes) -> Callable[[], "GrpcClient"]:
    """What makes a client for each user; all of them share what a right answer looks like.

    Users begin with one replica after the other, or all would ask the same one at first.
    """
    check = GrpcCheck(plan.expected_shape)
    numbers = itertools.count()
    return lambda: GrpcClient(plan, body, check, first=next(numbers))


class GrpcClient:
    """Calls Predict on one replica after the other, on channels of its own.

    That is what gRPC's `round_robin` does over a headless service's addresses, but a call in Python does not say which
    of them answered, and rows shall. The addresses are looked up once: a run whose servers change is not valid anyway.
    loadtest.generator.clients.client.Client says what is promised.
    """

    def __init__(self, plan: Plan, body: bytes, check: GrpcCheck, first: int = 0) -> None:
        self._plan = plan
        self._body = body
        self._check = check
        self._first = first
        self._channels: list[grpc.Channel] = []
        self._calls: list[tuple[str, Call]] = []
        self._sent = 0

    def predict(self) -> Answer:
        """One call, with the response time-out as its deadline."""
        try:
            if not self._calls:
                self._open()
        except OSError:
            return Answer(NO_ANSWER, "name_not_resolved", response_bytes=0)
        address, call = self._calls[(self._first + self._sent) % len(self._calls)]
        self._sent += 1
        try:
            content = call(self._body, timeout=self._plan.limits.response_timeout_s)
        except grpc.RpcError as cause:
            return _failed(cause.code(), address)
        except Exception as cause:  # noqa: BLE001 (it was sent, so it is a row, whatever became of it)
            return Answer(NO_ANSWER, type(cause).__name__, response_bytes=0)
        return Answer(0, self._check.error_of(content), len(content), address)

    def close(self) -> None:
        """Close all channels."""
        for channel in self._channels:
            channel.close()

    def _open(self) -> None:
        for address in addresses(self._plan.base_url):
            channel = grpc.insecure_channel(address, options=_options(self._plan))
            self._channels.append(channel)
            # As bytes both ways: the request is serialised already, and the answer is judged as it came.
            self._calls.append((address, channel.unary_unary(_METHOD, _registered_method=True)))


def addresses(url: str) -> list[str]:
    """`host:port` of every replica that the name stands for, in a fixed order; raises OSError where there is none."""
    parts = urlsplit(url)
    found = socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM)
    return sorted({_host_and_port(*sockaddr[:2]) for *_, sockaddr in found})


def _host_and_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _options(plan: Plan) -> list[tuple[str, int]]:
    return [
        # Or users would share one connection to a replica, whatever their number.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
        ("grpc.enable_http_proxy", 0),
        ("grpc.max_receive_message_length", -1),
        # How long a connection may take, and how soon the next try is made: a server that is back is asked again.
        ("grpc.min_reconnect_backoff_ms", round(plan.limits.connect_timeout_s * 1e3)),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
    ]


def _failed(code: grpc.StatusCode, address: str) -> Answer:
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        # The deadline travels with the call: whether client or server notices first says nothing.
        return Answer(NO_ANSWER, "timeout", response_bytes=0)
    number, _ = code.value
    return Answer(number, f"grpc_{code.name.lower()}", 0, address)
