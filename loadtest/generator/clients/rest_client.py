"""A client of the REST interface: one connection, no retries, no redirects, every answer judged."""

import socket
from collections.abc import Callable

from gevent import Timeout
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError

from loadtest.generator.clients.client import NO_ANSWER, Answer
from loadtest.generator.clients.rest_check import RestCheck
from loadtest.generator.clients.rest_connection import RestConnection, post_of
from loadtest.generator.plan import Plan

# Connection-level causes and the class that a row carries, most special first. An answer that breaks off is bad HTTP.
_TRANSPORT_ERRORS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((ConnectionRefusedError,), "connection_refused"),
    ((ConnectionError, HTTPConnectionClosed), "connection_reset"),
    ((TimeoutError, Timeout), "timeout"),
    ((socket.gaierror,), "name_not_resolved"),
    ((HTTPParseError,), "bad_http"),
    ((OSError,), "network_error"),
)


def rest_clients(plan: Plan, body: bytes) -> Callable[[], "RestClient"]:
    """What makes a client for each user; all of them share the request, and what a right answer looks like."""
    request = post_of(f"{plan.base_url}/v1/models/{plan.model_name}:predict", body)
    check = RestCheck(plan.expected_shape)
    return lambda: RestClient(RestConnection(plan.base_url, plan.limits), request, check)


class RestClient:
    """Posts to the model's predict call. loadtest.generator.clients.client.Client says what is promised."""

    def __init__(self, connection: RestConnection, request: bytes, check: RestCheck) -> None:
        self._connection = connection
        self._request = request
        self._check = check

    def predict(self) -> Answer:
        """One POST, and its answer read to the end."""
        try:
            response, content = self._connection.ask(self._request)
        except (Exception, Timeout) as cause:  # noqa: BLE001 (it was sent, so it is a row, whatever became of it)
            return Answer(NO_ANSWER, transport_error(cause), response_bytes=0)
        if response.get("content-encoding", "identity") != "identity":
            return Answer(response.status_code, "bad_encoding", len(content))
        return Answer(response.status_code, self._check.error_of(response.status_code, content), len(content))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def transport_error(cause: BaseException) -> str:
    """The class of error of a request that the client could not finish."""
    return next((name for types, name in _TRANSPORT_ERRORS if isinstance(cause, types)), type(cause).__name__)
