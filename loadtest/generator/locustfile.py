"""The file that Locust runs: makes users, load shape, master and worker from the plan."""

import functools
import socket
from pathlib import Path
from typing import Any

from locust import events
from locust.env import Environment
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

from loadtest.generator.clients.protocols import clients
from loadtest.generator.loops.closed_loop import ClosedLoopShape, ClosedLoopUser
from loadtest.generator.loops.dispatcher import Dispatcher
from loadtest.generator.loops.open_loop import OpenLoopShape, OpenLoopUser
from loadtest.generator.master import Master
from loadtest.generator.phases import PhaseMarks
from loadtest.generator.plan import ClosedLoopPlan, LoadTestPlan
from loadtest.generator.pods import IS_FIRST_POD, wait_for_master
from loadtest.generator.request_bodies import read_bodies
from loadtest.generator.worker import Worker

PLAN = LoadTestPlan.from_environment()
BODIES = read_bodies(Path(PLAN.bodies_path))
MARKS = PhaseMarks()
DISPATCHER = Dispatcher()
IS_CLOSED = isinstance(PLAN.load, ClosedLoopPlan)

# How long workers may take to connect to their master, in seconds.
_CONNECT_S = 60


class PlannedUser(ClosedLoopUser if IS_CLOSED else OpenLoopUser):  # type: ignore[misc]  # it depends on the plan
    protocol = PLAN.protocol
    load = PLAN.load
    marks = MARKS
    dispatcher = DISPATCHER


class PlannedShape(ClosedLoopShape if IS_CLOSED else OpenLoopShape):  # type: ignore[misc]  # the same
    load = PLAN.load
    marks = MARKS


def _set_processes(parser: Any, **_: object) -> None:  # noqa: ANN401 - Locust leaves it without types
    """Have Locust fork the workers of this pod, and lead those of all pods from the first one."""
    if PLAN.workers == 1:
        return
    address, port = _reserved_port().getsockname() if PLAN.pods == 1 else wait_for_master(PLAN)
    parser.set_defaults(
        worker=not IS_FIRST_POD, processes=PLAN.processes, master_bind_host=address, master_bind_port=port,
        master_host=address, master_port=port, expect_workers_max_wait=_CONNECT_S,
    )  # fmt: skip


@functools.cache
def _reserved_port() -> socket.socket:
    """Holds a port that no other program is given: it is bound and does not listen, so that Locust's master can."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved


def _start(environment: Environment, runner: LocalRunner | MasterRunner | WorkerRunner, **_: object) -> None:
    # A request in flight at the end of the test ends by its answer or its own time-out, and is counted.
    environment.stop_timeout = PLAN.limits.response_timeout_s
    # A generator of one process is both. As the worker it is done before the master reports the totals.
    if not isinstance(runner, MasterRunner):
        # Only here: what a client library starts would not outlive the fork.
        PlannedUser.new_client = staticmethod(clients(PLAN, BODIES, runner.worker_index))
        Worker(PLAN, environment, runner, MARKS, DISPATCHER).start()
    if not isinstance(runner, WorkerRunner):
        PlannedShape.master = Master(PLAN, environment, runner, MARKS)
        PlannedShape.master.start()


events.init_command_line_parser.add_listener(_set_processes)
events.init.add_listener(_start)
