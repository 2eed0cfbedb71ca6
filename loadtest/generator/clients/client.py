"""What a user asks with, whatever the protocol: one request at a time, and an answer that is judged already."""

from dataclasses import dataclass
from typing import Protocol

# The status of a request to which no whole answer came.
NO_ANSWER = -1

# gRPC's UNAVAILABLE: a server says it when its queue is full, and the client's own library when there is no server.
# Nothing that the library hands out tells one from the other.
_PERHAPS_NO_ANSWER = 14


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request.

    `status` is the HTTP status or the gRPC code, NO_ANSWER where none came. `error` is a short class such as `timeout`
    or `bad_shape`, None where the answer is right. `response_bytes` is the body only. `backend` is the replica that
    answered, None where that cannot be known.
    """

    status: int
    error: str | None
    response_bytes: int
    backend: str | None = None

    @property
    def surely_answered(self) -> bool:
        """Whether a server was there to answer, be it with an error. HTTP has no status 14."""
        return self.status not in (NO_ANSWER, _PERHAPS_NO_ANSWER)


class Client(Protocol):
    """One user's connection to the server. A user has one, so it is asked by one greenlet at a time.

    `predict` sends the request, waits for the answer in its greenlet and judges it. It never raises for what the server
    or the network does; only GreenletExit passes, when Locust ends the user.
    """

    def predict(self) -> Answer:
        """One request, sent once: nothing is sent again behind the caller's back."""
        ...

    def close(self) -> None:
        """Give the connection up."""
        ...
