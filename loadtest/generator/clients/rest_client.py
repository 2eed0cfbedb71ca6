"""A client of the REST API: one connection at a time, no retries, no redirects, every answer checked."""

import socket
from collections.abc import Callable

from gevent import Timeout
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError

from loadtest.generator.clients.client import NO_ANSWER, Answer
from loadtest.generator.clients.rest_check import RestCheck
from loadtest.generator.clients.rest_connection import RestConnection, post_of
from loadtest.generator.clients.server_addresses import ServerAddresses
from loadtest.generator.plan import LoadTestPlan

# Exceptions and the class of error in a row, the most specific first. An answer that breaks off is bad HTTP.
_TRANSPORT_ERRORS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((ConnectionRefusedError,), "connection_refused"),
    ((ConnectionError, HTTPConnectionClosed), "connection_reset"),
    ((TimeoutError, Timeout), "timeout"),
    ((socket.gaierror,), "name_not_resolved"),
    ((HTTPParseError,), "bad_http"),
    ((OSError,), "network_error"),
)


def rest_clients(plan: LoadTestPlan, body: bytes) -> Callable[[], "RestClient"]:
    """A factory that makes a client for each user; all clients share request, check and addresses."""
    renewed = plan.renews_connections
    request = post_of(f"{plan.base_url}/v1/models/{plan.model_name}:predict", body, renewed=renewed)
    check, addresses = RestCheck(plan.outputs), ServerAddresses(plan.base_url)
    return lambda: RestClient(RestConnection(addresses, plan.limits, renewed=renewed), request, check)


class RestClient:
    """Posts to the model's predict call, as a loadtest.generator.clients.client.Client."""

    def __init__(self, connection: RestConnection, request: bytes, check: RestCheck) -> None:
        self._connection = connection
        self._request = request
        self._check = check

    def predict(self) -> Answer:
        try:
            response, content = self._connection.send(self._request)
        except (Exception, Timeout) as cause:  # noqa: BLE001 (it was sent, so it is a row, whatever became of it)
            error = next((name for types, name in _TRANSPORT_ERRORS if isinstance(cause, types)), type(cause).__name__)
            return Answer(NO_ANSWER, error, response_bytes=0)
        if response.get("content-encoding", "identity") != "identity":
            return Answer(response.status_code, "bad_encoding", len(content))
        return Answer(response.status_code, self._check.error_of(response.status_code, content), len(content))

    def close(self) -> None:
        self._connection.close()
