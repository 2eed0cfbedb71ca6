"""The modules that each process is given, by the scheduler that xdist calls; the processes themselves are stand-ins."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.priorities import TwoPriorities

SENDS, COMPUTES = "tests/unit/loadtest/test_a.py", "tests/unit/analysis/test_b.py"


class Process:
    def __init__(self, nice: str | None = None) -> None:
        self.gateway = SimpleNamespace(id=str(id(self)), spec=SimpleNamespace(nice=nice))
        self.given: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def scheduled(config: pytest.Config, tests: list[str], *processes: Process) -> list[list[str]]:
    """The tests that each process is given at first, and when all of its own have ended."""
    scheduler: Any = TwoPriorities(config)
    scheduler.numnodes = len(processes)
    for process in processes:
        scheduler.add_node(process)
    for process in processes:
        scheduler.add_node_collection(process, tests)
    scheduler.schedule()
    ended = dict.fromkeys(processes, 0)
    while any(ended[process] < len(process.given) for process in processes):
        for process in processes:
            for index in process.given[ended[process] :]:
                ended[process] += 1
                scheduler.mark_test_complete(process, index)
    assert all(process.shutting_down for process in processes)
    return [[tests[index] for index in process.given] for process in processes]


@pytest.fixture
def config(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> pytest.Config:
    """As with the options of the Makefile."""
    monkeypatch.setattr(pytestconfig.option, "tx", ["2*popen"])
    monkeypatch.setattr(pytestconfig.option, "loadscopereorder", False)
    return pytestconfig


def of(module: str, count: int = 4) -> list[str]:
    return [f"{module}::test_{number}" for number in range(count)]


def test_a_process_of_low_priority_runs_only_what_computes(config: pytest.Config) -> None:
    tests = [*of(SENDS), *of(COMPUTES), *of(SENDS.replace("_a", "_c"))]
    normal, low = scheduled(config, tests, Process(), Process("10"))
    assert low == of(COMPUTES)
    assert normal == [*of(SENDS), *of(SENDS.replace("_a", "_c"))]


def test_where_nothing_only_computes_a_process_of_low_priority_ends(config: pytest.Config) -> None:
    tests = [*of(SENDS), *of("tests/engine/test_d.py")]
    assert scheduled(config, tests, Process(), Process("10")) == [tests, []]


def test_a_normal_process_computes_when_nothing_else_is_left(config: pytest.Config) -> None:
    tests = [*of(COMPUTES), *of(SENDS), *of(COMPUTES.replace("_b", "_e"))]
    normal, low = scheduled(config, tests, Process(), Process("10"))
    assert normal[:4] == of(SENDS)
    assert sorted(normal + low) == sorted(tests)
    assert normal[4:] == of(COMPUTES.replace("_b", "_e"))
