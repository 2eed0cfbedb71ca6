"""From a load and a promise to a fleet: how many nodes of which shape, what they cost, and what a lost zone does."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from analysis.formatting import variant_name
from analysis.planning.capacity import NoCapacityError, NodeCapacity, node_capacity
from analysis.planning.model import Model, NoModelError, read_model
from analysis.pricing.cost import at_least
from analysis.pricing.stack_cost import serving_cost
from analysis.results.manifest import Cost, Manifest
from analysis.results.store import ResultsStore
from analysis.statistics.summary import RunSummary, summarise
from stacks.shapes import NodeShape

# How often the fleet may grow, by a twentieth, where its simulated tail does not keep the promise.
_GROWTHS = 12
_GROWTH = 1.05
_CHECK_REQUESTS = 120_000
# A run that fails more says nothing of a server that keeps up.
_MOST_ERRORS = 0.01


@dataclass(frozen=True)
class Asked:
    """The load, the promise, and what must be left over. `headroom` is a share of the load; `zones` 1 or more."""

    rps: float
    p99_ms: float
    zones: int = 1
    headroom: float = 0.0


@dataclass(frozen=True)
class LostZone:
    """What the fleet does while its largest zone is gone, and how many nodes would keep the promise even then."""

    nodes_lost: int
    error_ratio_until_noticed: float
    p99_ms: float
    holds: bool
    nodes_to_hold: int
    cost_to_hold: Cost


@dataclass(frozen=True)
class Candidate:
    """One variant, sized. `nodes` rests on the low end of what a node bears; `fewest` on the high end, if known."""

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
    """The candidates, cheapest first, and the runs that allow none, each with its reason."""

    asked: Asked
    candidates: tuple[Candidate, ...]
    excluded: tuple[tuple[str, str], ...]


def make_plan(store: ResultsStore, asked: Asked, on_progress: Callable[[str], None]) -> Plan:
    """Plan with every valid run of the store; runs of one variant are planned with together."""
    scan = store.scan()
    excluded: list[tuple[str, str]] = []
    variants: dict[tuple[str, str], list[tuple[Model, NodeCapacity]]] = defaultdict(list)
    for manifest in _comparable(scan.manifests, excluded):
        on_progress(f"reading {variant_name(manifest)}, run {manifest.run_id}")
        try:
            _check(summarise(store, manifest))
            model = read_model(store, manifest)
            run = model, node_capacity(model, asked.p99_ms)
            variants[_variant(manifest)].append(run)
        except (NoModelError, NoCapacityError) as error:
            excluded.append((manifest.run_id, str(error)))
    candidates = []
    for runs in variants.values():
        on_progress(f"sizing a fleet of {variant_name(runs[0][0].manifest)}")
        try:
            candidates.append(_candidate(runs, asked))
        except NoCapacityError as error:
            excluded += [(model.manifest.run_id, str(error)) for model, _ in runs]
    candidates.sort(key=lambda each: (each.cost.hourly is None, at_least(each.cost)))
    return Plan(asked, tuple(candidates), tuple(excluded))


def _comparable(manifests: Iterable[Manifest], excluded: list[tuple[str, str]]) -> list[Manifest]:
    """The valid runs; of those only the ones on a cluster, as soon as there is one."""
    valid = []
    for manifest in manifests:
        if manifest.validity.verdict == "valid":
            valid.append(manifest)
        else:
            excluded.append((manifest.run_id, f"is invalid: {'; '.join(manifest.validity.reasons)}"))
    if all(manifest.platform == "local" for manifest in valid):
        return valid
    why = "ran on this machine, whose speed is not that of the shape it stands in for"
    excluded += [(manifest.run_id, why) for manifest in valid if manifest.platform == "local"]
    return [manifest for manifest in valid if manifest.platform != "local"]


def _check(summary: RunSummary) -> None:
    if not summary.valid:
        raise NoModelError(f"is invalid: {'; '.join(summary.reasons)}")
    if summary.error_rate is not None and summary.error_rate > _MOST_ERRORS:
        raise NoModelError(
            f"{summary.error_rate:.1%} of its requests failed, so its latencies are not those of a server that keeps up"
        )


def _variant(manifest: Manifest) -> tuple[str, str]:
    """What runs have in common that are repeats of each other."""
    shape, serving = manifest.shape, manifest.serving
    return f"{shape.nodes} {shape.machine_type}", serving.model_dump_json()


def _candidate(runs: list[tuple[Model, NodeCapacity]], asked: Asked) -> Candidate:
    capacity = _together([each for _, each in runs])
    model = min(runs, key=lambda run: abs(run[1].value_rps - capacity.value_rps))[0]
    needed_rps = asked.rps * (1 + asked.headroom)
    nodes = math.ceil(needed_rps / capacity.low_rps)
    nodes, p99_ms = _grown(model, nodes, asked)
    shape, region = model.manifest.shape, model.manifest.cost.region
    return Candidate(
        label=variant_name(model.manifest),
        run_ids=tuple(each.manifest.run_id for each, _ in runs),
        model=model,
        capacity=capacity,
        nodes=nodes,
        fewest=None if capacity.high_rps is None else min(nodes, math.ceil(needed_rps / capacity.high_rps)),
        cost=_cost(shape, nodes, region),
        p99_ms=p99_ms,
        lost_zone=_lost_zone(model, capacity, nodes, asked),
    )


def _together(capacities: list[NodeCapacity]) -> NodeCapacity:
    """Of repeats: the median, and all of what they allow for. It is worth what its weakest is worth."""
    highs = [each.high_rps for each in capacities if each.high_rps is not None]
    bases = {each.basis for each in capacities}
    return NodeCapacity(
        value_rps=median(each.value_rps for each in capacities),
        low_rps=min(each.low_rps for each in capacities),
        high_rps=max(highs) if len(highs) == len(capacities) else None,
        basis=next(basis for basis in ("at least", "modelled", "measured") if basis in bases),
    )


def _grown(model: Model, nodes: int, asked: Asked) -> tuple[int, float]:
    """The first size, from `nodes` on, whose simulated tail keeps the promise, and that tail."""
    tail_ms = math.inf
    for _ in range(_GROWTHS):
        tail_ms = _p99_ms(model, nodes, asked.rps)
        if tail_ms <= asked.p99_ms:
            return nodes, tail_ms
        nodes = max(nodes + 1, math.ceil(nodes * _GROWTH))
    raise NoCapacityError(
        f"with {nodes} nodes of {model.manifest.shape.machine_type} its simulated p99 is still {tail_ms:.0f} ms, so the"
        f" promise of {asked.p99_ms:g} ms cannot be kept by adding nodes"
    )


def _p99_ms(model: Model, nodes: int, rps: float) -> float:
    return model.p99_ms(_replicas(model, nodes), rps, seed=2, requests=_CHECK_REQUESTS)


def _replicas(model: Model, nodes: int) -> int:
    return max(1, round(nodes * model.manifest.serving.replicas / model.manifest.shape.nodes))


def _lost_zone(model: Model, capacity: NodeCapacity, nodes: int, asked: Asked) -> LostZone | None:
    if asked.zones == 1:
        return None
    lost = math.ceil(nodes / asked.zones)
    if nodes == lost:
        error_ratio, p99_ms = 1.0, math.inf
    else:
        after = model.after_zone_loss(_replicas(model, nodes), asked.zones, asked.rps)
        error_ratio, p99_ms = after.error_ratio, after.p99_ms
    holds = p99_ms <= asked.p99_ms
    to_hold = nodes if holds else max(nodes, _that_survive(capacity, asked))
    cost = _cost(model.manifest.shape, to_hold, model.manifest.cost.region)
    return LostZone(lost, error_ratio, p99_ms, holds, to_hold, cost)


def _that_survive(capacity: NodeCapacity, asked: Asked) -> int:
    """The smallest fleet that bears the load without its largest zone; headroom is for such days, so none is added."""
    needed = math.ceil(asked.rps / capacity.low_rps)
    nodes = math.ceil(needed * asked.zones / (asked.zones - 1))
    while nodes - math.ceil(nodes / asked.zones) < needed:
        nodes += 1
    return nodes


def _cost(shape: NodeShape, nodes: int, region: str) -> Cost:
    return serving_cost(shape.model_copy(update={"nodes": nodes}), region)
