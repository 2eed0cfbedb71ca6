"""The Pulumi process of an update: found by its command line, whoever started it, and ended."""

import contextlib
import os
import signal
import time
from itertools import pairwise
from pathlib import Path

import psutil

from provider.local.server_process import ProcessIdentity

EVENT_LOG = "--event-log"
POLL_S = 0.2
# After a SIGINT an update saves what it measured, deletes its Job, and waits for what the cloud is doing.
INTERRUPT_GRACE_S = 120.0
_KILL_GRACE_S = 10.0


def running_update(events: Path) -> ProcessIdentity | None:
    """The process that was told to write its events to this file, which no other update has; None where none runs.

    The kernel knows the command line from the start of the process to its end, so that no sweep can be killed between
    the start of a process and the note of its pid.
    """
    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error, ProcessLookupError):  # it has ended, or is another user's
            process = ProcessIdentity.of(pid)
            command = psutil.Process(pid).cmdline()
            # It leads its session; what it starts with the same arguments does not. These are read after its start
            # time: where that has not changed, they are not a later process's.
            if (EVENT_LOG, str(events)) in pairwise(command) and os.getsid(pid) == pid and process and process.alive:
                return process
    return None


def end(process: ProcessIdentity, grace_s: float = INTERRUPT_GRACE_S) -> None:
    """End a Pulumi process: SIGINT, and SIGKILL where it has not ended within `grace_s`; returns when it has ended.

    The plugins of a killed one notice that it is gone, and end what they started.
    """
    for number, wait_s in ((signal.SIGINT, grace_s), (signal.SIGKILL, _KILL_GRACE_S)):
        if not wait_s:
            continue
        deadline = time.monotonic() + wait_s
        if process.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)
        while process.alive and time.monotonic() < deadline:
            time.sleep(POLL_S)
