"""What the steps of a capacity search say at the objective of the report, and at latency limits around it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from analysis.capacity.evidence import Evidence, of_offered, offered_rates
from analysis.capacity.misses import AtRate, by_rate
from analysis.objective import Objective
from analysis.results.run.columns import RunRows
from analysis.results.schema.manifest import Manifest

# Latency limits by that of the objective. Further away the rates that a search offers say little.
LIMITS = (0.5, 0.7, 0.85, 1.2, 1.5, 2.0)


@dataclass(frozen=True)
class SearchSteps:
    """Of one search: how its requests fared by rate, and what it says of the capacity, by latency limit in ms."""

    by_rate: tuple[AtRate, ...] = ()
    at_limits: Mapping[float, Evidence] = field(default_factory=dict)


def search_steps(manifest: Manifest, rows: RunRows, objective: Objective) -> SearchSteps | None:
    """None of a run that is no search, and without a latency limit."""
    if manifest.capacity is None or objective.latency_ms is None or rows.missing:
        return None
    offered = offered_rates(manifest, rows.every)
    limits_ms = [objective.latency_ms * factor for factor in LIMITS]
    said = {
        limit_ms: of_offered(manifest.run_id, offered, objective.model_copy(update={"latency_ms": limit_ms}))
        for limit_ms in limits_ms
    }
    return SearchSteps(by_rate(offered, objective), {limit_ms: each for limit_ms, each in said.items() if each})
