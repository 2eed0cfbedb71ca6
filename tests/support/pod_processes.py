"""Runs pods as processes of this machine, with their commands, variables, volumes and exit codes.

A container's namespaces, limits and image are missing. This environment's packages replace the official image's; the
sidecar gets a Python without packages, because it needs none.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadtest.run.pod import ROOT
from stacks.names import REST_PORT
from tools.pins import ROOT as CHECKOUT

Json = dict[str, Any]
Files = dict[str, bytes]

# Where a container finds its own control group.
_CGROUP = "/sys/fs/cgroup"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

IMAGE_ID = "docker.io/locustio/locust@sha256:" + "1" * 64


def config_map_sources(volume: Json) -> list[Json]:
    """What a volume has of ConfigMaps, one or several that are projected."""
    sources = [volume, *volume.get("projected", {}).get("sources", [])]
    return [source for source in sources if "configMap" in source]


def new_address() -> str:
    """An address of the loopback for one pod, as pods use the same ports."""
    return f"127.{random.randint(1, 254)}.{random.randint(0, 254)}.{random.randint(2, 254)}"


class PodProcesses:
    """One pod of the load generator, from `start` to `stop`.

    Volumes are folders below `folder`, and mount paths become paths there.

    `names` maps names that a cluster's DNS resolves to the addresses that answer here.
    """

    def __init__(
        self,
        spec: Json,
        folder: Path,
        config_maps: dict[str, Files],
        names: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self._names = names or {}
        self._labels = labels or {}
        self._spec = spec
        self._folder = folder
        self._config_maps = config_maps
        # One thread starts containers while others read this: those copy it.
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._codes: dict[str, int] = {}
        self._reasons: dict[str, str] = {}
        self._ended_at: dict[str, str] = {}
        self._last_status: Json | None = None
        self.address = new_address()
        self._stopped = threading.Event()
        self._containers = {
            container["name"]: container for container in [*spec["initContainers"], *spec["containers"]]
        }
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        for volume in self._spec["volumes"]:
            folder = self._folder / "volumes" / volume["name"]
            folder.mkdir(parents=True)
            for source in config_map_sources(volume):
                files = self._config_maps[source["configMap"]["name"]]
                items = source["configMap"].get("items") or [{"key": name, "path": name} for name in files]
                for item in items:
                    path = folder / item["path"]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(files[item["key"]])
        for mount in self._spec["containers"][0]["volumeMounts"]:
            at = self._here(mount["mountPath"])
            Path(at).parent.mkdir(parents=True, exist_ok=True)
            Path(at).symlink_to(self._folder / "volumes" / mount["name"])
        self._thread.start()

    def _run(self) -> None:
        for container in self._spec["initContainers"]:
            if self._start(container).wait() != 0:
                return
        if not self._stopped.is_set():
            for container in self._spec["containers"]:
                self._start(container)
            # The kernel ends the containers when this thread ends, also if the tests are killed.
            self._stopped.wait()

    def _start(self, container: Json) -> subprocess.Popen[bytes]:
        with (self._folder / f"{container['name']}.log").open("wb") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self._command(container["command"])],
                env=self._variables(container),
                cwd=self._here(container["workingDir"]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running[container["name"]] = process
        return process

    def pid(self, container: str) -> int:
        """The process id of the container's main process, which has id 1 in a real container."""
        return self._running[container].pid

    def kill(self, container: str, reason: str = "OOMKilled") -> None:
        """Kill a container, as the kernel does; its status then gives the reason."""
        self._reasons[container] = reason
        os.killpg(self._running[container].pid, signal.SIGKILL)

    def wait_for_rows(self, limit_s: float = 60) -> None:
        """Until the generator has written a row, which is some time after the first answer."""
        until = time.monotonic() + limit_s
        while not any(path.read_bytes().count(b"\n") > 1 for path in self._folder.glob("volumes/*/locust-?.csv")):
            if time.monotonic() > until:
                raise TimeoutError(f"the generator wrote no row within {limit_s:g} s")
            time.sleep(0.05)

    def suspend(self, container: str) -> None:
        """Suspend a container."""
        os.killpg(self._running[container].pid, signal.SIGSTOP)

    def terminate(self) -> None:
        """Send SIGTERM to every container. Until all have ended the status stays as it was, as a kubelet reports it."""
        self._last_status = self.status()
        for process in self._running.copy().values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)

    def stop(self) -> None:
        """Kill the pod."""
        self._stopped.set()
        for process in self._running.copy().values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    @property
    def alive(self) -> list[str]:
        return [name for name, process in self._running.copy().items() if process.poll() is None]

    def status(self) -> Json:
        """The status that a kubelet would report."""
        if self._last_status and self.alive:
            return self._last_status
        init, main = self._spec["initContainers"], self._spec["containers"]
        codes = {name: process.poll() for name, process in self._running.copy().items()}
        ended = [codes.get(container["name"]) for container in main]
        failed = any(codes.get(container["name"]) for container in [*init, *main])
        phase = "Pending" if ended == [None] * len(main) and main[0]["name"] not in codes else "Running"
        if None not in ended or any(codes.get(container["name"]) for container in init):
            phase = "Failed" if failed else "Succeeded"
        return {
            "phase": phase,
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "initContainerStatuses": [self._status_of(container, codes) for container in init],
            "containerStatuses": [self._status_of(container, codes) for container in main],
        }

    def _status_of(self, container: Json, codes: dict[str, int | None]) -> Json:
        name = container["name"]
        state: Json = {"waiting": {"reason": "PodInitializing"}}
        if name in codes:
            code = codes[name]
            state = {"running": {}}
            if code is not None:
                reason = self._reasons.get(name, "Error" if code else "Completed")
                seen = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                ended_at = self._ended_at.setdefault(name, seen)
                state = {
                    "terminated": {
                        "exitCode": 128 - code if code < 0 else code,
                        "reason": reason,
                        "finishedAt": ended_at,
                    }
                }
        return {
            "name": name,
            "image": container["image"],
            "imageID": IMAGE_ID if name in codes else "",
            "ready": "running" in state,
            "restartCount": 0,
            "state": state,
        }

    def log(self, container: str, lines: int | None = None) -> str:
        text = (self._folder / f"{container}.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:]) if lines else text

    def execute(self, container: str, command: list[str]) -> subprocess.CompletedProcess[bytes]:
        """Run a command in a container."""
        process = self._running.get(container)
        if process is None or process.poll() is not None:
            return subprocess.CompletedProcess(command, 1, b"", b"container not running")
        return subprocess.run(
            self._command(command),
            env=self._variables(self._containers[container]),
            cwd=self._here(self._containers[container]["workingDir"]),
            capture_output=True,
            check=False,
        )

    def _command(self, command: list[str]) -> list[str]:
        program, *arguments = (self._here(part) for part in command)
        if program == "locust":
            return [sys.executable, "-m", "locust", *arguments]
        # The sidecar runs without site-packages, so that it can import the standard library only.
        bare = ["-S"] if "loadtest.generator.pod.sidecar" in arguments else []
        return [sys.executable, *bare, *arguments] if program == "python" else [program, *arguments]

    def _variables(self, container: Json) -> dict[str, str]:
        given = {
            variable["name"]: self._here(variable["value"])
            if "value" in variable
            else self._field(variable["valueFrom"])
            for variable in container["env"]
        }
        return {"PATH": os.defpath} | given

    def _field(self, source: Json) -> str:
        """The pod's address, or what the controller of an indexed Job refers to: its number, a label."""
        path = source["fieldRef"]["fieldPath"]
        return self.address if path == "status.podIP" else self._labels[path.split("'")[1]]

    def _here(self, text: str) -> str:
        for name, answers in self._names.items():
            text = text.replace(name, answers)
        return text.replace(f"{ROOT}/", f"{self._folder}/root/")


class ServerProcess:
    """A server's pod: a process of this machine, with the files of a control group as a container finds them.

    The files are written before each command, from the kernel's figures of the process, throttled in a quarter of the
    periods.
    """

    def __init__(self, pid: int, folder: Path) -> None:
        self._proc = Path("/proc", str(pid))
        self._folder = folder
        self.commands = 0

    def execute(self, container: str, command: list[str]) -> subprocess.CompletedProcess[bytes]:  # noqa: ARG002 - it has one
        """Run a command in the pod, with a line as its input."""
        self.commands += 1
        self._write()
        here = [part.replace(_CGROUP, str(self._folder)) for part in command]
        done = subprocess.run(here, input=b"\n", capture_output=True, check=False)
        return subprocess.CompletedProcess(
            command, done.returncode, done.stdout.replace(str(self._folder).encode(), _CGROUP.encode()), done.stderr
        )

    def _write(self) -> None:
        user, system = (self._proc / "stat").read_text().rpartition(")")[2].split()[11:13]
        resident = int((self._proc / "statm").read_text().split()[1]) * _PAGE_BYTES
        usage_us = (int(user) + int(system)) * 1_000_000 // _TICKS_PER_S
        files = {
            "cpu.stat": f"usage_usec {usage_us}\nnr_periods {40 * self.commands}\nnr_throttled {10 * self.commands}\n",
            "cpu.max": "150000 100000\n",
            "cpuset.cpus.effective": "0-1\n",
            "memory.current": f"{resident + 4096}\n",
            "memory.stat": f"anon {resident}\ninactive_file 4096\n",
        }
        self._folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (self._folder / name).write_text(text)


class ServerPodProcess(ServerProcess):
    """A server's pod: the embedded server, with the flags, variables and files of the pod's container, at `address`.

    Its image is missing, so the model is at a path of this machine.
    """

    def __init__(self, spec: Json, folder: Path, config_maps: Mapping[str, Files], address: str) -> None:
        (container,) = spec["containers"]
        files = folder / "config"
        files.mkdir(parents=True)
        for name, content in (item for config_map in config_maps.values() for item in config_map.items()):
            (files / name).write_bytes(content)
        (mounted,) = (mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "config")
        flags = [flag.replace(mounted, str(files)) for flag in container["args"]]
        self._log = folder / "server.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL",
                 sys.executable, "-m", "serving.server", f"--bind_address={address}", *flags],
                env=os.environ | {variable["name"]: variable["value"] for variable in container.get("env", [])},
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._probe = f"http://{address}:{REST_PORT}{container['startupProbe']['httpGet']['path']}"
        self._is_ready = False
        super().__init__(self._process.pid, folder / "cgroup")

    def status(self) -> Json:
        """The container's state as a kubelet reports it: not ready until its startup probe has succeeded once."""
        if (code := self._process.poll()) is not None:
            # As after a restart, which changes nothing here.
            ended = {"exitCode": code, "message": self._log.read_text(errors="replace")[-2000:]}
            return {"ready": False, "restartCount": 1, "state": {"terminated": ended}}
        if not self._is_ready:
            with contextlib.suppress(OSError):
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                self._is_ready = opener.open(self._probe, timeout=2).status == 200
        return {"ready": self._is_ready, "restartCount": 0, "state": {"running": {}}}

    def stop(self) -> None:
        """Kill the server, and free its ports."""
        self._process.kill()
        self._process.wait()
