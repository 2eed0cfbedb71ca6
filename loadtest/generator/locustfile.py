"""Where Locust begins: the plan becomes a user class, a load shape, and what this process is in the test."""

import functools
import socket
from pathlib import Path
from typing import Any

from locust import LoadTestShape, constant, events
from locust.env import Environment
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

from loadtest.generator.clients.protocols import clients
from loadtest.generator.locust_events import listen
from loadtest.generator.loops.closed_loop import ClosedLoopUser
from loadtest.generator.loops.dispatcher import Desk
from loadtest.generator.loops.open_loop import OpenLoopUser, StandBy
from loadtest.generator.loops.shape import ProfileShape
from loadtest.generator.loops.user import MeasuredUser
from loadtest.generator.master import Master
from loadtest.generator.phases import PhaseMarks, Timeline
from loadtest.generator.plan import Plan
from loadtest.generator.worker import Worker

PLAN = Plan.from_environment()
BODY = Path(PLAN.body_path).read_bytes()
MARKS = PhaseMarks()
DESK = Desk()

# How long workers may take to find their master, in seconds.
_CONNECTED_S = 60

# A schedule needs users who stand by; without one each decides when it sends.
Users: type[MeasuredUser] = OpenLoopUser if PLAN.stands_by else ClosedLoopUser
Shape: type[LoadTestShape] = StandBy if PLAN.stands_by else ProfileShape


class PlannedUser(Users):  # type: ignore[misc, valid-type]  # one of the two, as the plan says
    """The plan's users."""

    wait_time = constant(PLAN.wait_s)
    protocol = PLAN.protocol
    marks = MARKS
    desk = DESK


class Profile(Shape):  # type: ignore[misc, valid-type]  # the same
    """The plan's phases."""

    users = PLAN.users
    spawn_rate_per_s = PLAN.spawn_rate_per_s
    timeline = Timeline(PLAN.warmup_s, PLAN.ramp_s, PLAN.duration_s)
    marks = MARKS


def _divide(parser: Any, **_: object) -> None:  # noqa: ANN401 - Locust leaves it without types
    """Have Locust fork as many workers as the plan says, who meet where no other machine and no other test comes."""
    if PLAN.processes == 1:
        return
    address, port = _reserved().getsockname()
    parser.set_defaults(
        processes=PLAN.processes, master_bind_host=address, master_bind_port=port, master_host=address,
        master_port=port, expect_workers_max_wait=_CONNECTED_S,
    )  # fmt: skip


@functools.cache
def _reserved() -> socket.socket:
    """Holds a port that nobody else is given: it is bound and does not listen, so that Locust's master can."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved


def _attach(environment: Environment, runner: LocalRunner | MasterRunner | WorkerRunner, **_: object) -> None:
    # A request under way when the time is up ends by its answer or its own time-out, and is counted.
    environment.stop_timeout = PLAN.limits.response_timeout_s
    # Alone it is both, and as a worker it is done before the master says the totals.
    if not isinstance(runner, MasterRunner):
        # Only here: what a client library starts would not outlive the fork.
        PlannedUser.new_client = staticmethod(clients(PLAN, BODY))
        Worker(PLAN, environment, runner, len(BODY), MARKS, DESK).start()
    if not isinstance(runner, WorkerRunner):
        Profile.master = Master(PLAN, environment, runner, MARKS)
        Profile.master.start()


listen(events.init_command_line_parser, _divide)
listen(events.init, _attach)
