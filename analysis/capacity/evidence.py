"""What one run says about the capacity of its deployment, for an objective: a value, bounds, or nothing."""

import math
from dataclasses import dataclass
from enum import StrEnum

from analysis.objective import Objective
from analysis.results.columns import RunRows
from analysis.results.manifest import Manifest


class Basis(StrEnum):
    """What the evidence is from."""

    search = "search"
    open_loop = "open loop"
    saturated = "saturated closed loop"


@dataclass(frozen=True)
class Evidence:
    """The capacity of the whole deployment, in requests per second.

    `value_rps` is the estimate of a search. The bounds are its 95 % interval, or each a one-sided bound; 0 and infinity
    are no bound.
    """

    run_id: str
    basis: Basis
    value_rps: float | None
    low_rps: float
    high_rps: float


@dataclass(frozen=True)
class NoEvidence:
    """The run says nothing about the capacity; `reason` is a clause that says why."""

    run_id: str
    reason: str


def evidence_of(manifest: Manifest, rows: RunRows, objective: Objective) -> Evidence | NoEvidence:  # noqa: ARG001
    """What the run says: the interval of a search for exactly this objective, and nothing else."""
    found = manifest.capacity
    if found is None:
        return NoEvidence(manifest.run_id, f"{manifest.load.title} says nothing about the capacity")
    if (found.quantile, found.latency_ms) != (objective.quantile, objective.latency_ms):
        return NoEvidence(manifest.run_id, "it searched for the capacity at another objective")
    rps = found.rps
    return Evidence(manifest.run_id, Basis.search, rps.value, rps.low, rps.high or math.inf)
