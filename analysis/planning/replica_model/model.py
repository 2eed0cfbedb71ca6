"""The model of one replica, from the rows of a run: its scaling law, its service times, and how well they predict."""

from dataclasses import dataclass

from analysis.planning.replica_model.curve import Curve
from analysis.planning.replica_model.scaling import Point, Scaling, prediction_error
from analysis.planning.replica_model.service import Service
from analysis.planning.replica_model.single_requests import SingleRequests
from analysis.results.schema.manifest import Manifest
from stacks.server.request_threads import RequestThreads

# A law that is further off at the levels that it was not fitted to is not used to predict.
MOST_ERROR = 0.15
# The errors of two laws that are this close do not tell which one is right.
_AS_GOOD = 0.03


class NoModelError(ValueError):
    """What a run shows is not enough to predict another fleet; the message is a clause that says why."""


@dataclass(frozen=True)
class ReplicaModel:
    """`error` is how far each level of load is from what the others predict, see `scaling.prediction_error`."""

    points: tuple[Point, ...]
    law: Scaling
    service: Service
    error: float


def most_at_once(manifest: Manifest) -> int:
    """How many requests a replica serves at once; others wait outside.

    Over gRPC none waits outside. How a replica serves more than the run had in flight is not known; they wait, too.
    """
    in_flight = manifest.load.most_in_flight
    if manifest.serving.sent_over.over_grpc:
        return in_flight
    # A server that chooses its threads has as many for batches as for single requests.
    batching = None if manifest.serving.seed_faithful else manifest.serving.batching
    return manifest.serving.rest_threads or RequestThreads.of(batching, manifest.shape.vcpus, in_flight).rest


def models_of(manifest: Manifest, curve: Curve | None) -> list[ReplicaModel]:
    """The models of a run that fit about as well, the best first. Raises NoModelError where none predicts."""
    laws = curve.laws(most_at_once(manifest)) if curve else ()
    errors = {law: prediction_error(law, curve.points) for law in laws} if curve else {}
    known = {law: error for law, error in errors.items() if error is not None}
    if curve is None or not known:
        raise NoModelError(
            "the run's rows show fewer than three levels of load, too few for a scaling law; run a capacity search"
        )
    if min(known.values()) > MOST_ERROR:
        raise NoModelError(
            "no scaling law fits the run, so other fleets cannot be predicted: even the best law is"
            f" {min(known.values()):.1%} off at levels of load that it was not fitted to, more than {MOST_ERROR:.0%};"
            " run a longer capacity search"
        )
    return [
        ReplicaModel(curve.points, law, _service(law, curve.single), error)
        for law, error in known.items()
        if error <= MOST_ERROR and law.error <= laws[0].error + _AS_GOOD
    ]


def _service(law: Scaling, single: SingleRequests) -> Service:
    return Service(law.alone_ms, single.spread(law), law.speeds, single.begun_among(law))
