"""A user of whatever protocol: each of its requests is timed here and reported once, as Locust's own event."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from locust import User
from locust.env import Environment

from loadtest.generator.clients.client import NO_ANSWER, Answer, Client
from loadtest.generator.monitoring.clock import epoch_s
from loadtest.generator.phases import PhaseMarks

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

    def send(self, due_s: float | None = None, phase: str | None = None) -> Answer:
        """One request. Whatever happens to it, it is reported once.

        `due_s` on the performance counter is when a schedule wanted it sent, and `phase` what it was sent for; without
        a schedule it is due when it is sent.
        """
        began_s = time.perf_counter()
        answer = Answer(NO_ANSWER, "unfinished", response_bytes=0)
        try:
            answer = self.connection.predict()
        finally:
            timing = Timing(began_s if due_s is None else due_s, began_s, time.perf_counter(), phase)
            report_request(self.environment, self.protocol, answer, timing)
        return answer


@dataclass(frozen=True, slots=True)
class Timing:
    """When a request was due, sent and answered, on the performance counter; None for the phase that is on."""

    due_s: float
    began_s: float
    ended_s: float
    phase: str | None


def report_request(environment: Environment, protocol: str, answer: Answer, timing: Timing) -> None:
    """Have Locust count it and the recorder keep it."""
    environment.events.request.fire(  # type: ignore[no-untyped-call]  # Locust leaves it without types
        request_type=protocol,
        name=_NAME,
        start_time=epoch_s(timing.began_s),
        response_time=(timing.ended_s - timing.began_s) * 1e3,
        response_length=answer.response_bytes,
        response=answer,
        exception=FailedRequest(answer.error) if answer.error else None,
        context={"intended_start": epoch_s(timing.due_s), "phase": timing.phase},
    )
