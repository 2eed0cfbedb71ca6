"""The servers of a load test, as they were seen before it and after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from analysis.results.run.hosts import Host


@dataclass(frozen=True)
class ServerState:
    """One server, at one moment. `uid` differs between a server and the one that replaces it."""

    name: str
    uid: str
    ready: bool = True
    restarts: int = 0
    image: str | None = None


@dataclass(frozen=True)
class Servers:
    """The servers before and after the test. `replicas` is the number that the stack declares.

    `seen_late`: they were seen again when the test may have been over for hours. `hosts` are the machines that they run
    on, as far as they are known. `autoscaled`: an autoscaler changed their number meanwhile, which `replicas` is the
    least of.
    """

    replicas: int
    before: Sequence[ServerState]
    after: Sequence[ServerState]
    seen_late: bool = False
    hosts: Sequence[Host] = ()
    autoscaled: bool = False


NO_SERVERS = Servers(replicas=1, before=(), after=())
"""Where nothing is known of the servers."""


def deployment_of(servers: Sequence[ServerState]) -> str | None:
    """A short name of this set of server processes, which a replaced or restarted one changes; None without any."""
    if not servers:
        return None
    # A container that is restarted in its pod is another process in a pod of the same uid.
    processes = sorted(f"{server.uid} {server.restarts}" for server in servers)
    return "d" + sha256("\n".join(processes).encode()).hexdigest()[:11]
