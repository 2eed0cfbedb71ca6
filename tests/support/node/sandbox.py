"""The namespaces of a node, with its own network, mounts and processes. They end with the process that started them.

The first process in them only waits. When it ends, the kernel ends all others, unmounts what they mounted and removes
their network, so there is nothing to clean up.
"""

import contextlib
import subprocess
import time
from pathlib import Path
from typing import Self

from tools.console import SetupError

# The node's folder and its programs, as seen inside. Short, because the path of a socket has at most 107 characters.
FOLDER, TOOLCHAIN = Path("/run/node"), Path("/run/toolchain")
_TIMEOUT_S = 10.0
_POLL_INTERVAL_S = 0.02
# These belong to the network that RFC 2544 reserves for tests, so that they hide no real address.
_NETWORKS = [f"198.18.{third}" for third in range(256)]

# Programs write to some folders of the machine whatever their settings are; the node gets empty ones there.
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
    """A context manager: namespaces, connected to the machine by a veth pair."""

    def __init__(self, folder: Path, toolchain: Path) -> None:
        self._folder = folder
        self._toolchain = toolchain
        self._starter: subprocess.Popen[bytes] | None = None
        self._first = 0
        self.address = ""
        """The node's address, reachable from this machine only."""

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
        """The command prefix that runs a program in the network namespace only."""
        return ("nsenter", f"--net=/proc/{self._first}/ns/net")

    @property
    def inside(self) -> tuple[str, ...]:
        """The command prefix that runs a program in all namespaces. Killing it does not end that program at once."""
        return ("nsenter", f"--target={self._first}", "--mount", "--net", "--pid", "--ipc", "--uts")

    def run(self, *command: str) -> None:
        """Run a command inside until it ends; raises SetupError with its output where it fails."""
        _run(*self.inside, *command)

    def _start(self) -> None:
        pause = self._toolchain / "bin/pause"
        self._starter = subprocess.Popen(
            # The kernel ends it when this process ends, even by SIGKILL, and it ends the first process.
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
        raise SetupError(f"the namespaces of a node cannot be created: {starter.stderr.read().decode().strip()}")

    def _connect(self) -> None:
        self.run("ip", "link", "set", "lo", "up")
        for number, network in enumerate(_NETWORKS):
            host, address = f"{network}.1", f"{network}.2"
            if _is_taken(network):
                continue
            link = f"shapebench{number}"
            with contextlib.suppress(SetupError):  # another node has just taken it
                _run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(self._first))
                _run("ip", "address", "add", f"{host}/30", "dev", link)
                _run("ip", "link", "set", link, "up")
                self.run("ip", "address", "add", f"{address}/30", "dev", "eth0")
                self.run("ip", "link", "set", "eth0", "up")
                # Packets to a service take this route until kube-proxy's rules turn its address into a pod's.
                self.run("ip", "route", "add", "default", "via", host)
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
    """Poll until a process of no parent is gone; by then the kernel has ended all others in its namespaces."""
    deadline = time.monotonic() + _TIMEOUT_S
    while process and Path(f"/proc/{process}").exists():
        if time.monotonic() > deadline:
            raise SetupError(f"process {process} of the node does not end although it was killed; restart the machine")
        time.sleep(_POLL_INTERVAL_S)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise SetupError(f"a node cannot be set up: `{' '.join(command)}` failed: {done.stderr.strip()}")
