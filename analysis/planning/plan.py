"""Plans a fleet for a load and a p99: how many nodes of which shape, their cost, and the effect of a lost zone."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from analysis.comparability import largest_group
from analysis.formatting import variant_name
from analysis.planning.capacity import NoCapacityError, NodeCapacity, node_capacity
from analysis.planning.model import Model, NoModelError, read_model
from analysis.pricing.cost import at_least
from analysis.pricing.stack_cost import serving_cost
from analysis.results.manifest import Cost, Manifest
from analysis.results.store import ResultsStore, Scan
from analysis.statistics.summary import RunSummary, summarise

# How often a fleet grows, by a twentieth, while its simulated p99 is above the limit.
_GROWTHS = 12
_GROWTH = 1.05
_CHECK_REQUESTS = 120_000
# Latencies of a run with more errors are not those of a server that keeps up.
_MOST_ERRORS = 0.01


@dataclass(frozen=True)
class Requirement:
    """The load, the p99 limit, the number of zones (1 or more), and the headroom as a share of the load."""

    rps: float
    p99_ms: float
    zones: int = 1
    headroom: float = 0.0


@dataclass(frozen=True)
class LostZone:
    """The fleet without its largest zone, and how many nodes would keep the p99 limit even then."""

    nodes_lost: int
    error_ratio_until_noticed: float
    p99_ms: float
    holds: bool
    nodes_to_hold: int
    cost_to_hold: Cost


@dataclass(frozen=True)
class Candidate:
    """The fleet of one variant. `nodes` follows from the low end of the node's capacity, `fewest` from the high end."""

    label: str
    run_ids: tuple[str, ...]
    model: Model
    capacity: NodeCapacity
    nodes: int
    fewest: int | None
    cost: Cost
    p99_ms: float
    lost_zone: LostZone | None


@dataclass(frozen=True)
class Plan:
    """The candidates, cheapest first, the runs that were not used, each with its reason, and the scan of the store."""

    requirement: Requirement
    candidates: tuple[Candidate, ...]
    excluded: tuple[tuple[str, str], ...]
    scan: Scan

    @property
    def is_rehearsal(self) -> bool:
        """Whether the runs are of the stack `local`; those of a cluster come first."""
        return any(each.model.manifest.platform == "local" for each in self.candidates)


def make_plan(store: ResultsStore, requirement: Requirement, on_progress: Callable[[str], None]) -> Plan:
    """Plan with every valid run of the store; the runs of one variant give one candidate."""
    scan = store.scan()
    excluded: list[tuple[str, str]] = []
    variants: dict[tuple[str, str], list[tuple[Model, NodeCapacity]]] = defaultdict(list)
    for manifest in _comparable(scan.manifests, excluded):
        on_progress(f"reading {variant_name(manifest)}, run {manifest.run_id}")
        try:
            _check(summarise(store, manifest))
            model = read_model(store, manifest)
            run = model, node_capacity(model, requirement.p99_ms)
            variants[_variant_of(manifest)].append(run)
        except (NoModelError, NoCapacityError) as error:
            excluded.append((manifest.run_id, str(error)))
    candidates = []
    for runs in variants.values():
        on_progress(f"planning with {variant_name(runs[0][0].manifest)}")
        try:
            candidates.append(_candidate(runs, requirement))
        except NoCapacityError as error:
            excluded += [(model.manifest.run_id, str(error)) for model, _ in runs]
    candidates.sort(key=lambda each: (each.cost.hourly is None, at_least(each.cost)))
    return Plan(requirement, tuple(candidates), tuple(excluded), scan)


def _comparable(manifests: Iterable[Manifest], excluded: list[tuple[str, str]]) -> list[Manifest]:
    """The valid runs that ran under the same conditions, whatever their load."""
    valid = []
    for manifest in manifests:
        if manifest.validity.verdict == "valid":
            valid.append(manifest)
        else:
            excluded.append((manifest.run_id, f"is invalid: {'; '.join(manifest.validity.reasons)}"))
    chosen, others = largest_group(valid, _variant_of)
    excluded += [(manifest.run_id, "; ".join(reasons)) for manifest, reasons in others]
    return chosen


def _variant_of(manifest: Manifest) -> tuple[str, str]:
    """The stack does not matter: a plan is made of nodes."""
    return f"{manifest.shape.nodes} {manifest.shape.machine_type}", manifest.serving.model_dump_json()


