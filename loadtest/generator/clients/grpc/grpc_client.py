"""A client of the gRPC API: a connection to every replica, used in turn, no retries, every answer checked."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import grpc
import grpc.experimental.gevent

from loadtest.generator.clients.answer_check import AnswerCheck, Read
from loadtest.generator.clients.client import NO_ANSWER, NO_THREAD, Answer
from loadtest.generator.clients.grpc.answer import read_grpc
from loadtest.generator.clients.server_addresses import ServerAddresses
from loadtest.generator.plan import LoadTestPlan
from loadtest.generator.request_bodies import RequestBody, in_turn

# Without this a call blocks the whole process until it is answered, and users send one after the other.
grpc.experimental.gevent.init_gevent()

# The answer of gRPC's C++ server for want of a thread: kServerThreadpoolExhausted, server_cc.cc of grpc/grpc. Limits of
# batching and memory have the same code and other details.
_NO_THREAD = (grpc.StatusCode.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")

_METHOD = "/tensorflow.serving.PredictionService/Predict"

Call = Callable[..., bytes]


@dataclass(frozen=True, slots=True)
class Message:
    """A serialised request, and the check of its answers."""

    content: bytes
    check: AnswerCheck


def grpc_clients(
    plan: LoadTestPlan,
    bodies: Sequence[RequestBody],
    worker: int = 0,
    method: str = _METHOD,
    read: Read = read_grpc,
) -> Callable[[], "GrpcClient"]:
    """A factory of clients: each begins with another replica, or all would send to the same one at first."""
    messages = [Message(body.content, AnswerCheck(plan, body, read, len(bodies))) for body in bodies]
    addresses, turn = ServerAddresses(plan.base_url), in_turn(messages, worker, plan.workers)
    numbers = itertools.count()
    return lambda: GrpcClient(plan, addresses, turn, method, first=next(numbers))


class GrpcClient:
    """Calls a method on one replica after the other, on channels of its own.

    gRPC's `round_robin` does the same over a headless service's addresses, but does not tell in Python which of them
    answered, and rows record it. It is a loadtest.generator.clients.client.Client.
    """

    def __init__(
        self, plan: LoadTestPlan, addresses: ServerAddresses, messages: Iterator[Message], method: str, first: int = 0
    ) -> None:
        self._plan = plan
        self._method = method
        self._addresses = addresses
        self._messages = messages
        self._next = first
        self._channels: list[grpc.Channel] = []
        self._calls: list[tuple[str, Call]] = []

    def predict(self) -> Answer:
        """Make one call, with the response time-out as its deadline."""
        message = next(self._messages)
        return replace(self._answer_to(message), request_bytes=len(message.content))

    def _answer_to(self, message: Message) -> Answer:
        try:
            if not self._calls:
                self._open()
        except OSError:
            return Answer(NO_ANSWER, "name_not_resolved")
        address, call = self._calls[self._next % len(self._calls)]
        self._next += 1
        try:
            content = call(message.content, timeout=self._plan.limits.response_timeout_s)
        except grpc.RpcError as cause:
            return _failed(cause.code(), cause.details(), address)
        except Exception as cause:  # noqa: BLE001 (it was sent, so it is a row, whatever became of it)
            return Answer(NO_ANSWER, type(cause).__name__)
        return Answer(0, message.check.error_of(content), content, address)

    def close(self) -> None:
        for channel in self._channels:
            channel.close()

    def _open(self) -> None:
        for address in targets(self._addresses):
            channel = grpc.insecure_channel(address, options=_options(self._plan))
            self._channels.append(channel)
            # Bytes both ways: the request is already serialised, and the check compares bytes.
            self._calls.append((address, channel.unary_unary(self._method, _registered_method=True)))


def targets(addresses: ServerAddresses) -> list[str]:
    """`host:port` of every replica, in an order that is the same for all users; raises OSError where there is none."""
    ends = {(str(host), int(port)) for _, (host, port, *_) in addresses.all()}
    return sorted(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in ends)


def _options(plan: LoadTestPlan) -> list[tuple[str, int]]:
    return [
        # Or all users would share one connection to a replica.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
        ("grpc.enable_http_proxy", 0),
        ("grpc.max_receive_message_length", -1),
        # How long a connection may take, and how soon the client reconnects to a server that is back.
        ("grpc.min_reconnect_backoff_ms", round(plan.limits.connect_timeout_s * 1e3)),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
    ]


def _failed(code: grpc.StatusCode, details: str | None, address: str) -> Answer:
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        # Client and server share the deadline: which of them notices first has no meaning.
        return Answer(NO_ANSWER, "timeout")
    number, _ = code.value
    error = NO_THREAD if (code, details) == _NO_THREAD else f"grpc_{code.name.lower()}"
    return Answer(number, error, backend=address, detail=details or "")
