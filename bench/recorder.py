"""What the recorder costs: Locust alone, with the recorder, and as it ships, against a server that does nothing.

Bar: recording costs at most 5 % of Locust's requests a second, with the real body. The arms take turns of one second
within one Locust process, so that what else the machine does befalls all of them; each ratio is of one round of turns,
and the median over the rounds is reported.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.figures import Figure, describe_machine, report
from bench.servers import processes as servers
from bench.servers.null_server import prediction
from loadtest.generator.clients.rest_check import RestCheck
from loadtest.generator.plan import PLAN_VARIABLE, ClosedLoopPlan, LoadTestPlan
from loadtest.run.payload import rest_body

_ARMS = ("bare", "recorder", "generator")
_ROUNDS = 25
_USERS = 8
_LOCUSTFILE = Path(__file__).with_name("generators") / "recorder_locustfile.py"

# One turn of one arm: {"requests", "seconds", "cpu_s"}.
Turn = dict[str, float]


def main() -> None:
    """Measure and report; the whole takes about a minute and a half."""
    print(describe_machine(["locust", "gevent", "geventhttpclient"]))
    body = rest_body()
    print(f"body {len(body)} bytes, answer {len(prediction())} bytes, {_USERS} users, {_ROUNDS} rounds of 3 s")
    with servers.null() as (_, url):
        rounds = _run(url, body)
    report("recorder", [*_figures(rounds), *_check_figures()])


def _run(url: str, body: bytes) -> list[dict[str, Turn]]:
    """The rounds, each with one turn of every arm."""
    with tempfile.TemporaryDirectory() as folder:
        work_dir = Path(folder)
        (work_dir / "request.body").write_bytes(body)
        _plan(work_dir, url).write(work_dir / "plan.json")
        command = [sys.executable, "-m", "locust", "-f", str(_LOCUSTFILE), "--headless", "--only-summary"]
        command += ["--exit-code-on-error", "0", "-u", str(_USERS), "-r", str(_USERS)]
        variables = {
            PLAN_VARIABLE: str(work_dir / "plan.json"),
            "SHAPEBENCH_BENCH_METER": str(work_dir / "meter.json"),
            "SHAPEBENCH_BENCH_ROUNDS": str(_ROUNDS),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH")))),
        }
        subprocess.run(command, env=os.environ | variables, cwd=work_dir, check=True, capture_output=True, timeout=300)
        metered: dict[str, Any] = json.loads((work_dir / "meter.json").read_text())
    if metered["failures"]:
        raise RuntimeError(f"{metered['failures']} requests failed, so the rates mean nothing")
    turns = metered["segments"]
    return [{turn["arm"]: turn for turn in turns[first : first + 3]} for first in range(0, len(turns), 3)]


def _plan(work_dir: Path, url: str) -> LoadTestPlan:
    load = ClosedLoopPlan(
        mode="closed", users=_USERS, spawn_rate_per_s=_USERS, wait_s=0, warmup_s=0, duration_s=3.0 * _ROUNDS
    )
    return LoadTestPlan(load, "rest", url, "resnet", str(work_dir), parent_pid=os.getpid())


def _figures(rounds: list[dict[str, Turn]]) -> list[Figure]:
    figures = []
    for arm in _ARMS:
        figures.append(
            Figure(f"{arm}: requests a second", statistics.median(_rate(turns[arm]) for turns in rounds), "1/s")
        )
        figures.append(
            Figure(f"{arm}: CPU a request", statistics.median(_cpu_us(turns[arm]) for turns in rounds), "µs")
        )
    for arm in _ARMS[1:]:
        lost = statistics.median(100 * (1 - _rate(turns[arm]) / _rate(turns["bare"])) for turns in rounds)
        more = statistics.median(100 * (_cpu_us(turns[arm]) / _cpu_us(turns["bare"]) - 1) for turns in rounds)
        figures.append(Figure(f"{arm}: requests a second lost against bare", lost, "%", "<= 5"))
        figures.append(Figure(f"{arm}: CPU a request added to bare", more, "%"))
    return figures


def _rate(turn: Turn) -> float:
    return turn["requests"] / turn["seconds"]


def _cpu_us(turn: Turn) -> float:
    return 1e6 * turn["cpu_s"] / turn["requests"]


def _check_figures(times: int = 2000) -> list[Figure]:
    """What judging one answer costs: in full, and when the same bytes have passed before."""
    answers = [prediction() + b" " * number for number in range(2)]
    known = RestCheck((1, 1000))
    known.error_of(200, answers[0])

    def in_full() -> None:
        RestCheck((1, 1000)).error_of(200, answers[1])

    def again() -> None:
        known.error_of(200, bytes(bytearray(answers[0])))

    return [
        Figure("check: an answer seen for the first time", _each_us(in_full, times), "µs"),
        Figure("check: the same answer again", _each_us(again, times), "µs"),
    ]


def _each_us(work: Callable[[], None], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        work()
    return 1e6 * (time.perf_counter() - began) / times


if __name__ == "__main__":
    main()
