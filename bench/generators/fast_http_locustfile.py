"""Locust's own FastHttpUser with the real body, at a given rate or without pauses."""

import json
import os
import time
from pathlib import Path

import gevent
from locust import FastHttpUser, constant, constant_throughput, events, task
from locust.env import Environment

_SETTLE_S = 2.0
_BODY = Path(os.environ["SHAPEBENCH_BENCH_BODY"]).read_bytes()
# Requests per second of each user; 0 means without pauses.
_PACE_RPS = float(os.environ["SHAPEBENCH_BENCH_PACE"])


class PacedUser(FastHttpUser):
    """Sends a request, reads the answer, and pauses if it has a rate."""

    wait_time = constant_throughput(_PACE_RPS) if _PACE_RPS else constant(0)
    concurrency = 1

    @task
    def predict(self) -> None:
        self.client.post(
            os.environ["SHAPEBENCH_BENCH_PATH"],
            name="predict",
            data=_BODY,  # type: ignore[arg-type]  # it takes bytes, and says so in its documentation
            headers={"Content-Type": "application/json"},
        )


def _measure(environment: Environment) -> None:
    gevent.sleep(_SETTLE_S)
    total = environment.stats.total
    requests, began_s, cpu_s = total.num_requests, time.perf_counter(), time.process_time()
    gevent.sleep(float(os.environ["SHAPEBENCH_BENCH_SECONDS"]))
    measured = {
        "requests": total.num_requests - requests,
        "seconds": time.perf_counter() - began_s,
        "cpu_s": time.process_time() - cpu_s,
        "failures": total.num_failures,
    }
    Path(os.environ["SHAPEBENCH_BENCH_METER"]).write_text(json.dumps(measured))
    if environment.runner:
        environment.runner.quit()


events.init.add_listener(lambda environment, **_: gevent.spawn(_measure, environment))
