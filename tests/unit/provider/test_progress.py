"""How a running load test is shown by the engine."""

from itertools import pairwise

import pytest

from loadtest.run.progress import Progress
from provider.progress import progress_reporter
from provider.resource import Operation


def shown_in(total_s: int) -> list[str]:
    """What is shown of a test with a report a second, in three phases, that is answered from its third second on."""
    shown: list[str] = []
    logged: list[str] = []
    report = progress_reporter(Operation(logged.append, shown.append))
    for second in range(total_s):
        phase = "warmup" if second < 5 else "ramp" if second < 10 else "hold"
        p50_ms, p99_ms = (None, None) if second < 2 else (20.0, 45.0)
        progress = Progress(second, total_s, phase, 4, requests=second, errors=0, rps=1.5, p50_ms=p50_ms, p99_ms=p99_ms)
        report(progress)
    assert logged == []
    return shown


@pytest.mark.parametrize("total_s", [13, 100, 300])
def test_a_test_is_followed_in_some_twenty_lines_and_logs_none(total_s: int) -> None:
    lines = shown_in(total_s)
    assert min(10, total_s) < len(lines) <= 20 + 4
    assert len(set(lines)) == len(lines)


def test_what_begins_is_shown_at_once() -> None:
    began = {int(line.split("/")[0]) for line in shown_in(300)} & set(range(11))
    assert began == {0, 2, 5, 10}


def test_a_long_test_is_shown_every_fifteen_seconds() -> None:
    seconds = [int(line.split("/")[0]) for line in shown_in(3600)]
    assert max(later - earlier for earlier, later in pairwise(seconds)) == 15


def test_what_matters_most_comes_first() -> None:
    """A terminal of 120 columns shows some 34 characters of it."""
    line = shown_in(300)[-1]
    assert line[:34] == "295/300 s hold, 1.5/s, p99 45 ms, "
    assert line == "295/300 s hold, 1.5/s, p99 45 ms, 0 failed, p50 20 ms, 4 users"
