"""The client interface of a user, for any protocol: it sends one request at a time and checks the answer."""

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


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of one request.

    `status` is the HTTP status or the gRPC code, NO_ANSWER where none came. `error` is a short class such as `timeout`
    or `bad_shape`, None where the answer is correct. `request_bytes` is that of the body only, 0 where none was sent
    or the test ended meanwhile. `backend` is the replica that answered, None where that is not known. `content` is the
    body, and `detail` what gRPC says of an error.
    """

    status: int
    error: str | None
    content: bytes = b""
    backend: str | None = None
    request_bytes: int = 0
    detail: str = ""

    @property
    def response_bytes(self) -> int:
        """Of the body only."""
        return len(self.content)

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
