"""The pod of a load test's Job: its status, its log, and commands in its containers."""

import contextlib
import json
from collections.abc import Sequence
from typing import Any, ClassVar

from loadtest.run import pod as layout
from provider.cluster.api import RETRY_S, Cluster, Json
from provider.cluster.load_job import JOB_LABEL, SIDECAR

# How long a command is retried that may come too late, in seconds.
LATE_RETRY_S = 10.0


def last_message(log: str, event: str) -> dict[str, Any] | None:
    """The last message of this kind in the generator's log, which has lines of Locust's own, too."""
    for line in reversed(log.splitlines()):
        with contextlib.suppress(ValueError):
            message = json.loads(line)
            if isinstance(message, dict) and message.get("event") == event:
                return message
    return None


class JobPod:
    """The first pod of a Job; the Job makes no second one."""

    poll_s: ClassVar[float] = 2.0
    """How often its status is read while it runs: progress comes once a second, and a person needs no more."""

    def __init__(self, cluster: Cluster, job_name: str) -> None:
        self.cluster = cluster
        self.job_name = job_name
        self.last_seen: Json | None = None
        """The pod as the API last returned it; None before there was one."""

    def read(self) -> Json | None:
        """The pod now; None where it is not created yet, or deleted."""
        pods = self.cluster.pods(f"{JOB_LABEL}={self.job_name}")
        if self.last_seen is not None:
            pods = [pod for pod in pods if pod["metadata"]["uid"] == self.last_seen["metadata"]["uid"]]
        if not pods:
            return None
        self.last_seen = pods[0]
        return pods[0]

    @property
    def name(self) -> str:
        """The name of the pod, which must have been seen."""
        return str((self.last_seen or {})["metadata"]["name"])

    def log(self, container: str, lines: int) -> str:
        return self.cluster.log(self.name, container, lines)

    def sidecar(self, command: str, retry_s: float = RETRY_S, file: str = "", numbers: Sequence[int] = ()) -> str:
        """The answer of the sidecar to one of its commands, about a file or the folder of all."""
        arguments = layout.sidecar_command(command, layout.WORK_DIR / file, *numbers)
        return self.cluster.execute(self.name, SIDECAR, arguments, retry_s)
