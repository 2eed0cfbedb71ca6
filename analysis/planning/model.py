"""The model of one replica, from the rows of a run: its scaling law, its service times, and how well they predict."""

from dataclasses import dataclass

from analysis.planning.curve import Curve
from analysis.planning.scaling import Point, Scaling, fit, prediction_error
from analysis.planning.service import Service
from analysis.results.manifest import Manifest
from stacks.request_threads import RequestThreads

# A law that is further off at the levels that it was not fitted to is not used to predict.
MOST_ERROR = 0.15


class NoModelError(ValueError):
    """What a run shows is not enough to predict another fleet; the message is a clause that says why."""


@dataclass(frozen=True)
class Model:
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
    if manifest.serving.protocol == "grpc":
        return in_flight
    return RequestThreads.of(manifest.serving.batching, manifest.shape.vcpus, in_flight).rest


def model_of(manifest: Manifest, curve: Curve | None) -> Model:
    """Raises NoModelError where the levels of load are too few, or no law fits them."""
    law = fit(curve.points, most_at_once(manifest)) if curve else None
    error = prediction_error(law, curve.points) if curve and law else None
    if curve is None or law is None or error is None:
        raise NoModelError("its rows show fewer than three levels of load, so it is not known how a replica scales")
    if error > MOST_ERROR:
        raise NoModelError(
            f"a scaling law that is fitted to all levels of load but one is {error:.0%} off at that one, more than"
            f" {MOST_ERROR:.0%}, so it cannot predict another fleet"
        )
    return Model(curve.points, law, Service(law.alone_ms, curve.spread, law.speeds), error)
