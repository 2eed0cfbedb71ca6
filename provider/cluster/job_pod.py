"""The pod of a load test's Job: its status, its log, and what its sidecar answers."""

import contextlib
import json
from typing import Any, ClassVar

from loadtest.generator.pod.sidecar import TOKEN_HEADER
from loadtest.run import pod as layout
from provider.cluster.api import RETRY_S, Cluster, Json, PodRequest
from provider.cluster.load_job import JOB_LABEL, SIDECAR
from stacks.names import SIDECAR_PORT

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

    def __init__(self, cluster: Cluster, job: Json, token: str) -> None:
        self.cluster = cluster
        self.job = job
        self.job_name: str = job["metadata"]["name"]
        self._token = token
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

    def sidecar(self, command: str, *arguments: str, retry_s: float = RETRY_S) -> str:
        """The answer of the sidecar to one of its commands."""
        request = PodRequest(SIDECAR_PORT, "/".join((command, *arguments)), {TOKEN_HEADER: self._token})
        return self.cluster.ask(self.name, SIDECAR, layout.sidecar_command(command, *arguments), request, retry_s)
