"""Runs pods' init containers as processes, one after the other, and starts one that fails again, as a kubelet does.

https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy
"""

import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]

# "back-off delay (10s, 20s, 40s, …)", the same page.
_BACK_OFF_S = 10.0
# https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/: "2048 bytes or 80 lines".
_MESSAGE_BYTES, _MESSAGE_LINES = 2048, 80


@dataclass
class InitContainer:
    """One init container of one pod; `files` are those of its ConfigMaps, by their path in the container.

    `volumes` are the folders of the pod's empty volumes, by where they are mounted.
    """

    declared: Json
    folder: Path
    files: Mapping[str, str]
    names: Mapping[str, str]
    """What the network would resolve, and what answers here instead."""
    volumes: Mapping[str, Path] = field(default_factory=dict)
    done: bool = False
    _process: subprocess.Popen[bytes] | None = None
    _restarts: int = 0
    _last: Json | None = None
    _start_at: float = field(default_factory=time.monotonic)

    def look(self) -> None:
        """Start it where it is due, and notice its end."""
        if self._process is None and not self.done and time.monotonic() >= self._start_at:
            self._restarts += self._last is not None
            self._process = self._started()
        elif self._process is not None and (code := self._process.poll()) is not None:
            self._process, self.done = None, code == 0
            reason = "Error" if code else "Completed"
            self._last = {"exitCode": code, "reason": reason, "message": self._message() if code else ""}
            self._start_at = time.monotonic() + _BACK_OFF_S * 2**self._restarts

    @property
    def status(self) -> Json:
        state: Json = {"running": {}} if self._process else {"waiting": {"reason": "PodInitializing"}}
        last: Json = {}
        if self._process is None and self._last:
            state = {"terminated": self._last} if self.done else {"waiting": {"reason": "CrashLoopBackOff"}}
        if self._last and not self.done:
            last = {"lastState": {"terminated": self._last}}
        described = {"name": self.declared["name"], "image": self.declared["image"], "imageID": ""}
        return described | {"restartCount": self._restarts, "ready": self.done, "state": state} | last

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _started(self) -> subprocess.Popen[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [self._here(part) for part in [*self.declared["command"], *self.declared.get("args", [])]]
        assert command[0] == "python", f"the image of the generator has no {command[0]}"
        with (self.folder / "log").open("wb") as log:
            # Without site-packages, which the image need not have.
            program = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-S", *command[1:]]
            return subprocess.Popen(program, env={}, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def _here(self, text: str) -> str:
        if text in self.files:
            path = self.folder / Path(text).name
            path.write_text(self.files[text])
            return str(path)
        for mount, folder in self.volumes.items():
            if text.startswith(f"{mount}/"):
                folder.mkdir(parents=True, exist_ok=True)
                return f"{folder}{text.removeprefix(mount)}"
        for name, answers in self.names.items():
            text = text.replace(name, answers)
        return text

    def _message(self) -> str:
        """As with terminationMessagePolicy FallbackToLogsOnError, and else nothing."""
        if self.declared.get("terminationMessagePolicy") != "FallbackToLogsOnError":
            return ""
        lines = (self.folder / "log").read_text().splitlines()[-_MESSAGE_LINES:]
        return "\n".join(lines)[-_MESSAGE_BYTES:]


@dataclass
class InitContainers:
    """Those of one pod."""

    containers: list[InitContainer]

    def look(self) -> bool:
        """Run the first that is not done; returns whether all are."""
        for container in self.containers:
            if not container.done:
                container.look()
                return False
        return True

    def status(self, pod: Json) -> Json:
        """The status of a pod whose init containers are not all done."""
        left = " ".join(container.declared["name"] for container in self.containers if not container.done)
        message = f"containers with incomplete status: [{left}]"
        waiting = {"waiting": {"reason": "PodInitializing"}}
        unmet = {"status": "False", "reason": "ContainersNotInitialized", "message": message}
        return {
            "phase": "Pending",
            "conditions": [
                {"type": "PodScheduled", "status": "True"},
                *({"type": kind} | unmet for kind in ("Initialized", "ContainersReady", "Ready")),
            ],
            "initContainerStatuses": [container.status for container in self.containers],
            "containerStatuses": [
                {"name": container["name"], "image": container["image"], "imageID": "", "ready": False,
                 "restartCount": 0, "state": waiting}
                for container in pod["spec"]["containers"]
            ],
        }  # fmt: skip

    def stop(self) -> None:
        for container in self.containers:
            container.stop()


def init_containers(
    pod: Json, folder: Path, config_maps: Mapping[str, Json], names: Mapping[str, str]
) -> InitContainers:
    """Those that a pod declares; `config_maps` are the data of its ConfigMaps, by name."""
    volumes = {
        volume["name"]: volume["configMap"]["name"] for volume in pod["spec"]["volumes"] if "configMap" in volume
    }
    empty = {
        volume["name"]: folder / "volumes" / volume["name"] for volume in pod["spec"]["volumes"] if "emptyDir" in volume
    }
    made = []
    for declared in pod["spec"].get("initContainers") or []:
        files = {
            f"{mount['mountPath']}/{name}": text
            for mount in declared["volumeMounts"]
            if mount["name"] in volumes
            for name, text in config_maps[volumes[mount["name"]]].items()
        }
        mounted = {
            mount["mountPath"]: empty[mount["name"]] for mount in declared["volumeMounts"] if mount["name"] in empty
        }
        made.append(InitContainer(declared, folder / declared["name"], files, names, mounted))
    return InitContainers(made)
