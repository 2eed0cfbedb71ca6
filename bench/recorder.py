"""The cost of the recorder: Locust alone, with the recorder, and the whole generator, against a null server.

The bar is that recording costs at most 5 % of Locust's requests per second, with the real body. The whole generator
also sends many recorded requests in turn, of the photograph's size and of 1 kB, which may cost 1.1 times its CPU a
request. Many large ones do not fit in the CPU's cache, so one recorded request of that size is sent as well. The arms
take turns of one second within one Locust process, so that other load on the machine affects all of them. A ratio is of
one round of turns, and the median over the rounds is reported.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from timeit import timeit
from typing import Any

from bench.figures import Figure, argument_parser, report, start
from bench.servers import processes as servers
from bench.servers.null_server import prediction
from loadtest.generator.clients.answer_check import AnswerCheck
from loadtest.generator.clients.protocols import request_bodies
from loadtest.generator.clients.rest.answer import read_rest
from loadtest.generator.plan import PLAN_VARIABLE, ClosedLoopPlan, LoadTestPlan
from loadtest.generator.request_bodies import RequestBody, write_bodies
from loadtest.run.payload import outputs_of, payload_of
from stacks.server.models import RESNET50

# Locust alone; with every request recorded; with every answer checked and progress reported, as in a load test.
# The next two send many different requests in turn, the last one only one of them.
ARMS = ("bare", "recorder", "generator", "recorded, 800 kB", "recorded, 1 kB", "one recorded, 800 kB")
# How many there are of each size.
RECORDED = 20
SMALLEST = ("--rounds", "1")
_USERS = 8
_LOCUSTFILE = Path(__file__).with_name("generators") / "recorder_locustfile.py"

# One turn of one arm: {"requests", "seconds", "cpu_s"}.
Turn = dict[str, float]


def main() -> None:
    """Measure and report; takes about two and a half minutes."""
    parser = argument_parser("recorder", __doc__)
    parser.add_argument("--rounds", type=int, default=25, help="of 5 s (default: %(default)s)")
    count = start(parser, ["locust", "gevent", "geventhttpclient"]).rounds
    (body,) = request_bodies("rest", payload_of(RESNET50), RESNET50.name)
    body = replace(body, answer=prediction())
    bodies = [body, *(_other(body, number, size) for size in (len(body.content), 1000) for number in range(RECORDED))]
    turns = f"{count} rounds of {len(ARMS)} s"
    print(f"body {len(body.content)} bytes, answer {len(prediction())} bytes, {_USERS} users, {turns}")
    with servers.null() as (_, url):
        rounds = _run(url, bodies, count)
    report("recorder", [*_figures(rounds), *_check_figures()])


def _other(body: RequestBody, number: int, size: int) -> RequestBody:
    """Another request of this size; the null server reads none."""
    return replace(body, content=(b"%d" % number + body.content)[:size])


def _run(url: str, bodies: Sequence[RequestBody], rounds: int) -> list[dict[str, Turn]]:
    """The rounds, each with one turn of each arm."""
    with tempfile.TemporaryDirectory() as folder:
        work_dir = Path(folder)
        write_bodies(work_dir / "requests", bodies)
        lasts_s = len(ARMS) * float(rounds)
        load = ClosedLoopPlan(
            mode="closed", users=_USERS, spawn_rate_per_s=_USERS, wait_s=0, warmup_s=0, duration_s=lasts_s
        )
        plan = LoadTestPlan(
            load, "rest", url, RESNET50.name, str(work_dir), outputs_of(RESNET50), parent_pid=os.getpid()
        )
        plan.write(work_dir / "plan.json")
        command = [sys.executable, "-m", "locust", "-f", str(_LOCUSTFILE), "--headless", "--only-summary"]
        command += ["--exit-code-on-error", "0", "-u", str(_USERS), "-r", str(_USERS)]
        variables = {
            PLAN_VARIABLE: str(work_dir / "plan.json"),
            "SHAPEBENCH_BENCH_METER": str(work_dir / "meter.json"),
            "SHAPEBENCH_BENCH_ROUNDS": str(rounds),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH")))),
        }
        subprocess.run(command, env=os.environ | variables, cwd=work_dir, check=True, capture_output=True, timeout=300)
        metered: dict[str, Any] = json.loads((work_dir / "meter.json").read_text())
    if metered["failures"]:
        raise RuntimeError(f"{metered['failures']} requests failed, so the rates mean nothing")
    turns = metered["segments"]
    arms = len(ARMS)
    return [{turn["arm"]: turn for turn in turns[first : first + arms]} for first in range(0, len(turns), arms)]


def _figures(rounds: list[dict[str, Turn]]) -> list[Figure]:
    figures = []
    for arm in ARMS:
        rate_rps = statistics.median(_rate_rps(turns[arm]) for turns in rounds)
        cpu_us = statistics.median(_cpu_us(turns[arm]) for turns in rounds)
        figures.append(Figure(f"{arm}: requests a second", rate_rps, "1/s"))
        figures.append(Figure(f"{arm}: CPU a request", cpu_us, "µs"))
    for arm in ARMS[3:]:
        ratio = statistics.median(_cpu_us(turns[arm]) / _cpu_us(turns["generator"]) for turns in rounds)
        bar = None if arm == ARMS[-1] else "<= 1.1"
        figures.append(Figure(f"{arm}: CPU a request, of generator's", ratio, "", bar))
    for arm in ARMS[1:3]:
        lost_percent = statistics.median(
            100 * (1 - _rate_rps(turns[arm]) / _rate_rps(turns["bare"])) for turns in rounds
        )
        added_percent = statistics.median(100 * (_cpu_us(turns[arm]) / _cpu_us(turns["bare"]) - 1) for turns in rounds)
        figures.append(Figure(f"{arm}: requests a second lost against bare", lost_percent, "%", "<= 5"))
        figures.append(Figure(f"{arm}: CPU a request added to bare", added_percent, "%"))
    return figures


def _rate_rps(turn: Turn) -> float:
    return turn["requests"] / turn["seconds"]


def _cpu_us(turn: Turn) -> float:
    return 1e6 * turn["cpu_s"] / turn["requests"]


def _check_figures(times: int = 2000) -> list[Figure]:
    """The cost of checking one answer: a new one, and one with the same bytes as before."""
    answers = [prediction() + b" " * number for number in range(2)]
    load = ClosedLoopPlan(mode="closed", users=1, spawn_rate_per_s=1, wait_s=0, warmup_s=0, duration_s=1)
    plan = LoadTestPlan(load, "rest", "http://127.0.0.1:1", RESNET50.name, "", outputs_of(RESNET50))
    body = RequestBody(b"", answer=answers[0])
    check = AnswerCheck(plan, body, read_rest)
    new_s = timeit(lambda: AnswerCheck(plan, body, read_rest).error_of(answers[1]), number=times)
    same_s = timeit(lambda: check.error_of(bytes(bytearray(answers[0]))), number=times)
    return [
        Figure("check: an answer seen for the first time", 1e6 * new_s / times, "µs"),
        Figure("check: the same answer again", 1e6 * same_s / times, "µs"),
    ]


if __name__ == "__main__":
    main()
