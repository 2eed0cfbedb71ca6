"""The model of one replica from a run: service times, scaling law, and how well a simulation agrees with the run."""

import math
from dataclasses import dataclass

import numpy as np

from analysis.planning.curve import curve_of
from analysis.planning.scaling import Point, Scaling, fit
from analysis.planning.service import Service
from analysis.planning.simulation import Balancer, ClosedLoop, Fleet, OpenLoop, simulate
from analysis.planning.tail import QUICK_REQUESTS, TAIL, after_zone_loss, fleet_p99_ms, steady
from analysis.results.columns import Columns, read_columns
from analysis.results.manifest import Manifest
from analysis.results.store import ResultsStore
from stacks.request_threads import RequestThreads

# Of laws whose errors are this close, the one whose simulated p99 is closer to the run's is taken.
_AS_GOOD = 0.03


@dataclass(frozen=True)
class Agreement:
    """The p99 of the run and of its simulation, at the highest steady load of the run."""

    level: str
    measured_p99_ms: float
    simulated_p99_ms: float

    @property
    def underestimate(self) -> float:
        """The factor by which simulated p99s are corrected where the simulation underestimates; 1 or more."""
        return max(1.0, self.measured_p99_ms / self.simulated_p99_ms)

    @property
    def log_error(self) -> float:
        return abs(math.log(self.measured_p99_ms / self.simulated_p99_ms))


@dataclass(frozen=True)
class Model:
    """The model of one run. `agreement` is None where no level of load was steady."""

    manifest: Manifest
    points: tuple[Point, ...]
    scaling: Scaling
    service: Service
    balancer: Balancer
    agreement: Agreement | None

    def p99_ms(self, replicas: int, rate_rps: float, seed: int = 1, requests: int = QUICK_REQUESTS) -> float:
        """The simulated p99 of an open loop on so many replicas, corrected by `underestimate`."""
        return self.underestimate * fleet_p99_ms(self.service, self.balancer, replicas, rate_rps, seed, requests)

    def after_zone_loss(self, replicas: int, zones: int, rate_rps: float) -> tuple[float, float]:
        """`tail.after_zone_loss`, its p99 corrected by `underestimate`."""
        error_ratio, p99_ms = after_zone_loss(self.service, self.balancer, replicas, zones, rate_rps)
        return error_ratio, p99_ms * self.underestimate

    @property
    def underestimate(self) -> float:
        return self.agreement.underestimate if self.agreement else 1.0


@dataclass(frozen=True)
class _MeasuredTail:
    """The p99 of the highest steady load, and that load."""

    level: str
    p99_ms: float
    load: OpenLoop | ClosedLoop


class NoModelError(ValueError):
    """The rows of a run do not show how it scales; the message says why."""


def balancer_of(manifest: Manifest) -> Balancer:
    """What distributes requests: a gRPC client in round-robin order, or a ClusterIP at random."""
    return "round-robin" if manifest.serving.protocol == "grpc" else "random"


def most_at_once(manifest: Manifest) -> int:
    """How many requests a replica serves at once; others wait outside.

    Over gRPC none waits outside. How a replica serves more than the run had in flight is not known; they wait, too.
    """
    in_flight = manifest.load.most_in_flight
    if manifest.serving.protocol == "grpc":
        return in_flight
    # A server that chooses its threads has as many for batches as for single requests.
    batching = None if manifest.serving.seed_faithful else manifest.serving.batching
    return manifest.serving.rest_threads or RequestThreads.of(batching, manifest.shape.vcpus, in_flight).rest


def read_model(store: ResultsStore, manifest: Manifest) -> Model:
    """Read the rows of a run. Raises NoModelError."""
    balancer = balancer_of(manifest)
    rows = read_columns(store, manifest)
    if rows.missing:
        raise NoModelError(rows.missing[0])
    curve = curve_of(rows.every, manifest.serving.replicas, balancer)
    laws = fit(curve.points, most_at_once(manifest)) if curve else ()
    if curve is None or not laws:
        raise NoModelError(
            "its rows show one level of load at most, so it is not known how it scales; run a load with a ramp, such as"
            " the profile seed"
        )
    measured = _measured_tail(rows.counted, manifest)
    close = [law for law in laws if law.error <= laws[0].error + _AS_GOOD]
    models = []
    for law in close:
        service = Service(law.alone_ms, curve.spread, law.speeds(most_at_once(manifest)))
        fleet = Fleet(manifest.serving.replicas, service, balancer)
        tail_ms = steady(simulate(fleet, measured.load)).quantile_ms(TAIL) if measured else 0.0
        agreement = Agreement(measured.level, measured.p99_ms, tail_ms) if measured else None
        models.append(Model(manifest, curve.points, law, service, balancer, agreement))
    return min(models, key=lambda model: model.agreement.log_error if model.agreement else 0.0)


def _measured_tail(counted: Columns, manifest: Manifest) -> _MeasuredTail | None:
    """At the highest rate of a capacity search that met its objective, above which queues grow; else in the hold."""
    if manifest.capacity is not None:
        met = [step for step in manifest.capacity.steps if step.meets]
        best = max(met, key=lambda step: (step.rate_rps, step.requests), default=None)
        if best is None or best.p99_ms is None or best.achieved_rps is None:
            return None
        return _MeasuredTail(f"the step of {best.rate_rps:.4g} requests/s", best.p99_ms, _open(best.achieved_rps))
    good_us = counted.response_us[counted.ok]
    if not good_us.size or not (span_us := int(counted.due_us.max() - counted.due_us.min())):
        return None
    p99_ms, rate_rps = float(np.quantile(good_us, TAIL)) / 1000, counted.ok.size * 1e6 / span_us
    load = manifest.load
    if load.mode != "closed":
        return _MeasuredTail("the hold", p99_ms, _open(rate_rps))
    return _MeasuredTail("the hold", p99_ms, ClosedLoop(load.users, load.wait_s, QUICK_REQUESTS / rate_rps))


def _open(rate_rps: float) -> OpenLoop:
    """For so long that hundreds of requests are above the p99."""
    return OpenLoop(rate_rps, QUICK_REQUESTS / rate_rps)
