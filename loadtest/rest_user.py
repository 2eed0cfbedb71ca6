"""A user of the REST interface: one connection, one request at a time, no retries, every answer judged."""

import socket
import time
from typing import ClassVar

from gevent import GreenletExit, Timeout
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError
from locust import FastHttpUser, task
from locust.contrib.fasthttp import ResponseContextManager
from locust.exception import StopUser

from loadtest.check import ResponseCheck
from loadtest.phases import PhaseMarks
from loadtest.recorder import NoAnswer, WrongAnswer

# Connection-level causes and the class that a row carries, most special first. An answer that breaks off is bad HTTP.
_TRANSPORT_ERRORS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((ConnectionRefusedError,), "connection_refused"),
    ((ConnectionError, HTTPConnectionClosed), "connection_reset"),
    ((TimeoutError, Timeout), "timeout"),
    ((socket.gaierror,), "name_not_resolved"),
    ((HTTPParseError,), "bad_http"),
    ((OSError,), "network_error"),
)

_NAME = "predict"
_HEADERS = {
    "Content-Type": "application/json",
    # Compressed answers would hide how many bytes were on the wire, and decompressing is work of this process.
    "Accept-Encoding": "identity",
}


def transport_error(cause: BaseException) -> str:
    """The class of error of a request that the client could not finish."""
    # The client wraps a cause that it would retry, if it were allowed to.
    original = getattr(cause, "original", None)
    cause = original if isinstance(original, BaseException) else cause
    return next((name for types, name in _TRANSPORT_ERRORS if isinstance(cause, types)), type(cause).__name__)


class RestUser(FastHttpUser):
    """Sends `body` to `path`, waits for the answer, and has Locust report it as right or as a class of error."""

    abstract = True
    concurrency = 1
    max_retries = 0
    max_redirects = 0

    path: ClassVar[str]
    body: ClassVar[bytes]
    check: ClassVar[ResponseCheck]
    marks: ClassVar[PhaseMarks]

    def on_start(self) -> None:
        """Take the judgement of status codes away from the client.

        For a status that it calls bad it decodes request and answer into an exception: work on 0.8 MB for each error,
        and an answer that is no UTF-8 would get lost.
        """
        self.client.client.valid_response_codes = frozenset(range(1000))  # type: ignore[misc]  # for this client only

    @task
    def predict(self) -> None:
        """One request. Whatever happens to it, it is reported once."""
        if self.marks.over:
            raise StopUser
        start_time, began = time.time(), time.perf_counter()
        try:
            with self.client.request(
                "POST",
                self.path,
                name=_NAME,
                data=self.body,  # type: ignore[arg-type]  # it takes bytes, and says so in its documentation
                headers=_HEADERS,
                catch_response=True,
            ) as response:
                if failure := self._failure_of(response):
                    response.failure(failure)
                else:
                    response.success()
        except GreenletExit:
            self._report_unanswered("unfinished", start_time, began)
            raise
        except Exception as cause:  # noqa: BLE001 (it was sent, so it is a row, whatever the client made of it)
            self._report_unanswered(transport_error(cause), start_time, began)

    def _failure_of(self, response: ResponseContextManager) -> Exception | None:
        if cause := response.request_meta["exception"]:
            return NoAnswer(transport_error(cause))
        error = self.check.error_of(response.status_code, response.content or b"")
        return WrongAnswer(error) if error else None

    def _report_unanswered(self, error: str, start_time: float, began: float) -> None:
        self.environment.events.request.fire(
            request_type="POST",
            name=_NAME,
            start_time=start_time,
            response_time=(time.perf_counter() - began) * 1e3,
            response_length=0,
            response=None,
            exception=NoAnswer(error),
            context={},
        )
