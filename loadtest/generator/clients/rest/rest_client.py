"""A client of the REST API: one connection at a time, no retries, no redirects, every answer checked."""

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gevent import Timeout
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError, HTTPResponse

from loadtest.generator.clients.answer_check import AnswerCheck, Read
from loadtest.generator.clients.client import NO_ANSWER, Answer
from loadtest.generator.clients.rest.answer import read_rest
from loadtest.generator.clients.rest.connection import JSON_HEADERS, RestConnection, post_of
from loadtest.generator.clients.rest.stored_requests import StoredRequest, stored
from loadtest.generator.clients.server_addresses import ServerAddresses
from loadtest.generator.plan import LoadTestPlan
from loadtest.generator.request_bodies import RequestBody, in_turn

# Exceptions and the class of error in a row, the most specific first. An answer that breaks off is bad HTTP.
_TRANSPORT_ERRORS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((ConnectionRefusedError,), "connection_refused"),
    ((ConnectionError, HTTPConnectionClosed), "connection_reset"),
    ((TimeoutError, Timeout), "timeout"),
    ((socket.gaierror,), "name_not_resolved"),
    ((HTTPParseError,), "bad_http"),
    ((OSError,), "network_error"),
)


@dataclass(frozen=True, slots=True)
class RestCall:
    """What a REST API's predict call is: its path, with `{model}` for the model's name, its reader, and its headers.

    `headers` are those of a body.
    """

    path: str
    read: Read
    headers: Callable[[bytes], Mapping[str, str]]


_TENSORFLOW = RestCall("/v1/models/{model}:predict", read_rest, lambda _: JSON_HEADERS)


@dataclass(frozen=True, slots=True)
class Post:
    """A request with its head, the size of its body, and the check of its answers."""

    request: StoredRequest
    body_bytes: int
    check: AnswerCheck


def rest_clients(
    plan: LoadTestPlan, bodies: Sequence[RequestBody], worker: int = 0, call: RestCall = _TENSORFLOW
) -> Callable[[], "RestClient"]:
    """A factory that makes a client for each user; all clients share requests, checks and addresses."""
    renewed = plan.renews_connections
    url = plan.base_url + call.path.format(model=plan.model_name)
    requests = stored(
        [post_of(url, body.content, renewed=renewed, headers=call.headers(body.content)) for body in bodies]
    )
    posts = [
        Post(request, len(each.content), AnswerCheck(plan, each, call.read, len(bodies)))
        for request, each in zip(requests, bodies, strict=True)
    ]
    addresses, turn = ServerAddresses(plan.base_url), in_turn(posts, worker, plan.workers)
    return lambda: RestClient(RestConnection(addresses, plan.limits, renewed=renewed), turn)


class RestClient:
    """Posts to the model's predict call, as a loadtest.generator.clients.client.Client."""

    def __init__(self, connection: RestConnection, posts: Iterator[Post]) -> None:
        self._connection = connection
        self._posts = posts

    def predict(self) -> Answer:
        post = next(self._posts)
        try:
            response, content = self._connection.send(post.request)
        except (Exception, Timeout) as cause:  # noqa: BLE001 (it was sent, so it is a row, whatever became of it)
            error = next((name for types, name in _TRANSPORT_ERRORS if isinstance(cause, types)), type(cause).__name__)
            return Answer(NO_ANSWER, error, request_bytes=post.body_bytes)
        return Answer(response.status_code, _error_of(response, content, post), content, request_bytes=post.body_bytes)

    def close(self) -> None:
        self._connection.close()


def _error_of(response: HTTPResponse, content: bytes, post: Post) -> str | None:
    if response.get("content-encoding", "identity") != "identity":
        return "bad_encoding"
    return post.check.error_of(content) if response.status_code == 200 else f"http_{response.status_code}"
