"""A user of any protocol: it times each of its requests and reports it once, as Locust's request event."""

import time
from collections.abc import Callable
from typing import ClassVar

from locust import User
from locust.env import Environment

from loadtest.generator.clients.client import NO_ANSWER, Answer, Client
from loadtest.generator.loops.arrivals import Arrival
from loadtest.generator.loops.dispatcher import Dispatcher
from loadtest.generator.monitoring.clock import epoch_s
from loadtest.generator.phases import PhaseMarks

# The name of all requests in Locust's statistics.
_NAME = "predict"


class FailedRequest(Exception):  # noqa: N818 (the result of a request, not an error of this program)
    """A request without a correct answer, as Locust counts it; its text is a short class such as `timeout`."""


class MeasuredUser(User):
    """Has one client for as long as it lives. Each load mode derives a user that decides when to send."""

    abstract = True

    protocol: ClassVar[str]
    new_client: ClassVar[Callable[[], Client]]
    marks: ClassVar[PhaseMarks]
    dispatcher: ClassVar[Dispatcher]

    def on_start(self) -> None:
        self.connection = type(self).new_client()

    def on_stop(self) -> None:
        self.connection.close()

    def send(self, arrival: Arrival | None = None) -> Answer:
        """Send one request and report it once, whatever happens to it.

        Without an arrival of a schedule the request is due when it is sent, and belongs to the current phase.
        """
        start_s = time.perf_counter()
        answer = Answer(NO_ANSWER, "unfinished")
        try:
            answer = self.connection.predict()
        finally:
            report_request(self.environment, self.protocol, answer, start_s, time.perf_counter(), arrival)
        return answer


def report_request(
    environment: Environment, protocol: str, answer: Answer, start_s: float, end_s: float, arrival: Arrival | None
) -> None:
    """Have Locust count the request and the recorder write its row; times are on the performance counter."""
    environment.events.request.fire(
        request_type=protocol,
        name=_NAME,
        start_time=epoch_s(start_s),
        response_time=(end_s - start_s) * 1e3,
        response_length=answer.response_bytes,
        response=answer,
        exception=FailedRequest(answer.error) if answer.error else None,
        context={"intended_start": epoch_s(arrival.intended_start_s), "phase": arrival.phase} if arrival else {},
    )
