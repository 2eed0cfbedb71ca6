"""Runs Pulumi's command line in a session of its own, so that Ctrl-C reaches only the sweep, which cancels updates.

The output and the events of an update go to files, not to pipes, so the update goes on if the sweep is killed.
"""

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from pulumi.automation import CommandResult, OnOutput, PulumiCommand
from pulumi.automation.errors import create_command_error

from provider.local.server_process import ProcessIdentity
from sweep.fleet import FleetError, LastingError
from sweep.pulumi_fleet.update_process import EVENT_LOG, INTERRUPT_GRACE_S, POLL_S, end
from tools.private_files import open_private

# What changes resources, and takes long.
_UPDATES = {"up", "destroy", "refresh"}
# Where the program runs, it fetches the plugins that its stack needs: components/provider_plugins.py. Before it, Pulumi
# would look for those of every platform, which takes seconds without an internet connection, and 60 MB with one.
_NO_DOWNLOADS = {"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"}

OnEvent = Callable[[Mapping[str, Any]], None]


class NotBegunError(Exception):
    """The command was interrupted before it began."""


class StackCommand(PulumiCommand):
    """Pulumi for one task of a stack. An update that runs can be interrupted.

    `log` gets what updates print, after what it has; `events` is the file that they write their events to. `on_event`
    gets these, from another thread. `updating` is a file that is there while an update runs.
    """

    def __init__(
        self, environment: Mapping[str, str], log: Path, events: Path, updating: Path, on_event: OnEvent
    ) -> None:
        """Find Pulumi; raises LastingError where it is missing. The parent's search would run it for its version."""
        found = shutil.which("pulumi", path=environment.get("PATH"))
        if found is None:
            raise LastingError("Pulumi is not on PATH, so no stack can be created; run `make setup`")
        self.command, self.version = found, None
        self._log, self._events, self._updating, self._on_event = log, events, updating, on_event
        self._lock = threading.Lock()
        self._running: ProcessIdentity | None = None
        self._is_interrupted = False

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: OnOutput | None = None,  # noqa: ARG002 - of the parent
        on_error: OnOutput | None = None,  # noqa: ARG002
    ) -> CommandResult:
        """Run a command to its end; raises CommandError. `on_output` and `on_error` get nothing: `log` has it all."""
        command = [self.command, "--non-interactive", *args]
        environment = {**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        if args[0] == "up":
            environment |= _NO_DOWNLOADS
        if args[0] in _UPDATES:
            result = self._update(command, cwd, environment, must_be_found=args[0] == "up")
        else:
            # What it prints may have secrets, so no file gets it.
            done = subprocess.run(
                command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                start_new_session=True, check=False,
            )  # fmt: skip
            result = CommandResult(done.stdout, done.stderr, done.returncode)
        if result.code:
            raise create_command_error(result)
        return result

    def interrupt(self) -> None:
        """End the update that runs, and begin no other: SIGINT once, SIGKILL where it has not ended after two minutes.

        Called a second time, from another thread, it kills the update at once.
        """
        with self._lock:
            again, self._is_interrupted = self._is_interrupted, True
            running = self._running
        if running:
            end(running, 0 if again else INTERRUPT_GRACE_S)

    def _update(
        self, command: list[str], cwd: str, environment: Mapping[str, str], *, must_be_found: bool
    ) -> CommandResult:
        has_events = False
        with suppress(OSError):  # an update without progress is better than none
            self._events.unlink(missing_ok=True)
            self._events.touch(mode=0o600)
            has_events = True
        with _output(self._log) as log:
            begun_at = log.tell()
            with self._lock:
                if self._is_interrupted:
                    raise NotBegunError
                self._mark(must_be_found=must_be_found)
                process = subprocess.Popen(
                    [*command, EVENT_LOG, str(self._events)],
                    cwd=cwd,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                # At once: after its end, another process may have its pid.
                self._running = ProcessIdentity.of(process.pid)
            try:
                self._follow(process, has_events=has_events)
            finally:
                with suppress(OSError):
                    self._updating.unlink(missing_ok=True)
            log.seek(begun_at)
            printed = log.read().decode(errors="replace")
        # The Automation API tells errors apart by what is on standard error, which goes to the same file.
        return CommandResult(printed, printed, process.returncode)

    def _follow(self, process: "subprocess.Popen[bytes]", *, has_events: bool) -> None:
        """Pass on events until the process has ended. What a full disk has cut is no event."""
        partial = b""
        with self._events.open("rb") if has_events else BytesIO() as lines:
            while True:
                has_ended = process.poll() is not None
                for line in lines:
                    partial += line
                    if partial.endswith(b"\n"):
                        with suppress(ValueError):
                            self._on_event(json.loads(partial))
                        partial = b""
                if has_ended:
                    return
                time.sleep(POLL_S)

    def _mark(self, *, must_be_found: bool) -> None:
        """Make the file by which a resumed sweep finds the update; raises FleetError where it must be and cannot.

        What is only a record must not keep a stack up, so a destruction goes on without it.
        """
        try:
            self._updating.touch(mode=0o600)
        except OSError as error:
            if must_be_found:
                raise FleetError(
                    f"{self._updating} cannot be made ({error.strerror}), by which a resumed sweep would find this"
                    " update, so it was not begun; make room or give permission"
                ) from error


def _output(log: Path) -> IO[bytes]:
    """Where an update writes what it prints: the end of the log or, where that cannot be opened, a file in memory."""
    try:
        return open_private(log, "a+b")
    except OSError:
        return os.fdopen(os.memfd_create(log.name), "w+b")