def _check(summary: RunSummary) -> None:
    if not summary.valid:
        raise NoModelError(f"is invalid: {'; '.join(summary.reasons)}")
    if summary.error_rate is not None and summary.error_rate > _MOST_ERRORS:
        raise NoModelError(
            f"{summary.error_rate:.1%} of its requests failed, so its latencies do not show how fast a working server"
            " answers; run it with less load"
        )


def _candidate(runs: list[tuple[Model, NodeCapacity]], requirement: Requirement) -> Candidate:
    capacity = _combined([each for _, each in runs])
    model = min(runs, key=lambda run: abs(run[1].value_rps - capacity.value_rps))[0]
    needed_rps = requirement.rps * (1 + requirement.headroom)
    nodes, p99_ms = _size_for_p99(model, math.ceil(needed_rps / capacity.low_rps), requirement)
    return Candidate(
        label=variant_name(model.manifest),
        run_ids=tuple(each.manifest.run_id for each, _ in runs),
        model=model,
        capacity=capacity,
        nodes=nodes,
        fewest=None if capacity.high_rps is None else min(nodes, math.ceil(needed_rps / capacity.high_rps)),
        cost=_cost(model, nodes),
        p99_ms=p99_ms,
        lost_zone=_lost_zone(model, capacity, nodes, requirement),
    )


def _combined(capacities: list[NodeCapacity]) -> NodeCapacity:
    """The median of several runs, the widest interval, and the weakest basis."""
    highs = [each.high_rps for each in capacities if each.high_rps is not None]
    bases = {each.basis for each in capacities}
    return NodeCapacity(
        value_rps=median(each.value_rps for each in capacities),
        low_rps=min(each.low_rps for each in capacities),
        high_rps=max(highs) if len(highs) == len(capacities) else None,
        basis=next(basis for basis in ("at least", "modelled", "measured") if basis in bases),
    )


def _size_for_p99(model: Model, nodes: int, requirement: Requirement) -> tuple[int, float]:
    """The first size, from `nodes` on, whose simulated p99 is within the limit, and that p99."""
    p99_ms = math.inf
    for _ in range(_GROWTHS):
        p99_ms = model.p99_ms(_replicas(model, nodes), requirement.rps, seed=2, requests=_CHECK_REQUESTS)
        if p99_ms <= requirement.p99_ms:
            return nodes, p99_ms
        nodes = max(nodes + 1, math.ceil(nodes * _GROWTH))
    raise NoCapacityError(
        f"with {nodes} nodes of {model.manifest.shape.machine_type} its simulated p99 is still {p99_ms:.0f} ms, so"
        f" more nodes do not bring it to {requirement.p99_ms:g} ms; plan for a higher p99"
    )


def _replicas(model: Model, nodes: int) -> int:
    return max(1, round(nodes * model.manifest.serving.replicas / model.manifest.shape.nodes))


def _lost_zone(model: Model, capacity: NodeCapacity, nodes: int, requirement: Requirement) -> LostZone | None:
    if requirement.zones == 1:
        return None
    lost = math.ceil(nodes / requirement.zones)
    if nodes == lost:
        error_ratio, p99_ms = 1.0, math.inf
    else:
        replicas = _replicas(model, nodes)
        error_ratio, p99_ms = model.after_zone_loss(replicas, requirement.zones, requirement.rps)
    holds = p99_ms <= requirement.p99_ms
    to_hold = nodes if holds else max(nodes, _nodes_to_survive(capacity, requirement))
    return LostZone(lost, error_ratio, p99_ms, holds, to_hold, _cost(model, to_hold))


def _nodes_to_survive(capacity: NodeCapacity, requirement: Requirement) -> int:
    """The smallest fleet that serves the load without its largest zone; headroom is for that, so none is added."""
    needed = math.ceil(requirement.rps / capacity.low_rps)
    nodes = math.ceil(needed * requirement.zones / (requirement.zones - 1))
    while nodes - math.ceil(nodes / requirement.zones) < needed:
        nodes += 1
    return nodes


def _cost(model: Model, nodes: int) -> Cost:
    return serving_cost(model.manifest.shape.model_copy(update={"nodes": nodes}), model.manifest.cost.region)
