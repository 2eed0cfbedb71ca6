"""The capacity of one node at a p99 limit: from a capacity search, or from a model of a closed loop."""

import math
from dataclasses import dataclass
from typing import Literal

from analysis.planning.model import Model
from analysis.results.manifest import Capacity, CapacityStep

# The search's limit and the plan's are the same within this share.
_SAME = 0.001
_BISECTIONS = 9
# With fewer requests a p99 is too uncertain.
_FEWEST_FOR_P99 = 300
_STANDARD_ERRORS = 2.0


@dataclass(frozen=True)
class NodeCapacity:
    """Requests per second of one node. `high_rps` is None where no measured load was too high.

    `basis`: `measured` by a capacity search; `modelled` from the latencies of a closed loop; `at least` where the load
    of the run was too low to reach the limit, so that the capacity may be much higher.
    """

    value_rps: float
    low_rps: float
    high_rps: float | None
    basis: Literal["measured", "modelled", "at least"]


class NoCapacityError(ValueError):
    """A run does not give a node's capacity at this latency; the message says why."""


def node_capacity(model: Model, p99_ms: float) -> NodeCapacity:
    """The capacity of one node, from the search if the run was one, else from the model. Raises NoCapacityError."""
    nodes = model.manifest.shape.nodes
    if (search := model.manifest.capacity) is not None:
        found = _of_search(search, p99_ms)
        high = None if found.high_rps is None else found.high_rps / nodes
        return NodeCapacity(found.value_rps / nodes, found.low_rps / nodes, high, found.basis)
    return _of_model(model, p99_ms)


def _of_search(search: Capacity, p99_ms: float) -> NodeCapacity:
    """The result of a search with the same limit; of a search with another one, its steps compared with this limit."""
    if search.quantile == 0.99 and math.isclose(search.latency_ms, p99_ms, rel_tol=_SAME):
        rps = search.rps
        return NodeCapacity(rps.value, rps.low, rps.high, "measured")
    met = [step for step in search.steps if _meets(step, p99_ms, search.error_ratio)]
    missed = [step.rate_rps for step in search.steps if step not in met]
    high_rps = min(missed) if missed else None
    below = [
        step.achieved_rps
        for step in met
        if step.achieved_rps is not None
        and step.requests >= _FEWEST_FOR_P99
        and (high_rps is None or step.rate_rps < high_rps)
    ]
    if not below:
        known_ms = [step.p99_ms for step in search.steps if step.p99_ms is not None]
        if not known_ms:
            raise NoCapacityError(
                "no step of its capacity search has a correct answer, so there is no p99 and its capacity is not known;"
                " check the server's log, and measure it again"
            )
        raise NoCapacityError(
            f"its capacity search has no step of {_FEWEST_FOR_P99} requests or more that kept a p99 of {p99_ms:g} ms"
            f" (the lowest of any step is {min(known_ms):.0f} ms), so its capacity is not known; plan for a higher p99"
        )
    return NodeCapacity(max(below), max(below), high_rps, "measured")


def _meets(step: CapacityStep, p99_ms: float, error_ratio: float) -> bool:
    if step.p99_ms is None or step.error_ratio is None:
        return False
    return step.p99_ms <= p99_ms and step.error_ratio <= error_ratio


def _of_model(model: Model, p99_ms: float) -> NodeCapacity:
    """The highest rate with a simulated p99 within the limit, but no more than a replica's highest measured goodput."""
    limit_rps = model.service.limit_rps
    low, high = 0.0, limit_rps
    replicas = model.manifest.serving.replicas
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if model.p99_ms(replicas, middle * replicas) <= p99_ms else (low, middle)
    if low <= 0:
        raise NoCapacityError(
            f"even without other load the slowest 1 % of its requests take longer than {p99_ms:g} ms (a request takes"
            f" {model.service.alone_ms:.0f} ms on average), so no number of nodes is enough; plan for a higher p99"
        )
    per_node = replicas / model.manifest.shape.nodes
    measured_rps = max(point.rps for point in model.points)
    if low > measured_rps:
        return NodeCapacity(measured_rps * per_node, measured_rps * per_node, None, "at least")
    margin = _STANDARD_ERRORS * model.scaling.error / math.sqrt(model.scaling.points)
    return NodeCapacity(low * per_node, low * (1 - margin) * per_node, low * (1 + margin) * per_node, "modelled")
