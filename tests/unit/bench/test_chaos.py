import pytest

from bench.fleets import chaos
from sweep.conductor.running import Running
from sweep.settings import SweepSettings
from sweep.strategy import Strategy
from sweep.tasks import Measure
from tests.support.sweeps import Blocks


def halving(settings: SweepSettings) -> Strategy:
    assert settings.blocks
    return Blocks(settings.blocks, halving=True)


@pytest.mark.parametrize("seed", range(1000, 1030))
def test_a_sweep_that_is_cut_off_in_every_way_ends_whole(seed: int) -> None:
    """`make bench-sweep` does this with 500 other seeds."""
    assert chaos.chaos_problems(seed, halving) == []


def test_chaos_notices_a_run_that_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    async def blind(_fleet: object, _task: Measure) -> None:
        return None

    monkeypatch.setattr(chaos.SimulatedFleet, "find", blind)
    problems = [problem for seed in range(20) for problem in chaos.chaos_problems(seed, halving)]
    assert any("is lost" in problem or "was measured 2 times" in problem for problem in problems)


def test_chaos_notices_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_running: Running, _record: object, _measured: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Running, "finish", broken)
    assert chaos.chaos_problems(1, halving) == ["ZeroDivisionError: "]
