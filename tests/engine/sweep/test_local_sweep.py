"""A sweep of two variants on this machine: killed during the first run, interrupted during the second, and resumed."""

import os
import signal
from collections.abc import Iterator

import pytest

from bench.servers.processes import free_port
from sweep.journal.records import Result
from sweep.tasks import Measure
from tests.engine.harness import eventually, generators_for, servers_on
from tests.engine.sweep.sweeping import NO_CHEAPEST, SMALL_STACK, Process, Sweeps


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Sweeps]:
    local = SMALL_STACK | {
        "shapebench:platform": "local",
        "shapebench:local": {"server": "embedded", "restPort": port, "grpcPort": free_port()},
    }
    with Sweeps(tmp_path_factory.mktemp("sweep") / "checkout", {"local": local}) as sweeps:
        yield sweeps
    for process in (*generators_for(port), *servers_on(port)):
        os.kill(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def interrupted(sweeps: Sweeps, port: int) -> Process:
    """Resumed after a `kill -9` during the first run, and interrupted during the second."""
    killed = sweeps.start_new(["local"], inter_op=[1, 2])
    eventually(lambda: generators_for(port), "the first run's load is sent", within_s=200)
    killed.kill()
    resumed = sweeps.start("--resume")
    eventually(sweeps.valid_runs, "the first run is finished", within_s=200)
    eventually(lambda: generators_for(port), "the second run's load is sent", within_s=100)
    resumed.press_ctrl_c()
    resumed.exit_code(within_s=120)
    return resumed


def test_ctrl_c_destroys_the_stack_and_the_answer_says_that_nothing_is_decided(interrupted: Process, port: int) -> None:
    assert interrupted.exit_code() == 4
    assert "Stopping: running updates are cancelled, every stack is destroyed" in interrupted.output
    *_, why, took, report = interrupted.output.splitlines()
    assert why.startswith("Not decided with p90 within 0.01 ms")
    assert why.endswith("because the sweep ended too early: interrupted.")
    assert took.startswith("1 run of 2 candidates")
    assert report.startswith("Report: ")
    assert not servers_on(port)
    assert not generators_for(port)


@pytest.fixture(scope="module")
def ended(sweeps: Sweeps, interrupted: Process) -> Process:
    resumed = sweeps.start("--resume")
    resumed.exit_code()
    return resumed


def test_a_sweep_that_is_resumed_to_its_end_is_a_rehearsal_and_leaves_nothing(ended: Process, port: int) -> None:
    assert ended.exit_code() == 5, ended.output
    *_, answer, took, _ = ended.output.splitlines()
    assert answer == NO_CHEAPEST
    assert took.startswith("2 runs of 2 candidates in ")
    assert not servers_on(port)


def test_a_run_that_outlives_its_sweep_is_taken_and_every_candidate_is_measured_once(
    sweeps: Sweeps, interrupted: Process, ended: Process
) -> None:
    assert "local: looking for a run that was cut off" in interrupted.output
    runs = sweeps.valid_runs()
    assert sorted(run.serving.inter_op for run in runs) == [1, 2]
    records = sweeps.records()
    assert {record.measured.run_id for record in records if record.measured} == {run.run_id for run in runs}
    assert not any(record.is_open for record in records)
    # The run that Ctrl-C ended.
    assert [type(record.task) for record in records if record.result is Result.cut_off] == [Measure]


def test_the_users_own_stack_file_stays_as_it_is(sweeps: Sweeps, ended: Process) -> None:
    text = (sweeps.checkout / "stacks/Pulumi.local.yaml").read_text()
    assert sweeps.folder.name not in text
    assert "encryptionsalt" not in text
