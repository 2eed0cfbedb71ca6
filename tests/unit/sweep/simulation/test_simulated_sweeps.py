import gc
import math
import signal
import statistics
from pathlib import Path

import pytest

from sweep.conductor.decisions import observation
from sweep.fleet import Expected
from sweep.settings import SweepSettings
from sweep.simulation.cloud import Cloud
from sweep.simulation.estimate import estimate
from sweep.simulation.run import simulate
from sweep.simulation.world import RunKind, SimulatedPool, SimulatedStack, Spread, World
from sweep.strategy import Strategy
from sweep.tasks import Length, Measure
from tests.support.sweeps import Blocks, candidates, settings, world

SIX = candidates(a=(2, 4, 8), b=(2, 4, 8))
EXPECTED = {stack: Expected(0.5, 0.8, 600, 120, 300) for stack in "ab"}


def blocks(_settings: SweepSettings) -> Strategy:
    return Blocks(2)


def test_the_same_seed_gives_the_same_sweep_and_another_seed_another(tmp_path: Path) -> None:
    ends = [
        simulate(tmp_path / str(number), settings(*SIX), Cloud(world(SIX, seed=seed)), Blocks()).last
        for number, seed in enumerate((1, 1, 2))
    ]
    assert ends[0].usd == ends[1].usd != ends[2].usd
    assert ends[0].objectives == ends[1].objectives != ends[2].objectives


@pytest.mark.parametrize("length", Length)
def test_a_simulated_run_errs_as_its_world_says(length: Length) -> None:
    spread = Spread(deployments=0.04, runs={Length.short: RunKind(0.09), Length.full: RunKind(0.02)})
    cloud = Cloud(world(SIX, spread=spread))
    for block in range(1, 1001):
        cloud._store(Measure(SIX[0], block, length))
    logs = [math.log(run.rps.value / 100) for _, _, run in cloud.runs if run.rps.value]
    error = spread.runs[length].log_error
    assert statistics.fmean(logs) == pytest.approx(0, abs=4 * math.hypot(0.04, error) / math.sqrt(1000))
    assert statistics.stdev(logs) == pytest.approx(math.hypot(0.04, error), rel=0.1)
    seen = observation(1, 1, length, cloud.runs[0][2], usd_hourly=1.0)
    assert seen
    assert seen.log_error == pytest.approx(error)


@pytest.mark.parametrize(("fresh_nodes", "sets"), [(True, 400), (False, 1)])
def test_simulated_nodes_get_their_cpus_by_chance_and_the_slowest_decides(*, fresh_nodes: bool, sets: int) -> None:
    pool = SimulatedPool("E2", {"fast": 0.7, "slow": 0.3}, {"fast": 0.0, "slow": -1.0}, sd=0.0)
    stacks = {"a": SimulatedStack(1, 1, nodes=2, pool=pool, fresh_nodes=fresh_nodes), "b": SimulatedStack(1, 1)}
    exact = Spread(deployments=0.0, runs=dict.fromkeys(Length, RunKind(1e-9)))
    cloud = Cloud(World(stacks, dict.fromkeys((each.key for each in SIX), 100.0), exact))
    for block in range(1, 401):
        cloud._store(Measure(SIX[0], block, Length.full))
    seen = [(run.drawn, run.rps.value) for _, _, run in cloud.runs if run.drawn]
    assert {drawn.pool for drawn, _ in seen} == {"E2"}
    for drawn, rps in seen:
        assert rps == pytest.approx(100 * math.exp(-1) if "slow" in drawn.shares else 100)
    if sets == 1:
        assert len({drawn.nodes for drawn, _ in seen}) == 1
    else:
        slow = statistics.fmean("slow" in drawn.shares for drawn, _ in seen)
        assert slow == pytest.approx(1 - 0.7**2, abs=0.1)


def test_the_money_counted_is_the_money_that_the_cloud_bills(tmp_path: Path) -> None:
    made = world(SIX)
    cloud = Cloud(World({"a": SimulatedStack(0.5, 3.2), "b": SimulatedStack(0.5, 0)}, made.capacity_rps))
    end = simulate(tmp_path / "s1", settings(*SIX), cloud, Blocks())
    assert end.last.usd == pytest.approx(cloud.usd, rel=0.02)
    assert [stack.usd for stack in end.last.stacks] == pytest.approx([cloud.usd, 0], rel=0.02)


def test_an_estimate_counts_creating_updating_measuring_and_destroying() -> None:
    made = estimate(settings(*SIX), EXPECTED, blocks)
    assert (made.runs.median, made.runs.high) == (12, 12)
    hours = (600 + 3 * 110 + 3 * 320 + 5 * 120 + 300) / 3600
    assert made.hours.median == pytest.approx(hours, rel=0.05)
    assert made.usd
    assert made.usd.median == pytest.approx(2 * 0.8 * hours, rel=0.05)
    assert made.usd.median < made.usd.high < 1.3 * made.usd.median
    assert made.simulations == 30


def test_an_estimate_takes_no_limit_for_the_end_of_the_sweep() -> None:
    limited = settings(*SIX, max_usd=0.01, max_hours=0.01)
    assert estimate(limited, EXPECTED, blocks).runs.median == 12


def test_an_estimate_of_a_stack_without_a_bill_has_no_dollars() -> None:
    unpriced = {**EXPECTED, "b": Expected(0.5, None, 600, 120, 300)}
    assert estimate(settings(*SIX), unpriced, blocks).usd is None


def test_stacks_that_cannot_be_up_at_once_take_longer() -> None:
    one, two = (estimate(settings(*SIX, parallel=parallel), EXPECTED, blocks) for parallel in (1, 2))
    assert one.hours.median == pytest.approx(2 * two.hours.median, rel=0.1)
    assert one.usd
    assert two.usd
    assert one.usd.median == pytest.approx(two.usd.median, rel=0.05)


def test_ctrl_c_leaves_no_task_that_prints_a_traceback(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def press_ctrl_c(_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "s1", settings(*SIX), Cloud(world(SIX)), Blocks(), press_ctrl_c)
    gc.collect()
    assert [record.getMessage() for record in caplog.records] == []
