"""A server as a process of its own: start it apart from everything, know it again, end it and no other."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_TERM_GRACE_S = 10.0
_POLL_S = 0.05

# What must not reach a process that does not need it: its environment can be read by others of the same user.
_SECRETS = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG", "GOOGLE_CREDENTIALS", "GOOGLE_OAUTH")


@dataclass(frozen=True)
class ProcessIdentity:
    """A process beyond its pid, which the kernel gives away again: boot and start time tell two holders apart."""

    pid: int
    started: str
    """`<boot id>:<start time in clock ticks since boot>`, from /proc."""

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity | None":
        """The process that has this pid now; None when there is none, or only its unreaped remains."""
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

    @property
    def alive(self) -> bool:
        """Whether that very process still runs."""
        return ProcessIdentity.of(self.pid) == self

    def stop(self) -> None:
        """End the process and its group: SIGTERM, then SIGKILL after a grace. Another under its pid is left alone."""
        for stop_signal, grace_s in ((signal.SIGTERM, _TERM_GRACE_S), (signal.SIGKILL, _TERM_GRACE_S)):
            if not self.alive:
                return
            try:
                os.killpg(self.pid, stop_signal)
            except ProcessLookupError:
                return
            deadline = time.monotonic() + grace_s
            while self.alive and time.monotonic() < deadline:
                time.sleep(_POLL_S)


def start_apart(command: Sequence[str], log: Path) -> ProcessIdentity:
    """Start a process that outlives its starter: a session of its own, no input, output to `log`, no secrets.

    Raises OSError when the command cannot be started.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    identity = ProcessIdentity.of(process.pid)
    # A process that ended already has no identity; one that cannot match stands for it, and is found dead at once.
    return identity or ProcessIdentity(process.pid, "ended")


def last_lines(log: Path, count: int = 12) -> str:
    """The end of a log, for an error message."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "(no log was written)"
    return "\n".join(f"  {line}" for line in lines[-count:]) or "  (the log is empty)"
