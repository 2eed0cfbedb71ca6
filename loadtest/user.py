"""A user of whatever protocol: each of its requests is timed here and reported once, as Locust's own event."""

import time
from collections.abc import Callable
from typing import ClassVar

from gevent import GreenletExit
from locust import User

from loadtest.client import NO_ANSWER, Answer, Client
from loadtest.phases import PhaseMarks

# What Locust's own figures call all requests.
_NAME = "predict"


class FailedRequest(Exception):  # noqa: N818 (it is what became of a request, not an error of this program)
    """A request without a right answer, as Locust counts it; its text is a short class such as `timeout`."""


class MeasuredUser(User):
    """Has one client for as long as it lives. When it sends is up to the loop that derives from it."""

    abstract = True

    protocol: ClassVar[str]
    new_client: ClassVar[Callable[[], Client]]
    marks: ClassVar[PhaseMarks]

    def on_start(self) -> None:
        """Take a connection of its own."""
        self.connection = type(self).new_client()

    def on_stop(self) -> None:
        """Give it up."""
        self.connection.close()

    def send(self) -> None:
        """One request. Whatever happens to it, it is reported once."""
        start_time, began = time.time(), time.perf_counter()
        try:
            answer = self.connection.predict()
        except GreenletExit:
            self._report(Answer(NO_ANSWER, "unfinished", response_bytes=0), start_time, began)
            raise
        self._report(answer, start_time, began)

    def _report(self, answer: Answer, start_time: float, began: float) -> None:
        self.environment.events.request.fire(
            request_type=self.protocol,
            name=_NAME,
            start_time=start_time,
            response_time=(time.perf_counter() - began) * 1e3,
            response_length=answer.response_bytes,
            response=answer,
            exception=FailedRequest(answer.error) if answer.error else None,
            context={},
        )
