"""The namespaces that a node is in: its network, mounts and processes are its own, and end with whoever started it.

The first process in them is one that only waits. When it ends the kernel ends all others, unmounts what they mounted
and removes their network, so nothing has to be remembered or searched for.
"""

import contextlib
import subprocess
import time
from pathlib import Path
from typing import Self

from tools.console import SetupError

# Where the node's folder and its programs are inside: short, as the path of a socket has 107 characters at most.
FOLDER, TOOLCHAIN = Path("/run/node"), Path("/run/toolchain")
_TIMEOUT_S = 10.0
_POLL_INTERVAL_S = 0.02
# Two addresses each, of a network that RFC 2544 keeps for tests of this kind, so that nobody's is hidden.
_NETWORKS = [f"198.18.{third}" for third in range(256)]

# Programs write to some places of the machine whatever they are told; these are empty folders of the node's own.
_MOUNTS = f"""
set -e
mount --bind "$1" /mnt
mount -t tmpfs -o mode=755 tmpfs /run
mkdir {FOLDER} {TOOLCHAIN}
mount --bind "$2" {TOOLCHAIN}
mount --move /mnt {FOLDER}
mount -t tmpfs -o mode=755 tmpfs /var/lib
mount -t tmpfs -o mode=755 tmpfs /var/log
"""


class Sandbox:
    """A context manager: inside of it there are namespaces, joined to the machine by one virtual cable."""

    def __init__(self, folder: Path, toolchain: Path) -> None:
        self._folder = folder
        self._toolchain = toolchain
        self._starter: subprocess.Popen[bytes] | None = None
        self._first = 0
        self.address = ""
        """The node's, reachable from this machine and from nowhere else."""

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @property
    def network(self) -> tuple[str, ...]:
        """The command that starts another one in the network alone."""
        return ("nsenter", f"--net=/proc/{self._first}/ns/net")

    @property
    def inside(self) -> tuple[str, ...]:
        """The command that starts another one in all of the namespaces; killing it kills that other one too late."""
        return ("nsenter", f"--target={self._first}", "--mount", "--net", "--pid", "--ipc", "--uts")

    def run(self, *command: str) -> None:
        """Run a command inside to its end; raises SetupError with what it says where it fails."""
        _run(*self.inside, *command)

    def _start(self) -> None:
        pause = self._toolchain / "bin/pause"
        self._starter = subprocess.Popen(
            # The kernel ends it when this process is gone, even one that was killed, and it ends the first process.
            ["setpriv", "--pdeathsig", "KILL",
             "unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child=KILL", "--mount-proc",
             str(pause)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        self._first = self._wait_for_first(self._starter, pause)
        self.run("sh", "-c", _MOUNTS, "mounts", str(self._folder), str(self._toolchain))
        self._connect()

    def _wait_for_first(self, starter: "subprocess.Popen[bytes]", pause: Path) -> int:
        deadline = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < deadline and starter.poll() is None:
            for child in Path(f"/proc/{starter.pid}/task/{starter.pid}/children").read_text().split():
                with contextlib.suppress(OSError):
                    if Path(f"/proc/{child}/exe").samefile(pause):
                        return int(child)
            time.sleep(_POLL_INTERVAL_S)
        starter.kill()
        assert starter.stderr
        raise SetupError(f"namespaces for a node cannot be made: {starter.stderr.read().decode().strip()}")

    def _connect(self) -> None:
        self.run("ip", "link", "set", "lo", "up")
        for number, network in enumerate(_NETWORKS):
            ours, address = f"{network}.1", f"{network}.2"
            if _is_taken(network):
                continue
            cable = f"shapebench{number}"
            with contextlib.suppress(SetupError):  # another node has just taken it
                _run("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", str(self._first))
                _run("ip", "address", "add", f"{ours}/30", "dev", cable)
                _run("ip", "link", "set", cable, "up")
                self.run("ip", "address", "add", f"{address}/30", "dev", "eth0")
                self.run("ip", "link", "set", "eth0", "up")
                # A service's address is one behind this route until kube-proxy's rules turn it into a pod's.
                self.run("ip", "route", "add", "default", "via", ours)
                self.address = address
                return
        raise SetupError("no network for a node is free: all of 198.18.0.0/16 is in use on this machine")

    def _stop(self) -> None:
        if self._starter is not None:
            self._starter.kill()
            self._starter.wait()
            _wait_until_gone(self._first)


def _is_taken(network: str) -> bool:
    routes = subprocess.run(["ip", "-4", "address"], capture_output=True, text=True, check=True).stdout
    return f" {network}." in routes


def _wait_until_gone(process: int) -> None:
    """Its parent is gone, so nobody can wait for it; the kernel has ended all others when it is no more."""
    deadline = time.monotonic() + _TIMEOUT_S
    while process and Path(f"/proc/{process}").exists():
        if time.monotonic() > deadline:
            raise SetupError(f"process {process} of the node does not end although it was killed; restart the machine")
        time.sleep(_POLL_INTERVAL_S)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise SetupError(f"a node cannot be set up: `{' '.join(command)}` failed: {done.stderr.strip()}")
