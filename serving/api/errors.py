"""What can go wrong with a request, in the canonical codes that REST and gRPC both map from."""

from enum import Enum
from http import HTTPStatus


class Code(Enum):
    """A canonical status code: its number in the protocol, and the HTTP status that TF Serving answers with."""

    OK = (0, HTTPStatus.OK)
    INVALID_ARGUMENT = (3, HTTPStatus.BAD_REQUEST)
    DEADLINE_EXCEEDED = (4, HTTPStatus.GATEWAY_TIMEOUT)
    NOT_FOUND = (5, HTTPStatus.NOT_FOUND)
    RESOURCE_EXHAUSTED = (8, HTTPStatus.TOO_MANY_REQUESTS)
    FAILED_PRECONDITION = (9, HTTPStatus.BAD_REQUEST)
    UNIMPLEMENTED = (12, HTTPStatus.NOT_IMPLEMENTED)
    INTERNAL = (13, HTTPStatus.INTERNAL_SERVER_ERROR)
    UNAVAILABLE = (14, HTTPStatus.SERVICE_UNAVAILABLE)

    @property
    def http_status(self) -> HTTPStatus:
        """The HTTP status that stands for this code."""
        return self.value[1]


class ServingError(Exception):
    """A request that cannot be answered; the message names the problem and goes to the client as it is."""

    def __init__(self, code: Code, message: str, http_status: HTTPStatus | None = None) -> None:
        """`http_status` is given where HTTP has a word of its own for the problem, such as 413."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.http_status = http_status or code.http_status


def invalid_argument(message: str) -> ServingError:
    """The client sent something that cannot work."""
    return ServingError(Code.INVALID_ARGUMENT, message)


class StartError(RuntimeError):
    """The server cannot start; the message says why and how to mend it."""
