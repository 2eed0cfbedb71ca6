"""The client interface of a user, for any protocol: it sends one request at a time and checks the answer."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

# The status of a request without a complete answer.
NO_ANSWER = -1
# The error of a request that was due when no user was free; a test holds it equal to the one of analysis.results.
NOT_SENT = "not_sent"

# The error of a gRPC call for which the server had no thread left (--grpc_max_threads).
NO_THREAD = "grpc_no_thread"

# gRPC's UNAVAILABLE: a server sends it when its queue is full, and the client library sets it when there is no server.
# The library does not tell one from the other.
_GRPC_UNAVAILABLE = 14

# How many different correct answers are kept: one for each batch size that a batching server may use.
_KEPT = 32


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of one request.

    `status` is the HTTP status or the gRPC code, NO_ANSWER where none came. `error` is a short class such as `timeout`
    or `bad_shape`, None where the answer is correct. `response_bytes` is the body only. `backend` is the replica that
    answered, None where that is not known.
    """

    status: int
    error: str | None
    response_bytes: int
    backend: str | None = None

    @property
    def is_certain(self) -> bool:
        """Whether a server certainly sent it, possibly as an error. HTTP has no status 14."""
        return self.status not in (NO_ANSWER, _GRPC_UNAVAILABLE)


class Client(Protocol):
    """One user's connection to the server, used by one greenlet at a time.

    `predict` sends the request, waits for the answer in its greenlet and checks it. It never raises for what the server
    or the network does; only GreenletExit passes, when Locust ends the user.
    """

    def predict(self) -> Answer:
        """Send one request, once: there are no retries."""

    def close(self) -> None:
        """Close the connection."""


def once_examined(examine: Callable[[bytes], str | None]) -> Callable[[bytes], str | None]:
    """`examine`, which returns the class of error or None for a correct answer, without a second look at equal bytes.

    A model answers equal requests with equal bytes, so comparing is exact, and a hundred times cheaper than checking a
    thousand numbers. Only correct answers are kept.
    """
    correct: deque[bytes] = deque(maxlen=_KEPT)

    def error_of(content: bytes) -> str | None:
        if content in correct:
            return None
        error = examine(content)
        if error is None:
            correct.appendleft(content)
        return error

    return error_of
