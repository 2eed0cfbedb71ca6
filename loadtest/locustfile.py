"""Where Locust begins: the plan becomes a user class, a load shape and the listeners that record them."""

from collections.abc import Callable
from pathlib import Path

import gevent
from locust import constant, events
from locust.env import Environment
from locust.event import EventHook

from loadtest.closed_loop import ClosedLoopUser
from loadtest.phases import PhaseMarks, Timeline
from loadtest.plan import Plan
from loadtest.protocols import clients
from loadtest.recorder import Recorder
from loadtest.report import Report
from loadtest.shape import ProfileShape
from loadtest.watch import Watch

PLAN = Plan.from_environment()
BODY = Path(PLAN.body_path).read_bytes()
MARKS = PhaseMarks()
RECORDER = Recorder(Path(PLAN.spool_path), MARKS, request_bytes=len(BODY))
WATCH = Watch(PLAN, RECORDER, MARKS)
REPORT = Report(PLAN, RECORDER, MARKS)


class PlannedUser(ClosedLoopUser):
    """The plan's users."""

    wait_time = constant(PLAN.wait_s)
    protocol = PLAN.protocol
    new_client = staticmethod(clients(PLAN, BODY))
    marks = MARKS


class Profile(ProfileShape):
    """The plan's phases."""

    users = PLAN.users
    spawn_rate_per_s = PLAN.spawn_rate_per_s
    timeline = Timeline(PLAN.warmup_s, PLAN.ramp_s, PLAN.duration_s)
    marks = MARKS


def _attach(environment: Environment, **_: object) -> None:
    # A request under way when the time is up ends by its answer or its own time-out, and is counted.
    environment.stop_timeout = PLAN.limits.response_timeout_s
    _listen(events.request, RECORDER.on_request)
    _listen(events.test_start, lambda **_: REPORT.begin())
    _listen(events.quit, lambda **_: _finish(environment))
    WATCH.start(environment)
    gevent.spawn(_flush_often)
    gevent.spawn(_report_often, environment)


def _listen(event: EventHook, handler: Callable[..., None]) -> None:
    event.add_listener(handler)  # type: ignore[no-untyped-call]  # Locust leaves it without types


def _finish(environment: Environment) -> None:
    # A server that went away in the last seconds is gone as well.
    WATCH.look_for_server(patience_s=0)
    _flush()
    REPORT.totals(environment, WATCH.stop)


def _flush() -> None:
    try:
        RECORDER.flush()
    except OSError as cause:
        WATCH.end("rows_not_written", f"{PLAN.spool_path}: {cause.strerror}")


def _flush_often() -> None:
    while WATCH.stop is None:
        gevent.sleep(PLAN.limits.flush_interval_s)
        _flush()


def _report_often(environment: Environment) -> None:
    while WATCH.stop is None:
        gevent.sleep(PLAN.limits.report_interval_s)
        try:
            REPORT.progress(environment.runner.user_count if environment.runner else 0)
        except OSError:
            WATCH.end("caller_gone", "nobody reads the progress any more")


_listen(events.init, _attach)
