"""How the pods of one generator find each other."""

import threading
from pathlib import Path

import pytest

from loadtest.generator.plan import LoadTestPlan, load_plan
from loadtest.generator.pod.sidecar import answer
from loadtest.generator.pods import WorkerClocks, wait_for_master
from stacks.load.load_profiles import PROFILES


def plan(folder: Path) -> LoadTestPlan:
    load = load_plan(PROFILES["open"].plan_values)
    return LoadTestPlan(load, "rest", "http://server", "resnet", str(folder), (), processes=3, pods=2)


def test_the_workers_are_those_of_all_pods(tmp_path: Path) -> None:
    assert plan(tmp_path).workers == 6


@pytest.mark.parametrize(("address", "host"), [("10.0.0.7", "10.0.0.7"), ("fd00::7", "[fd00::7]")])
def test_a_pod_waits_until_its_sidecar_has_the_masters_address(tmp_path: Path, address: str, host: str) -> None:
    tell = threading.Timer(0.3, answer, (tmp_path, "master", address, "5557"))
    tell.start()
    assert wait_for_master(plan(tmp_path)) == (host, 5557)
    assert [path.name for path in tmp_path.iterdir()] == ["master"], "nothing half-written is left"


def test_a_pod_that_waits_ends_when_the_test_is_interrupted(tmp_path: Path) -> None:
    answer(tmp_path, "interrupt")
    with pytest.raises(SystemExit, match="interrupted before all pods"):
        wait_for_master(plan(tmp_path))


def test_clocks_that_differ_by_less_than_a_message_may_take_are_one() -> None:
    clocks = WorkerClocks()
    clocks.add(1, 1_000_000, 1_200_000)
    assert clocks.apart(1) is None


@pytest.mark.parametrize("ahead_us", [-4_000_000, 4_000_000])
def test_a_late_message_does_not_pass_for_another_clock_and_another_clock_not_for_a_late_message(ahead_us: int) -> None:
    clocks = WorkerClocks()
    for took_us in (5_000_000, 1_000, 2_500_000):
        clocks.add(0, 1_000_000, 1_000_000 + took_us)
        clocks.add(1, 1_000_000 + ahead_us, 1_000_000 + took_us)
    assert clocks.apart(0) is None
    assert clocks.apart(1) == "that of locust-1 by 4.0 s"
