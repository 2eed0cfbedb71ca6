"""A server process on this machine: start it detached, find and identify it later, stop it and no other."""

import contextlib
import ipaddress
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from analysis.results.run.hosts import THIS_MACHINE
from loadtest.result.servers import NO_SERVERS, Servers, ServerState

_TERMINATION_GRACE_S = 10.0
_POLL_S = 0.05

# Not passed on to a process that does not need it: others of the same user can read its environment.
_SECRETS = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG", "GOOGLE_CREDENTIALS", "GOOGLE_OAUTH")

# The folder of a server, in its environment: the kernel keeps it from the start of the process to its end, whatever
# becomes of the plugin and of the files.
_FOLDER_VARIABLE = "SHAPEBENCH_SERVER_FOLDER"
# The processes whose place it has taken, so that it is found by any of them.
_PREDECESSORS_VARIABLE = "SHAPEBENCH_SERVER_PREDECESSORS"


@dataclass(frozen=True)
class ProcessIdentity:
    """A process by more than its pid, which the kernel uses again: boot and start time identify it."""

    pid: int
    started: str
    """`<boot id>:<start time in clock ticks since boot>`, from /proc."""

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity | None":
        """The process that has this pid now; None when there is none, or only a zombie."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        except OSError:
            return None
        # The command's name stands in parentheses and may hold anything; state is field 3, start time field 22.
        fields = stat.rpartition(")")[2].split()
        if fields[0] in {"Z", "X"}:
            return None
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return cls(pid, f"{boot_id}:{fields[19]}")

    def __str__(self) -> str:
        return f"{self.pid}:{self.started}"

    @property
    def alive(self) -> bool:
        return ProcessIdentity.of(self.pid) == self

    def stop(self) -> None:
        """Send SIGTERM to the process, and to its group where it leads one; SIGKILL after a grace period."""
        for stop_signal in (signal.SIGTERM, signal.SIGKILL):
            if not self.alive:
                return
            try:
                (os.killpg if os.getpgid(self.pid) == self.pid else os.kill)(self.pid, stop_signal)
            except ProcessLookupError:
                return
            deadline = time.monotonic() + _TERMINATION_GRACE_S
            while self.alive and time.monotonic() < deadline:
                time.sleep(_POLL_S)


def start_detached(
    command: Sequence[str], log: Path, variables: Mapping[str, str | None] | None = None
) -> ProcessIdentity:
    """Start a process that outlives this one: a session of its own, no input, output to `log`, no secrets.

    It has the environment of this process and `variables`; it does not have those that are None there. `stop_all` finds
    it, and what it starts, by the folder of its log.

    Raises OSError when the command cannot be started.
    """
    environment = {
        name: value
        for name, value in {**os.environ, **(variables or {}), _FOLDER_VARIABLE: str(log.parent)}.items()
        if value is not None and not name.startswith(_SECRETS)
    }
    log.parent.mkdir(parents=True, exist_ok=True)
    return _start(command, log, environment, Path.cwd())


def start_again(process: ProcessIdentity, log: Path) -> ProcessIdentity:
    """Stop a process of `start_detached`, and start it with the arguments, environment and folder that it had.

    `successor` finds the new process by the old one. Raises OSError when it cannot be started, and psutil.Error where
    the old one has ended already.
    """
    earlier = psutil.Process(process.pid)
    command, environment, folder = earlier.cmdline(), earlier.environ(), Path(earlier.cwd())
    process.stop()
    predecessors = " ".join(filter(None, (environment.get(_PREDECESSORS_VARIABLE), str(process))))
    return _start(command, log, environment | {_PREDECESSORS_VARIABLE: predecessors}, folder)


def _start(command: Sequence[str], log: Path, environment: Mapping[str, str], folder: Path) -> ProcessIdentity:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
    # A process that ended already has no identity; it gets one that matches no process, so it is not alive.
    return ProcessIdentity.of(process.pid) or ProcessIdentity(process.pid, "ended")


def stop_all(folder: Path, say: Callable[[str], None]) -> list[ProcessIdentity]:
    """Stop every process that was started with its log in `folder`, and say so of each; returns them.

    Called where no server runs that a state knows, so each is of an update that was killed after it had started it.
    """
    found = [process for process, _ in _started_in(folder)]
    for process in found:
        process.stop()
        say(f"stopped process {process.pid}, a server that an interrupted update left running")
    return found


def successor(process: ProcessIdentity, folder: Path) -> ProcessIdentity | None:
    """The process that `start_again` has put in the place of this one, with its log in `folder`; None without one."""
    for each, environment in _started_in(folder):
        if str(process) in environment.get(_PREDECESSORS_VARIABLE, "").split():
            # What a server starts has the server's environment, but does not lead its session.
            with contextlib.suppress(ProcessLookupError):
                if os.getsid(each.pid) == each.pid:
                    return each
    return None


def _started_in(folder: Path) -> Iterator[tuple[ProcessIdentity, Mapping[str, str]]]:
    """The processes with this folder in their environment, and that environment."""
    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error):  # it has ended, or is another user's
            process = ProcessIdentity.of(pid)
            environment = psutil.Process(pid).environ()
            # Read after its start time: where that has not changed, it is not a later process's.
            if process and environment.get(_FOLDER_VARIABLE) == str(folder) and process.alive:
                yield process, environment


def log_tail(log: Path, count: int = 12) -> str:
    """The last lines of a log, for an error message."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "(no log was written)"
    return "\n".join(f"  {line}" for line in lines[-count:]) or "  (the log is empty)"


def listening_pid(port: int) -> int | None:
    """The process that listens on this TCP port; None where there is none, or it cannot be seen."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return None
    listening = (connection for connection in connections if connection.status == psutil.CONN_LISTEN and connection.pid)
    return min((each.pid for each in listening if each.laddr and each.laddr.port == port and each.pid), default=None)


def is_here(url: str) -> bool:
    """Whether the host in `url` is this machine: the loopback, or an address of one of its interfaces."""
    host = urlsplit(url if "//" in url else f"//{url}").hostname
    try:
        addresses = {ipaddress.ip_address(found[4][0]) for found in socket.getaddrinfo(host, None)}
    except (OSError, ValueError):
        return False
    own = {each.address.partition("%")[0] for found in psutil.net_if_addrs().values() for each in found}
    return bool(addresses) and all(address.is_loopback or str(address) in own for address in addresses)


def listening_process(url: str) -> ProcessIdentity | None:
    """The process that listens on the port of `url`; None where there is none, or it cannot be seen."""
    port = urlsplit(url if "//" in url else f"//{url}").port
    pid = listening_pid(port) if port else None
    return ProcessIdentity.of(pid) if pid else None


def server_processes(before: ProcessIdentity | None, after: ProcessIdentity | None) -> Servers:
    """The server before and after a load test; a server that is gone has a reason of its own."""
    if before is None or after is None:
        return NO_SERVERS
    return Servers(1, (server_state(before),), (server_state(after),), hosts=(THIS_MACHINE,))


def server_state(process: ProcessIdentity) -> ServerState:
    """The process as a server under test."""
    return ServerState(f"process {process.pid}", str(process))
