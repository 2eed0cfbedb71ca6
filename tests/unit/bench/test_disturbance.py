"""How the benchmark reads the last lines of a sweep, and that its busy loops end."""

import psutil

from bench.disturbance import Closing, closing_of
from bench.generators.busy_loops import bursts, busy_loops

FIRST = """\
A rehearsal on one machine, not a verdict about shapes.
Cheapest with p90 within 500 ms and at most 0.1 % failed: local · interop1, 3.26 USD per million predictions.
It costs at most 7.5 % more than the cheapest candidate, with 95 % certainty. This assumes that the cost of a candidate
differs between its deployments; next is local · interop2, 51.2 % dearer in its run.
2 runs of 2 candidates in 5 min 20 s for 0.00 USD.
"""
SECOND = FIRST.replace("interop1", "interop3").replace("interop2", "interop1").replace("7.5 %", "134 %")


def test_the_last_lines_of_a_sweep_are_read() -> None:
    assert closing_of(FIRST) == Closing("local · interop1", 7.5, 51.2)
    assumed = FIRST.replace("costs at most 7.5 %", "may cost up to 37 %")
    assert closing_of(assumed) == Closing("local · interop1", 37.0, 51.2)
    surely = FIRST.replace("It costs at most 7.5 % more than the", "It is the")
    assert closing_of(surely) == Closing("local · interop1", 0.0, 51.2)
    assert closing_of(FIRST.replace("dearer", "cheaper")) == Closing("local · interop1", 7.5, -51.2)


def test_lines_that_compare_nothing_cannot_contradict_any() -> None:
    assert closing_of("Only candidate that was measured with p90 within 500 ms: local · interop1, 3.26 USD") is None
    assert closing_of("No candidate is known to meet the objective, p90 within 500 ms.") is None


def test_lines_contradict_each_other_if_one_saw_what_the_other_excluded() -> None:
    first, second = closing_of(FIRST), closing_of(SECOND)
    assert first is not None
    assert second is not None
    assert first.contradicts(second)
    assert second.contradicts(first)
    assert not first.contradicts(first)
    assert not Closing("a", 60.0, 3.0).contradicts(Closing("b", 40.0, 5.0)), "each allowed for the other"


def test_busy_loops_end_with_their_block() -> None:
    me, began = psutil.Process(), set(psutil.Process().children())
    with busy_loops(2):
        loops = set(me.children()) - began
        assert len(loops) == 2
    assert not any(loop.is_running() for loop in loops)
    with bursts(1, busy_s=60, quiet_s=0):
        pass
    assert set(me.children()) <= began
