"""Load tests that run at the same time, because each takes seconds and little CPU."""

import inspect
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bench.servers import processes as servers
from loadtest.generator.plan import Limits, LoadTestPlan, load_plan
from loadtest.generator.request_bodies import RequestBody
from loadtest.result.outcome import LoadTestOutcome
from loadtest.run.payload import outputs_of
from loadtest.run.progress import Progress
from loadtest.run.runner import run_load_test
from stacks.load.load_profiles import ClosedLoop
from stacks.server.models import RESNET50
from tests.unit.loadtest.plans import OUTPUTS
from tools.pins import ROOT

Scenario = Callable[..., Any]
"""One load test: its arguments are those of `played` and a folder of its own; it returns its result."""
ResultOf = Callable[[Scenario], Any]


class Scenarios:
    """The load tests of a module: `@scenario` marks each, and a fixture runs them by `played`, `at_once` at a time.

    Only those run whose result some test of the session uses.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._plays: list[Scenario] = []

    def __call__(self, play: Scenario) -> Scenario:
        self._plays.append(play)
        return play

    @contextmanager
    def played(
        self, request: pytest.FixtureRequest, folders: pytest.TempPathFactory, *given: Any
    ) -> Iterator[ResultOf]:
        """Start what the tests use; a result, or the error that was raised, is waited for when it is used."""
        used = _names_in(item for item in request.session.items if item.path == request.path)
        with ThreadPoolExecutor(self._at_once) as pool:

            @cache
            def started(play: Scenario) -> Future[Any]:
                return pool.submit(play, *given, folders.mktemp(play.__name__))

            for play in self._plays:
                if play.__name__ in used:
                    started(play)
            yield lambda play: started(play).result()


def _names_in(items: Iterable[pytest.Item]) -> set[str]:
    """The names that tests and their fixtures use."""
    functions = [
        function
        for item in items
        if isinstance(item, pytest.Function)
        for function in (
            item.function,
            *(fixtures[-1].func for fixtures in item._fixtureinfo.name2fixturedefs.values()),
        )
    ]
    return {name for function in functions for name in inspect.unwrap(function).__code__.co_names}


def played_until_killed(plan_at: Callable[[str], LoadTestPlan], body: bytes) -> LoadTestOutcome:
    """The outcome of a test whose server, with a model of a thousand classes, is killed after its first answer."""
    with servers.null() as (server, url):

        def kill(progress: Progress) -> None:
            if progress.requests:
                server.kill()

        return run_load_test(
            replace(plan_at(url), outputs=outputs_of(RESNET50)), [RequestBody(body)], kill, threading.Event()
        )


def started_caller(plan: LoadTestPlan, *, wait_for_progress: bool = True) -> "subprocess.Popen[bytes]":
    """A process that runs the load test, as a rule once it has reported progress."""
    program = (
        "import sys, threading; from loadtest.run.runner import *; "
        "run_load_test(LoadTestPlan.from_json(sys.argv[1]), [RequestBody(b'{}')], print, threading.Event())"
    )
    caller = subprocess.Popen([sys.executable, "-c", program, plan.to_json()], cwd=ROOT, stdout=subprocess.PIPE)
    assert caller.stdout
    if wait_for_progress:
        caller.stdout.readline()
    return caller


def short_closed_loop(protocol: str, url: str, work_dir: Path, limits: Limits, **profile: float | str) -> LoadTestPlan:
    """Two users for two seconds, and a model of three classes; `profile` changes fields of the load profile."""
    fields: dict[str, Any] = {"users": 2, "spawn_rate_per_s": 2.0, "wait_s": 0.05, "warmup_s": 0.0, "duration_s": 2.0}
    load = load_plan(ClosedLoop(**fields | profile).plan_values)
    return LoadTestPlan(load, protocol, url, "resnet", str(work_dir), OUTPUTS, limits=limits)
