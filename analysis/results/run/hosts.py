"""The machines that a run's servers are on, and which of its samples are of programs of the run itself."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from analysis.results.schema.samples import SERVER


@dataclass(frozen=True)
class Host:
    """A machine that servers run on, which the samples name `servers`. `node` is None for this machine.

    `cores` are those of a node; this machine's are sampled. `has_generator`: the generator runs on it, too.
    """

    node: str | None
    cores: float | None
    servers: tuple[str, ...]
    has_generator: bool


THIS_MACHINE = Host(None, None, (SERVER,), has_generator=True)


def cluster_hosts(
    nodes: Mapping[str, str | None], cores: float, generator_nodes: Collection[str | None], *, autoscaled: bool = False
) -> tuple[Host, ...]:
    """The nodes of the servers, by their pods' names; a server whose node is not known has none.

    None at all of an autoscaled stack: the servers that came later may be on the same nodes, and are not sampled.
    """
    if autoscaled:
        return ()
    return tuple(
        Host(node, cores, tuple(pod for pod, on in nodes.items() if on == node), has_generator=node in generator_nodes)
        for node in dict.fromkeys(nodes.values())
        if node is not None
    )
