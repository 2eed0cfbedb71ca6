"""A client of the REST interface: one connection, no retries, no redirects, every answer judged."""

import socket
from collections.abc import Callable

from gevent import Timeout
from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError

from loadtest.client import NO_ANSWER, Answer
from loadtest.plan import Plan
from loadtest.rest_check import RestCheck

# Connection-level causes and the class that a row carries, most special first. An answer that breaks off is bad HTTP.
_TRANSPORT_ERRORS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((ConnectionRefusedError,), "connection_refused"),
    ((ConnectionError, HTTPConnectionClosed), "connection_reset"),
    ((TimeoutError, Timeout), "timeout"),
    ((socket.gaierror,), "name_not_resolved"),
    ((HTTPParseError,), "bad_http"),
    ((OSError,), "network_error"),
)

_HEADERS = {
    "Content-Type": "application/json",
    # Compressed answers would hide how many bytes were on the wire, and decompressing is work of this process.
    "Accept-Encoding": "identity",
}

# An answer is read in pieces of this size; one of a thousand numbers is 14 kB.
_BLOCK_BYTES = 1 << 16


def rest_clients(plan: Plan, body: bytes) -> Callable[[], "RestClient"]:
    """What makes a client for each user; all of them share what a right answer looks like."""
    check = RestCheck(plan.expected_shape)
    return lambda: RestClient(plan, body, check)


class RestClient:
    """Posts to the model's predict call. It is what Locust's own fast client stands on, without that client's retries.

    loadtest.client.Client says what is promised.
    """

    def __init__(self, plan: Plan, body: bytes, check: RestCheck) -> None:
        self._path = f"/v1/models/{plan.model_name}:predict"
        self._body = body
        self._check = check
        self._http = HTTPClient.from_url(
            plan.base_url,
            headers=_HEADERS,
            block_size=_BLOCK_BYTES,
            connection_timeout=plan.limits.connect_timeout_s,
            network_timeout=plan.limits.response_timeout_s,
        )

    def predict(self) -> Answer:
        """One POST, and its answer read to the end."""
        try:
            response = self._http.request("POST", self._path, self._body)
            content = bytes(response.read())
        except (Exception, Timeout) as cause:  # noqa: BLE001 (it was sent, so it is a row, whatever became of it)
            return Answer(NO_ANSWER, transport_error(cause), response_bytes=0)
        if response.get("content-encoding", "identity") != "identity":
            return Answer(response.status_code, "bad_encoding", len(content))
        return Answer(response.status_code, self._check.error_of(response.status_code, content), len(content))

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


def transport_error(cause: BaseException) -> str:
    """The class of error of a request that the client could not finish."""
    return next((name for types, name in _TRANSPORT_ERRORS if isinstance(cause, types)), type(cause).__name__)
