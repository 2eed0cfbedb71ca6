"""Which runs were on the same machines, by the nodes that their manifests name."""

from collections.abc import Iterable
from dataclasses import dataclass

from analysis.results.schema.manifest import Manifest


@dataclass(frozen=True)
class _Node:
    """A node, and the id of its machine where that is known."""

    name: str
    machine: str | None = None

    def is_like(self, other: "_Node") -> bool:
        """Whether they may be one machine: a machine that is replaced leaves its name to the next one."""
        return self.name == other.name and (self.machine == other.machine or None in {self.machine, other.machine})


def machine_sets(runs: Iterable[Manifest]) -> dict[str, str]:
    """By run id, the name of its set of machines: runs that share a node, also by way of other runs, share the set.

    A cluster that is created again has nodes with other names. The stack `local` has one machine, and a cluster's run
    that does not name its nodes has those of its stack.
    """
    nodes = {run.run_id: _nodes(run) for run in runs}
    sets: list[frozenset[_Node]] = []
    for of_run in nodes.values():
        touching = [each for each in sets if any(one.is_like(other) for one in each for other in of_run)]
        sets = [each for each in sets if each not in touching] + [of_run.union(*touching)]
    return {
        run_id: min(f"{node.name} {node.machine or ''}" for node in next(each for each in sets if each & of_run))
        for run_id, of_run in nodes.items()
    }


def _nodes(run: Manifest) -> frozenset[_Node]:
    if run.platform == "local":
        return frozenset({_Node("this machine")})
    named = frozenset(_Node(replica.node, replica.machine) for replica in run.replicas if replica.node)
    return named or frozenset({_Node(f"nodes of {run.stack}")})
