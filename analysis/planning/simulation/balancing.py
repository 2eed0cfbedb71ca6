"""Which replica gets the next request: any, the next of its gRPC client, or that of its REST client's connection."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from analysis.results.schema.manifest import Manifest

Kind = Literal["random", "round-robin", "users", "connections"]


@dataclass(frozen=True)
class Balancer:
    """None of the kinds looks at the state of the replicas.

    - `random`: each request goes to any replica, as from clients that are too many to matter.
    - `round-robin`: each client sends to all replicas in turn, and begins with any: gRPC's policy of that name.
    - `users`: the same for our generator in an open loop, whose requests are sent by the user who became idle last.
    - `connections`: each client has a pool of connections, each to a replica that kube-proxy chose at random when it
      was opened. A request takes the connection that became idle last, or opens one if none is idle: HTTP/1.1 without
      pipelining, as in Go's net/http (`Transport.queueForIdleConn`) and Python's urllib3 (a `LifoQueue`).

    The requests of an open loop come from `clients` at random; in a closed loop each user is a client.
    """

    kind: Kind
    clients: int = 1

    @classmethod
    def of_run(cls, manifest: Manifest) -> "Balancer":
        """What distributed the requests of a run: over gRPC in turn; over REST a ClusterIP, at random."""
        if not manifest.serving.sent_over.over_grpc:
            return cls("random")
        return cls("round-robin" if manifest.load.mode == "closed" else "users")

    @classmethod
    def of_clients(cls, manifest: Manifest, clients: int | None) -> "Balancer":
        """What distributes the requests of so many clients over the protocol of a run; None is more than matter."""
        if clients is None:
            return cls("random")
        return cls("round-robin" if manifest.serving.sent_over.over_grpc else "connections", clients)


class Choices(Protocol):
    """The choices of a balancer during one simulation."""

    def choose(self, client: int) -> int:
        """The replica that gets the next request of a client."""

    def end(self, client: int, replica: int) -> None:
        """A request of a client to a replica has ended."""


# Returns a random number from 0 to one less than its argument.
Below = Callable[[int], int]


def choices(balancer: Balancer, replicas: int, clients: int, below: Below) -> Choices:
    match balancer.kind:
        case "random":
            return _ByChance(replicas, below)
        case "round-robin":
            return _InTurn(replicas, clients, below)
        case "users":
            return _Users(replicas)
        case "connections":
            return _Connections(replicas, clients, below)


class _ByChance:
    def __init__(self, replicas: int, below: Below) -> None:
        self._replicas = replicas
        self._below = below

    def choose(self, client: int) -> int:  # noqa: ARG002 - it does not matter who sends
        return self._below(self._replicas)

    def end(self, client: int, replica: int) -> None:
        pass


class _InTurn:
    def __init__(self, replicas: int, clients: int, below: Below) -> None:
        self._replicas = replicas
        self._turns = [below(replicas) for _ in range(clients)]

    def choose(self, client: int) -> int:
        self._turns[client] = (self._turns[client] + 1) % self._replicas
        return self._turns[client]

    def end(self, client: int, replica: int) -> None:
        pass


class _Users:
    def __init__(self, replicas: int) -> None:
        self._replicas = replicas
        # The next replica of each idle user, the one who became idle last at the end.
        self._idle: list[int] = []
        self._users = 0

    def choose(self, client: int) -> int:  # noqa: ARG002 - all requests are of one open loop
        if self._idle:
            return self._idle.pop()
        self._users += 1
        return self._users % self._replicas

    def end(self, client: int, replica: int) -> None:  # noqa: ARG002 - the same
        self._idle.append((replica + 1) % self._replicas)


class _Connections:
    def __init__(self, replicas: int, clients: int, below: Below) -> None:
        self._replicas = replicas
        self._below = below
        # The replicas of each client's idle connections, the one that became idle last at the end.
        self._idle: list[list[int]] = [[] for _ in range(clients)]

    def choose(self, client: int) -> int:
        idle = self._idle[client]
        return idle.pop() if idle else self._below(self._replicas)

    def end(self, client: int, replica: int) -> None:
        self._idle[client].append(replica)
