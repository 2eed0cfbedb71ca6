"""Which runs drew the CPU models of their nodes by chance, from what, and what was seen of it."""

from collections import defaultdict
from collections.abc import Iterable

from analysis.comparability import cpu_name, cpu_shares, has_drawn_cpus
from analysis.results.schema.manifest import Manifest
from analysis.statistics.cpu_models import Draw, Pool
from analysis.statistics.deployments import Observation
from stacks.machines.machine_series import UnknownMachineTypeError, machine_series


def pool_of(run: Manifest) -> str:
    """What its nodes get their CPU models from: the series, in a region."""
    series, _, _ = run.shape.machine_type.partition("-")
    return f"{series.upper()} in {run.cost.region}"


def pools_of(runs: Iterable[Manifest]) -> dict[str, Pool]:
    """By name, with each node that was seen once, however many runs it served."""
    nodes: dict[str, dict[str, str]] = defaultdict(dict)
    known: dict[str, int] = {}
    for run in filter(has_drawn_cpus, runs):
        nodes[pool_of(run)] |= nodes_of(run)
        known[pool_of(run)] = known_models(run)
    return {name: Pool.of(seen.values(), known[name]) for name, seen in nodes.items()}


def draw_of(variant: str, run: Manifest, observation: Observation | None = None) -> Draw:
    shares = {cpu: float(share) for cpu, share in cpu_shares(run).items()}
    return Draw(variant, pool_of(run), run.shape.nodes, shares, observation)


def nodes_of(run: Manifest) -> dict[str, str]:
    """The CPU model of each node, by its name."""
    # Without the name of its node a replica is taken to have another one in each deployment.
    unnamed = f"{run.stack} {run.deployment or run.run_id}"
    return {replica.node or f"{unnamed} {replica.name}": cpu_name(replica) for replica in run.replicas}


def known_models(run: Manifest) -> int:
    """How many CPU models its nodes may get."""
    try:
        return len(machine_series(run.shape.machine_type).cpus)
    except UnknownMachineTypeError:
        return 1
