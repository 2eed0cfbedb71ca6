"""What one node bears at the latency that is promised: from a capacity search, or from a model of a closed loop."""

import math
from dataclasses import dataclass
from typing import Literal

from analysis.planning.model import Model
from analysis.results.manifest import Capacity, CapacityStep

# A search for p99 and a plan for p99 speak of the same thing; latencies this close are the same.
_SAME = 0.001
_BISECTIONS = 9
# The p99 of fewer requests is anybody's guess.
_ENOUGH_FOR_A_TAIL = 300
# Two standard errors.
_SURE = 2.0


@dataclass(frozen=True)
class NodeCapacity:
    """Requests a second of one node. `high_rps` is None where nothing was seen to be too much.

    `basis`: `measured` by a capacity search; `modelled` from how a closed loop slowed down; `at least` where a run
    was not loaded enough to show its limit, so that the truth may be far above.
    """

    value_rps: float
    low_rps: float
    high_rps: float | None
    basis: Literal["measured", "modelled", "at least"]


class NoCapacityError(ValueError):
    """A run does not say what a node bears at this latency; the message says why."""


def node_capacity(model: Model, p99_ms: float) -> NodeCapacity:
    """The capacity of one node; a search where the run was one, the model where not. Raises NoCapacityError."""
    nodes = model.manifest.shape.nodes
    if (searched := model.manifest.capacity) is not None:
        found = _of_search(searched, p99_ms)
        high = None if found.high_rps is None else found.high_rps / nodes
        return NodeCapacity(found.value_rps / nodes, found.low_rps / nodes, high, found.basis)
    return _of_model(model, p99_ms)


def _of_search(searched: Capacity, p99_ms: float) -> NodeCapacity:
    """The search's own answer where it asked for this latency; its steps, judged anew, where it asked for another."""
    if searched.quantile == 0.99 and math.isclose(searched.latency_ms, p99_ms, rel_tol=_SAME):
        rps = searched.rps
        return NodeCapacity(rps.value, rps.low, rps.high, "measured")
    kept = [step for step in searched.steps if _keeps(step, p99_ms, searched.error_ratio)]
    missed = [step.rate_rps for step in searched.steps if step not in kept]
    high_rps = min(missed) if missed else None
    below = [
        step.achieved_rps
        for step in kept
        if step.achieved_rps is not None
        and step.requests >= _ENOUGH_FOR_A_TAIL
        and (high_rps is None or step.rate_rps < high_rps)
    ]
    if not below:
        quickest_ms = min((step.p99_ms for step in searched.steps if step.p99_ms is not None), default=math.nan)
        raise NoCapacityError(
            f"no step of {_ENOUGH_FOR_A_TAIL} requests or more of its capacity search kept a p99 of {p99_ms:g} ms;"
            f" the quickest had {quickest_ms:.0f} ms"
        )
    return NodeCapacity(max(below), max(below), high_rps, "measured")


def _keeps(step: CapacityStep, p99_ms: float, error_ratio: float) -> bool:
    if step.p99_ms is None or step.error_ratio is None:
        return False
    return step.p99_ms <= p99_ms and step.error_ratio <= error_ratio


def _of_model(model: Model, p99_ms: float) -> NodeCapacity:
    """The highest rate at which the simulated tail keeps the latency, but no more than a replica was seen to finish."""
    limit_rps = model.service.limit_rps
    low, high = 0.0, limit_rps
    replicas = model.manifest.serving.replicas
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if model.p99_ms(replicas, middle * replicas) <= p99_ms else (low, middle)
    if low <= 0:
        raise NoCapacityError(
            f"one request alone takes {model.service.alone_ms:.0f} ms on average, and the slowest per cent more than"
            f" {p99_ms:g} ms, however few there are"
        )
    a_node = replicas / model.manifest.shape.nodes
    seen_rps = model.most_seen_rps
    if low > seen_rps:
        return NodeCapacity(seen_rps * a_node, seen_rps * a_node, None, "at least")
    margin = _SURE * model.scaling.error / math.sqrt(model.scaling.points)
    return NodeCapacity(low * a_node, low * (1 - margin) * a_node, low * (1 + margin) * a_node, "modelled")
