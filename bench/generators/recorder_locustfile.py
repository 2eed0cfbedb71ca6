"""The Locust part of `bench.recorder`: every second, all users switch to the next arm."""

import functools
import json
import os
import time
from pathlib import Path
from typing import Any, ClassVar

import gevent
from locust import FastHttpUser, constant, events, task
from locust.env import Environment

from bench.recorder import ARMS, RECORDED
from loadtest.generator.clients.client import Answer
from loadtest.generator.clients.protocols import clients
from loadtest.generator.loops.closed_loop import ClosedLoopUser
from loadtest.generator.monitoring.health import Health
from loadtest.generator.monitoring.heartbeat import Heartbeat
from loadtest.generator.phases import HOLD, PhaseMarks
from loadtest.generator.plan import LoadTestPlan
from loadtest.generator.recorder import Recorder
from loadtest.generator.report import Report
from loadtest.generator.request_bodies import read_bodies

PLAN = LoadTestPlan.from_environment()
BODIES = read_bodies(Path(PLAN.bodies_path))
MARKS = PhaseMarks()
RECORDER = Recorder(Path(PLAN.rows_path(0)), MARKS)
HEARTBEAT = Heartbeat(RECORDER, MARKS, Health(MARKS))
REPORT = Report(PLAN)

_SETTLE_S = 2.0
_SEGMENT_S = 1.0


# The first body is the photograph's.
RECORDED_CLIENTS = [
    clients(PLAN, BODIES[1 + at : 1 + at + count]) for at, count in ((0, RECORDED), (RECORDED, RECORDED), (0, 1))
]


class ArmsUser(FastHttpUser, ClosedLoopUser):
    """A user of all arms, so that they share the process, and other load on the machine affects all of them.

    Locust's own client and ours each have a connection.
    """

    host = PLAN.base_url
    wait_time = constant(0)
    concurrency = 1
    protocol = PLAN.protocol
    new_client = staticmethod(clients(PLAN, BODIES[:1]))
    marks = MARKS
    arm: ClassVar[str] = ARMS[0]

    def on_start(self) -> None:
        super().on_start()
        self.connections = {
            "generator": self.connection,
            **{arm: new_client() for arm, new_client in zip(ARMS[3:], RECORDED_CLIENTS, strict=True)},
        }

    @task
    def predict(self) -> None:
        """Send one request in the way of the current arm."""
        if self.arm in self.connections:
            self.connection = self.connections[self.arm]
            self.send()
        else:
            self.client.post(
                f"/v1/models/{PLAN.model_name}:predict",
                name="predict",
                data=BODIES[0].content,  # type: ignore[arg-type]  # it takes bytes, and says so in its documentation
                headers={"Content-Type": "application/json"},
            )


def _measure(environment: Environment) -> None:
    gevent.sleep(_SETTLE_S)
    MARKS.enter(HOLD, 0)
    HEARTBEAT.begin()
    REPORT.begin()
    rounds = int(os.environ["SHAPEBENCH_BENCH_ROUNDS"])
    # Each round starts with another arm, so that no arm is always the first.
    segments = [
        _segment(environment, ARMS[(turn + first) % len(ARMS)]) for first in range(rounds) for turn in range(len(ARMS))
    ]
    stats = environment.stats.total
    totals = {"segments": segments, "failures": stats.num_failures}
    Path(os.environ["SHAPEBENCH_BENCH_METER"]).write_text(json.dumps(totals))
    if environment.runner:
        environment.runner.quit()


def _segment(environment: Environment, arm: str) -> dict[str, float | str]:
    ArmsUser.arm = arm
    if arm != "bare":
        events.request.add_listener(_record)
    requests, began, cpu_s = environment.stats.total.num_requests, time.perf_counter(), time.process_time()
    for _ in range(round(_SEGMENT_S / PLAN.limits.flush_interval_s)):
        gevent.sleep(PLAN.limits.flush_interval_s)
        RECORDER.flush()
    if arm not in ARMS[:2]:
        REPORT.add({"worker": 0, **HEARTBEAT.beat(users=PLAN.load.users)})
    measured = {
        "requests": environment.stats.total.num_requests - requests,
        "seconds": time.perf_counter() - began,
        "cpu_s": time.process_time() - cpu_s,
    }
    if arm != "bare":
        events.request.remove_listener(_record)
        RECORDER.take_responses_us()
    return measured | {"arm": arm}


# Once for each length: what Locust's client read is not kept.
_content_of = functools.cache(bytes)


def _record(*, response_length: int, response: Any, **event: Any) -> None:  # noqa: ANN401 - an answer of either arm
    answer = (
        response if isinstance(response, Answer) else Answer(response.status_code, None, _content_of(response_length))
    )
    RECORDER.on_request(response=answer, **event)


events.init.add_listener(lambda environment, **_: gevent.spawn(_measure, environment))
