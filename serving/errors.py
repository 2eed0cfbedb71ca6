"""Errors of the embedded server: of a request, with a canonical status code, and of the start."""

from enum import Enum
from http import HTTPStatus

# gRPC sends it as metadata, whose size it limits; a client may have put any of its text into it.
_MAX_MESSAGE_CHARACTERS = 1000


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


class ServingError(Exception):
    """A request that cannot be answered. The client gets `message`, so it names the problem."""

    def __init__(
        self, code: Code, message: str, http_status: HTTPStatus | None = None, *, retry_after_s: int | None = None
    ) -> None:
        """`http_status` is given where HTTP has a more exact status than that of `code`, such as 413."""
        # What JSON calls text may hold half a surrogate pair, which neither protocol can send.
        message = message[:_MAX_MESSAGE_CHARACTERS].encode(errors="backslashreplace").decode()
        super().__init__(message)
        self.code = code
        self.message = message
        self.http_status = http_status or code.value[1]
        self.retry_after_s = retry_after_s


def invalid_argument(message: str) -> ServingError:
    """The error for a request that is itself wrong."""
    return ServingError(Code.INVALID_ARGUMENT, message)


def too_large(message: str) -> ServingError:
    """The error for a request that is larger than a limit."""
    return ServingError(Code.INVALID_ARGUMENT, message, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


class StartError(RuntimeError):
    """The server cannot start; the message says why and how to fix it."""


def cannot_bind(flag: str, port: int, reason: object) -> StartError:
    """The error for a port that the server cannot listen on."""
    return StartError(
        f"--{flag}={port} cannot be bound: {str(reason).rstrip('.')}; give a free port from 1024 on, and a"
        " --bind_address of this machine"
    )
