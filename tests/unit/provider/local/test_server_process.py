"""A server process is identified by more than its pid, and no other process is stopped."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest

from loadtest.result.validity.servers import server_change_reasons
from provider.local.server_process import (
    ProcessIdentity,
    listening_process,
    log_tail,
    server_processes,
    start_again,
    start_detached,
    stop_all,
    successor,
)

SLEEP = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]
IGNORES_SIGTERM = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ignoring', flush=True); time.sleep(60)",
]


@pytest.fixture
def log(tmp_path):
    return tmp_path / "folder" / "server.log"


@pytest.fixture
def started(log):
    process = start_detached(SLEEP, log)
    yield process
    process.stop()


def wait_for(log, text):
    wait_until(lambda: text in log_tail(log))


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_runs_in_a_session_of_its_own(started):
    assert started.alive
    assert os.getsid(started.pid) == started.pid


def test_stopping_it_ends_it(started):
    started.stop()
    assert not started.alive


def test_a_process_that_ignores_sigterm_is_killed(log, monkeypatch):
    monkeypatch.setattr("provider.local.server_process._TERMINATION_GRACE_S", 0.2)
    process = start_detached(IGNORES_SIGTERM, log)
    wait_for(log, "ignoring")
    process.stop()
    assert not process.alive


def test_another_process_under_the_same_pid_is_left_alone(started):
    earlier = replace(started, started="another-boot:1")
    assert not earlier.alive
    earlier.stop()
    assert started.alive


def test_a_killed_process_counts_as_dead_even_before_it_is_reaped(started):
    os.kill(started.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while started.alive:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert ProcessIdentity.of(started.pid) is None


def test_a_process_and_what_it_started_are_found_by_the_folder(log):
    """The child is in a session of its own, so a signal to the group of its parent does not end it."""
    child = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],"
    process = start_detached([sys.executable, "-c", f"{child} start_new_session=True); time.sleep(60)"], log)
    wait_until(lambda: len(psutil.Process(process.pid).children()) == 1)
    (child,) = psutil.Process(process.pid).children()
    said: list[str] = []
    assert {stopped.pid for stopped in stop_all(log.parent, said.append)} == {process.pid, child.pid}
    assert {f"stopped process {pid}," for pid in (process.pid, child.pid)} == {
        " ".join(line.split()[:3]) for line in said
    }
    assert not process.alive
    assert ProcessIdentity.of(child.pid) is None
    assert stop_all(log.parent, said.append) == []


def test_a_process_of_another_folder_is_left_alone(started, log):
    bystander = subprocess.Popen([*SLEEP, str(log.parent)], cwd=log.parent, stdout=subprocess.DEVNULL)
    try:
        assert stop_all(log.parent / "deeper", print) == stop_all(log.parent.parent, print) == []
        assert started.alive
        stop_all(log.parent, print)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


PRINTS_ITSELF = [
    sys.executable,
    "-c",
    "import os, sys, time; print(sys.argv[1:], os.getcwd(), os.environ.get('KEPT'), flush=True); time.sleep(60)",
    "--flag=a value",
]


@pytest.fixture
def restarted(log, monkeypatch):
    """A process and the one that took its place, which was started where the environment is another."""
    monkeypatch.setenv("KEPT", "at the start")
    first = start_detached(PRINTS_ITSELF, log)
    wait_for(log, "at the start")
    printed = log.read_text()
    monkeypatch.setenv("KEPT", "later")
    monkeypatch.chdir("/")
    second = start_again(first, log)
    wait_for(log, "at the start")  # until then, the kernel may still be giving it its environment
    yield first, second, printed
    first.stop()
    stop_all(log.parent, print)


def test_a_process_that_is_started_again_is_another_one_with_the_same_arguments_and_environment(restarted, log):
    first, second, printed = restarted
    assert not first.alive
    assert second.alive
    assert second.pid != first.pid
    assert log.read_text() == printed


def test_it_is_found_by_each_process_whose_place_it_took(restarted, log):
    first, second, _ = restarted
    assert successor(first, log.parent) == second
    third = start_again(second, log)
    wait_for(log, "at the start")
    assert successor(first, log.parent) == successor(second, log.parent) == third
    assert successor(third, log.parent) is None


def test_no_other_process_of_the_folder_has_its_place(restarted, log):
    first, second, _ = restarted
    second.stop()
    start_detached(SLEEP, log)
    assert successor(first, log.parent) is None


def test_what_it_starts_does_not_have_its_place(log):
    starts_one = "import subprocess, sys, time; print('here', flush=True); subprocess.run(['sleep', '60'])"
    first = start_detached([sys.executable, "-c", starts_one], log)
    wait_for(log, "here")
    second = start_again(first, log)
    wait_until(lambda: len(psutil.Process(second.pid).children()) == 1)
    (child,) = psutil.Process(second.pid).children()
    os.kill(second.pid, signal.SIGKILL)
    wait_until(lambda: not second.alive)
    assert successor(first, log.parent) is None
    assert child.pid in {stopped.pid for stopped in stop_all(log.parent, print)}, "its child lives on"


def test_variables_are_added_to_its_environment_or_taken_out_of_it(log, monkeypatch):
    monkeypatch.setenv("HERE", "inherited")
    monkeypatch.setenv("GONE", "inherited")
    process = start_detached(SLEEP, log, {"HERE": "changed", "GONE": None})
    wait_for(log, "here")  # until then, the kernel may still be giving it its environment
    environment = psutil.Process(process.pid).environ()
    process.stop()
    assert (environment["HERE"], environment.get("GONE")) == ("changed", None)


def test_it_inherits_no_secret(log, monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "hunter2")
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "hunter2")
    monkeypatch.setenv("HARMLESS", "kept")
    command = [sys.executable, "-c", "import os; print(sorted(os.environ.items()), 'end', flush=True)"]
    start_detached(command, log)
    wait_for(log, "end")
    assert "hunter2" not in log.read_text()
    assert "HARMLESS" in log.read_text()


def test_the_log_tail_are_the_end_of_the_log(tmp_path):
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    assert log_tail(log, 2) == "  line 98\n  line 99"
    assert "no log" in log_tail(tmp_path / "none")


def test_the_listening_process_is_found_by_its_port() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        this_process = ProcessIdentity.of(os.getpid())
        assert listening_process(f"http://{address}") == listening_process(address) == this_process
    assert listening_process(f"http://{address}") is None


def test_another_process_on_the_same_port_is_a_restart() -> None:
    before, after = ProcessIdentity(7, "boot:100"), ProcessIdentity(8, "boot:200")
    [reason] = server_change_reasons(server_processes(before, after))
    assert reason == (
        "server process 7 was replaced during the test by process 8, so fewer servers answered for a part of the test;"
        " check the server's log and its memory limit, and run again"
    )
    reused_pid = server_processes(before, ProcessIdentity(7, "boot:200"))
    assert len(server_change_reasons(reused_pid)) == 1
    assert server_change_reasons(server_processes(before, before)) == ()


def test_a_process_that_cannot_be_seen_is_no_reason() -> None:
    assert server_change_reasons(server_processes(None, ProcessIdentity(7, "boot:100"))) == ()
    assert server_change_reasons(server_processes(ProcessIdentity(7, "boot:100"), None)) == ()
