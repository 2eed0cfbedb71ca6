"""Where Locust begins: the plan becomes a user class, a load shape and the listeners that record them."""

from collections.abc import Callable
from pathlib import Path

import gevent
from locust import LoadTestShape, constant, events
from locust.env import Environment
from locust.event import EventHook

from loadtest.arrivals import ramp_and_hold
from loadtest.capacity_run import CapacityRun
from loadtest.closed_loop import ClosedLoopUser
from loadtest.desk import Desk
from loadtest.health import Health
from loadtest.open_loop import OpenLoopUser, Player, StandBy
from loadtest.phases import WARMUP, PhaseMarks, Timeline
from loadtest.plan import Plan
from loadtest.protocols import clients
from loadtest.recorder import Recorder
from loadtest.report import Report
from loadtest.sampler import Sampler
from loadtest.shape import ProfileShape
from loadtest.user import MeasuredUser
from loadtest.warmth import Warmth
from loadtest.watch import Watch

PLAN = Plan.from_environment()
BODY = Path(PLAN.body_path).read_bytes()
MARKS = PhaseMarks()
RECORDER = Recorder(Path(PLAN.spool_path), MARKS, request_bytes=len(BODY))
WATCH = Watch(PLAN, RECORDER, MARKS)
HEALTH = Health(MARKS)
REPORT = Report(PLAN, RECORDER, MARKS, HEALTH)
SAMPLER = Sampler(Path(PLAN.samples_path), PLAN.server_pid)
DESK = Desk()
WARMTH = Warmth()


# A schedule needs users who stand by; without one each decides when it sends.
STAND_BY = PLAN.schedule is not None or PLAN.search is not None
Users: type[MeasuredUser] = OpenLoopUser if STAND_BY else ClosedLoopUser
Shape: type[LoadTestShape] = StandBy if STAND_BY else ProfileShape


class PlannedUser(Users):  # type: ignore[misc, valid-type]  # one of the two, as the plan says
    """The plan's users."""

    wait_time = constant(PLAN.wait_s)
    protocol = PLAN.protocol
    new_client = staticmethod(clients(PLAN, BODY))
    marks = MARKS
    desk = DESK


class Profile(Shape):  # type: ignore[misc, valid-type]  # the same
    """The plan's phases."""

    users = PLAN.users
    spawn_rate_per_s = PLAN.spawn_rate_per_s
    timeline = Timeline(PLAN.warmup_s, PLAN.ramp_s, PLAN.duration_s)
    warmth = WARMTH
    marks = MARKS


def _attach(environment: Environment, **_: object) -> None:
    # A request under way when the time is up ends by its answer or its own time-out, and is counted.
    environment.stop_timeout = PLAN.limits.response_timeout_s
    _listen(events.request, RECORDER.on_request)
    player = Player(PLAN, environment, DESK, MARKS)
    search = CapacityRun(PLAN.search, player) if PLAN.search else None
    _listen(events.test_start, lambda **_: _begin(player, search))
    _listen(events.quit, lambda **_: _finish(environment, search))
    WATCH.start(environment)
    gevent.spawn(_flush_often)
    gevent.spawn(_report_often, environment)


def _listen(event: EventHook, handler: Callable[..., None]) -> None:
    event.add_listener(handler)  # type: ignore[no-untyped-call]  # Locust leaves it without types


def _begin(player: Player, search: CapacityRun | None) -> None:
    REPORT.begin()
    gevent.spawn(HEALTH.beat)
    if STAND_BY:
        gevent.spawn(_play, player, search)
    else:
        _listen(events.request, _feel)


def _play(player: Player, search: CapacityRun | None) -> None:
    player.wait_for_users()
    warmth = player.warm_up()
    if search:
        search.run(warmth, PLAN.duration_s)
    if schedule := PLAN.schedule:
        hold_s = PLAN.duration_s - PLAN.ramp_s
        player.play(ramp_and_hold(schedule.rate_rps, PLAN.ramp_s, hold_s, schedule.law, schedule.seed))
    player.finish()


def _feel(*, response_time: float, **_: object) -> None:
    if MARKS.current == WARMUP:
        WARMTH.note(response_time / 1e3)


def _finish(environment: Environment, search: CapacityRun | None) -> None:
    # A server that went away in the last seconds is gone as well.
    WATCH.look_for_server(patience_s=0)
    _flush()
    REPORT.totals(environment, WATCH.stop, search.outcome if search else None)


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
        SAMPLER.sample(REPORT.cpu_percent)


_listen(events.init, _attach)
