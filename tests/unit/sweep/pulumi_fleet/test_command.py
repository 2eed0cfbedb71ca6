"""Pulumi in a session of its own, with scripts in its place."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from pulumi.automation import CommandError, StackNotFoundError

from provider.local.server_process import ProcessIdentity
from sweep.fleet import LastingError
from sweep.pulumi_fleet.command import NotBegunError, StackCommand
from sweep.pulumi_fleet.update_process import end, running_update
from tests.engine.harness import eventually
from tests.support.scripts import write_script
from tools.pins import ROOT

# Sets $events to the file that the command was told to write its events to.
EVENTS = 'while [ "$1" != --event-log ]; do shift; done; events=$2'
FOREVER = "while true; do sleep 0.1; done"


class Desk:
    """A folder with a Pulumi that is this script."""

    def __init__(self, folder: Path, script: str) -> None:
        write_script(folder / "bin/pulumi", script)
        self.folder, self.log, self.updating = folder, folder / "x.log", folder / "x.updating"
        self.event_log, self.events = folder / "x.events", list[dict]()
        self.environment = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
        self.command = StackCommand(self.environment, self.log, self.event_log, self.updating, self.events.append)

    def run(self, *args: str):
        return self.command.run([*args], str(self.folder), self.environment)

    def start(self, *args: str) -> threading.Thread:
        def run() -> None:
            with pytest.raises(CommandError):
                self.run(*args)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    @property
    def process(self) -> ProcessIdentity:
        return eventually(lambda: running_update(self.event_log), "the command runs")


@pytest.mark.parametrize(("command", "is_off"), [("up", "true"), ("destroy", "")])
def test_pulumi_downloads_plugins_only_where_the_program_does_not(tmp_path: Path, command: str, is_off: str) -> None:
    desk = Desk(tmp_path, 'echo "off: $PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"')
    desk.run(command)
    assert desk.log.read_text() == f"off: {is_off}\n"


def test_without_pulumi_the_error_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(LastingError, match="make setup"):
        StackCommand({"PATH": str(tmp_path)}, tmp_path / "l", tmp_path / "e", tmp_path / "r", lambda _: None)


def test_an_update_hands_over_events_and_keeps_its_output_in_the_log(tmp_path: Path) -> None:
    event = json.dumps({"sequence": 1})
    desk = Desk(tmp_path, f"echo out; echo err >&2; {EVENTS}; printf '%s' '{event[:4]}' > $events; sleep 0.5;"
                f" echo '{event[4:]}' >> $events")  # fmt: skip
    desk.log.write_text("before\n")
    assert desk.run("up", "--yes").stdout == "out\nerr\n"
    assert desk.log.read_text() == "before\nout\nerr\n"
    assert desk.events == [{"sequence": 1}]


def test_what_may_print_secrets_reaches_no_file(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "echo of-the-cluster")
    assert desk.run("stack", "output", "--show-secrets").stdout == "of-the-cluster\n"
    assert not desk.log.exists()
    assert not [path for path in tmp_path.iterdir() if path.is_file() and "of-the-cluster" in path.read_text()]


def test_a_failure_is_the_error_of_the_automation_api(tmp_path: Path) -> None:
    with pytest.raises(StackNotFoundError):
        Desk(tmp_path, "echo \"error: no stack named 'x' found\" >&2; exit 6").run("stack", "export")


def test_an_update_is_marked_while_it_runs_in_a_session_of_its_own(tmp_path: Path) -> None:
    desk = Desk(tmp_path, FOREVER)
    thread = desk.start("up")
    process = desk.process
    session, was_marked = os.getsid(process.pid), desk.updating.exists()
    end(process)
    thread.join()
    assert session == process.pid
    assert was_marked
    assert not desk.updating.exists()
    assert running_update(desk.event_log) is None


def test_an_interrupted_update_gets_one_sigint(tmp_path: Path) -> None:
    desk = Desk(tmp_path, f"trap 'echo interrupted; exit 3' INT; {FOREVER}")
    thread = desk.start("up")
    assert desk.process
    eventually(lambda: psutil.Process(desk.process.pid).children(), "the trap is set")
    desk.command.interrupt()
    thread.join()
    assert desk.log.read_text() == "interrupted\n"


def test_a_second_interrupt_kills_an_update_that_does_not_end(tmp_path: Path) -> None:
    desk = Desk(tmp_path, f"trap 'echo interrupted' INT; {FOREVER}")
    thread = desk.start("up")
    eventually(lambda: psutil.Process(desk.process.pid).children(), "the trap is set")
    first = threading.Thread(target=desk.command.interrupt)
    first.start()
    eventually(desk.log.read_text, "the first arrived")
    desk.command.interrupt()
    thread.join()
    first.join()
    assert desk.log.read_text() == "interrupted\n"


def test_after_an_interrupt_no_update_begins(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "touch begun")
    desk.command.interrupt()
    with pytest.raises(NotBegunError):
        desk.run("up")
    assert not (tmp_path / "begun").exists()


def test_a_process_that_has_the_pid_of_another_is_not_ended(tmp_path: Path) -> None:
    desk = Desk(tmp_path, FOREVER)
    thread = desk.start("up")
    process = desk.process
    end(ProcessIdentity(process.pid, "another boot:1"))
    assert process.alive
    end(process)
    thread.join()


# A sweep that is killed at the moment in which it has started Pulumi.
KILLED = """
import os, signal, subprocess, sys
from pathlib import Path
from sweep.pulumi_fleet.command import StackCommand

class Killing(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        print(self.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

subprocess.Popen = Killing
folder = Path(sys.argv[1])
paths = folder / "x.log", folder / "x.events", folder / "x.updating"
StackCommand(os.environ, *paths, print).run(["up"], str(folder), {})
"""


def test_an_update_is_found_also_where_its_sweep_was_killed_as_it_started(tmp_path: Path) -> None:
    desk = Desk(tmp_path, FOREVER)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, env={**os.environ, **desk.environment},
        stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    found = desk.process
    assert found.pid == int(killed.stdout)
    assert desk.updating.exists()
    end(found)
    assert running_update(desk.event_log) is None


def test_a_process_that_only_reads_the_events_is_no_update(tmp_path: Path) -> None:
    events = tmp_path / "x.events"
    events.touch()
    with subprocess.Popen(["tail", "-f", str(events)], start_new_session=True) as reader:
        assert running_update(events) is None
        reader.kill()
