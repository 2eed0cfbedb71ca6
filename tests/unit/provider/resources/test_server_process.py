"""A server process is known again by more than its pid, and only it is ended."""

import os
import signal
import sys
import time
from dataclasses import replace

import pytest

from provider.resources.server_process import ProcessIdentity, last_lines, start_apart

SLEEP = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
]


@pytest.fixture
def log(tmp_path):
    return tmp_path / "folder" / "server.log"


@pytest.fixture
def started(log):
    process = start_apart(SLEEP, log)
    yield process
    process.stop()


def wait_for(log, text):
    deadline = time.monotonic() + 20
    while text not in last_lines(log):
        assert time.monotonic() < deadline, f"{text!r} never came"
        time.sleep(0.02)


def test_it_runs_in_a_session_of_its_own(started):
    assert started.alive
    assert os.getsid(started.pid) == started.pid


def test_stopping_it_ends_it(started):
    started.stop()
    assert not started.alive


def test_a_process_that_ignores_sigterm_is_killed(log, monkeypatch):
    monkeypatch.setattr("provider.resources.server_process._TERM_GRACE_S", 0.2)
    process = start_apart(DEAF, log)
    wait_for(log, "deaf")
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


def test_it_inherits_no_secret(log, monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "hunter2")
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "hunter2")
    monkeypatch.setenv("HARMLESS", "kept")
    command = [sys.executable, "-c", "import os; print(sorted(os.environ.items()), 'end', flush=True)"]
    start_apart(command, log)
    wait_for(log, "end")
    assert "hunter2" not in log.read_text()
    assert "HARMLESS" in log.read_text()


def test_the_last_lines_are_the_end_of_the_log(tmp_path):
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    assert last_lines(log, 2) == "  line 98\n  line 99"
    assert "no log" in last_lines(tmp_path / "none")
