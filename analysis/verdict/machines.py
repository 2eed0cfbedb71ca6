"""Which runs were on the same machines, by the nodes that their manifests name."""

from collections.abc import Iterable

from analysis.results.manifest import Manifest


def machine_sets(runs: Iterable[Manifest]) -> dict[str, str]:
    """By run id, the name of its set of machines: runs that share a node, also by way of other runs, share the set.

    A cluster that is created again has nodes with other names. The stack `local` has one machine, and a cluster's run
    that does not name its nodes has those of its stack.
    """
    nodes = {run.run_id: _nodes(run) for run in runs}
    sets: list[frozenset[str]] = []
    for of_run in nodes.values():
        touching = [each for each in sets if each & of_run]
        sets = [each for each in sets if each not in touching] + [of_run.union(*touching)]
    return {run_id: min(next(each for each in sets if each & of_run)) for run_id, of_run in nodes.items()}


def _nodes(run: Manifest) -> frozenset[str]:
    if run.platform == "local":
        return frozenset({"this machine"})
    return frozenset(replica.node for replica in run.replicas if replica.node) or frozenset({f"nodes of {run.stack}"})
