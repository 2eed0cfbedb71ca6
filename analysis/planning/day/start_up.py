"""How long the pods of a variant take to start: as its runs recorded it, as the user says, or as is assumed."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from analysis.planning.day.autoscaling import Delays
from analysis.results.schema.manifest import Manifest

# A guess: a pod with an image that its node has, and a new node.
_POD_S, _NODE_S = 60.0, 120.0


@dataclass(frozen=True)
class AskedDelays:
    """As Delays; what is None is measured or assumed."""

    start_s: float | None = None
    pod_start_s: float | None = None
    removal_s: float = 600


@dataclass(frozen=True)
class StartUp:
    """The delays of a variant, and how many starts of its pods they follow from: 0 where nothing of them does."""

    delays: Delays
    starts: int

    def as_dict(self) -> dict[str, Any]:
        return {"start_s": self.delays.start_s, "pod_start_s": self.delays.pod_start_s, "starts": self.starts}


def recorded_starts_s(manifests: Iterable[Manifest]) -> tuple[float, ...]:
    """How long each pod took from its node's choice until it was ready, as far as the runs recorded it; each once."""
    recorded = {
        (run.stack, run.deployment, replica.name): replica.ready_after_s
        for run in manifests
        for replica in run.replicas
    }
    return tuple(start_s for start_s in recorded.values() if start_s is not None)


def start_up_of(requested: AskedDelays, manifests: Iterable[Manifest]) -> StartUp:
    """The delays with the starts that the runs recorded, of each pod once.

    A pod on a node that is there takes the median of them. On a new one it takes the longest, since a node's first pod
    waits for its image, and 120 s more for the node.
    """
    starts_s = recorded_starts_s(manifests)
    pod_s = requested.pod_start_s if requested.pod_start_s is not None else median(starts_s or [_POD_S])
    if requested.start_s is not None:
        start_s = requested.start_s
    else:
        start_s = _NODE_S + (pod_s if requested.pod_start_s is not None else max(starts_s, default=pod_s))
    is_requested = requested.start_s is not None and requested.pod_start_s is not None
    return StartUp(Delays(start_s, min(pod_s, start_s), requested.removal_s), 0 if is_requested else len(starts_s))
