"""A sweep of two variants on this machine: killed and resumed, then another one that is interrupted."""

import os
import signal
from pathlib import Path

import pytest

from tests.engine.harness import CHECKOUT, eventually, free_port, servers_on
from tests.engine.sweep.sweeping import Sweep, candidate, checkout_with


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, port: int) -> Path:
    local = {
        "shapebench:platform": "local",
        "shapebench:shape": {"machineType": "e2-custom-2-4096", "nodes": 1},
        "shapebench:serving": {"protocol": "rest", "interOp": 2},
        "shapebench:load": {"profile": "smoke"},
        "shapebench:model": {"weights": "random"},
        "shapebench:local": {"server": "embedded", "restPort": port, "grpcPort": free_port()},
    }
    return checkout_with(tmp_path_factory.mktemp("sweep") / "checkout", {"local": local})


def sweep_of(checkout: Path, name: str) -> Sweep:
    (checkout.parent / "backend").mkdir(exist_ok=True)
    environment = {
        "PATH": f"{CHECKOUT}/.tools/bin:{CHECKOUT}/.venv/bin:{os.environ['PATH']}",
        "PULUMI_BACKEND_URL": f"file://{checkout.parent}/backend",
        "PULUMI_CONFIG_PASSPHRASE": "engine-tier",
    }
    return Sweep(checkout, environment, [candidate("local", 1), candidate("local", 2)], name=name)


def test_a_sweep_that_is_killed_and_resumed_measures_every_candidate_once(checkout: Path, port: int) -> None:
    sweep = sweep_of(checkout, "01KILLED")
    process = sweep.start()
    eventually(lambda: len(sweep.runs()) == 1, "the first run is finished", within_s=200)
    eventually(
        lambda: "requests/s" in sweep.output.rpartition("updating LoadTest")[2], "the second one is sent load", 100
    )
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    sweep.run()
    assert "ending: decided" in sweep.output
    # On a busy machine a run can be invalid, and is made again.
    valid = [run for run in sweep.runs() if run.validity.verdict == "valid"]
    assert sorted(run.serving.inter_op for run in valid) == [1, 2]
    measured = [record.measured for record in sweep.records() if record.measured]
    assert {each.run_id for each in measured} == {run.run_id for run in valid}
    assert "looking for a run that was cut off" in sweep.output
    assert not servers_on(port)


def test_a_sweep_that_is_interrupted_destroys_everything_and_says_so(checkout: Path, port: int) -> None:
    sweep = sweep_of(checkout, "01INTERRUPTED")
    process = sweep.start()
    eventually(lambda: "requests/s" in sweep.output, "load is sent", within_s=200)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(120) == 0
    assert "ending: interrupted" in sweep.output
    assert "stack local: destroyed" in sweep.output
    assert "leftovers: {} may be up: {}" in sweep.output
    assert not servers_on(port)


def test_the_users_own_stack_file_stays_as_it_is(checkout: Path) -> None:
    assert "01KILLED" not in (checkout / "stacks/Pulumi.local.yaml").read_text()
    assert "encryptionsalt" not in (checkout / "stacks/Pulumi.local.yaml").read_text()
