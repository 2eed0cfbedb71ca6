"""Whether a fleet that an autoscaler changes does what `shapebench day` forecasts: a run along a curve tells.

The forecast is that of the day: analysis.planning.day.autoscaling, with the capacity that other runs of the same
variant measured. It knows the curve and how the servers were at first, and not how many requests came in which seconds.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from scipy.stats import beta

from analysis.interval import Interval
from analysis.objective import Objective
from analysis.planning.day.autoscaling import Delays, Hpa, NodeLoad, scale
from analysis.planning.day.costs import allowed_share, overloaded_share
from analysis.planning.day.cpu_use import cpu_percent_at
from analysis.planning.day.start_up import AskedDelays, start_up_of
from analysis.planning.day.traffic import STEP_S, Traffic
from analysis.planning.fleet.bills import Offer
from analysis.planning.fleet.offers import Terms
from analysis.planning.fleet.plan import stored_offers
from analysis.results.run.columns import Columns, Floats, RunRows, read_columns
from analysis.results.schema.manifest import Manifest
from analysis.results.schema.samples import READY_SERVERS
from analysis.results.storage.store import ResultsStore
from analysis.statistics.estimate import TAIL
from analysis.statistics.read import why_invalid
from analysis.verdict.verdict import Verdict
from stacks.load.load_profiles import TrafficCurve

# Plays of the same curve with other arrivals, of which the forecast is the mean and the range.
_PLAYS = 100
_SECOND_US = 1_000_000
# The forecast holds if its mean number of servers is so close to the measured one, as a share of it.
CLOSE = 0.1


class NoReplayError(ValueError):
    """A run is no replay, or nothing forecasts it; the message says why, and what to do."""


@dataclass(frozen=True)
class Replay:
    """A run and its forecast, in steps of STEP_S seconds: servers that are ready, on average over the step.

    `forecast` has a row for each play. `overloaded` is the share of the requests that are due while the fleet carries
    more than its certain capacity, by the forecast, and `late` the share of the answers that were late, or failed.
    """

    run: Manifest
    offer: Offer
    objective: Objective
    start_s: float
    rates_rps: Floats
    measured: Floats
    forecast: Floats
    overloaded: float
    requests: int
    late_requests: int

    @property
    def late(self) -> Interval[float]:
        """With the interval of Clopper and Pearson (1934), as if late requests came independently of each other."""
        late, on_time = self.late_requests, self.requests - self.late_requests
        low = float(beta.ppf(TAIL, late, on_time + 1)) if late else 0.0
        high = float(beta.ppf(1 - TAIL, late + 1, on_time)) if on_time else 1.0
        return Interval(late / self.requests, low, high)

    @property
    def servers(self) -> Interval[float]:
        """How many the forecast has on average, and in the plays with the fewest and the most."""
        means = self.forecast.mean(axis=1)
        return Interval(float(means.mean()), float(means.min()), float(means.max()))

    @property
    def measured_servers(self) -> float:
        return float(self.measured.mean())

    @property
    def within_one(self) -> float:
        """The share of the time in which the measured number differs from that of a typical play by at most one."""
        typical = np.median(self.forecast, axis=0)
        return float(np.mean(np.abs(self.measured - typical) <= 1))

    @property
    def most_late(self) -> float:
        """What may be late by the forecast: what is due in overload, and what the objective allows besides."""
        return self.overloaded + allowed_share(self.objective.quantile)

    @property
    def servers_hold(self) -> bool:
        return abs(self.servers.value / self.measured_servers - 1) <= CLOSE

    @property
    def late_holds(self) -> bool:
        """Whether no more was late than the forecast allows, as far as chance can tell."""
        return self.late.low <= self.most_late


def replay_of(
    store: ResultsStore, verdict: Verdict, run: Manifest, requested: AskedDelays, on_progress: Callable[[str], None]
) -> Replay:
    """Hold a run along a curve against its forecast. Raises NoReplayError."""
    curve, autoscaler = run.load, run.autoscaler
    if not isinstance(curve, TrafficCurve) or autoscaler is None:
        raise NoReplayError(
            f"run {run.run_id} is no replay: its load was {run.load.title}"
            f"{'' if autoscaler else ', without an autoscaler'}; give a run of a stack with shapebench:autoscaler"
        )
    rows = read_columns(store, run)
    if why := why_invalid(run, rows):
        raise NoReplayError(f"run {run.run_id} is not valid ({why[0]}), so nothing can be held against it")
    begin_us = int(rows.counted.intended_start_us.min())
    measured = _ready_servers(rows, begin_us, curve.duration_s)
    offer = _offer_of(store, verdict, run, on_progress)
    newest = offer.ranked.variant.newest
    cpu_percent = cpu_percent_at(read_columns(store, newest), newest, offer.sizing.node_rps)
    if cpu_percent is None:
        raise NoReplayError(
            f"the samples of run {newest.run_id} do not show how busy its servers were, so no forecast is possible;"
            " measure the capacity again where `kubectl exec` works"
        )
    # The pods that an autoscaler adds are started as those of the runs of the capacity were, on nodes that are there.
    pod_s = start_up_of(requested, [*offer.ranked.variant.manifests, run]).delays.pod_start_s
    traffic, vcpus = Traffic(rates_in_steps(curve), curve.peak_rps), run.shape.vcpus
    hpa = Hpa(
        target_percent=autoscaler.utilization(vcpus),
        fewest=autoscaler.fewest,
        most=run.shape.nodes,
        stabilisation_s=autoscaler.stabilization_s,
    )
    # As Kubernetes has it, of what a pod requests.
    of_request = 1000 * vcpus / autoscaler.request_millis
    load = NodeLoad(offer.sizing.node_rps, cpu_percent * of_request, _most_percent(run) * of_request)
    first = max(autoscaler.fewest, round(float(measured[0])))
    on_progress(f"playing the curve with {offer.label}")
    by_chance = curve.arrivals == "poisson"
    plays = [
        scale(
            hpa,
            Delays(pod_s, pod_s, 0),
            load,
            traffic.by_chance_rps(seed) if by_chance else traffic.rates_rps,
            first,
        ).serving
        for seed in range(_PLAYS)
    ]
    return Replay(
        run=run,
        offer=offer,
        objective=verdict.objective,
        start_s=pod_s,
        rates_rps=traffic.rates_rps,
        measured=measured,
        forecast=np.array(plays, dtype=float),
        overloaded=float(np.mean([overloaded_share(traffic, offer.sizing, play) for play in plays])),
        requests=rows.counted.ok.size,
        late_requests=_late(rows.counted, verdict.objective),
    )


def rates_in_steps(curve: TrafficCurve) -> Floats:
    """The mean rate of each step, requests per second; the last step may be shorter."""
    at_s = np.linspace(0, curve.duration_s, len(curve.rates_rps))
    edges_s = np.append(np.arange(0, curve.duration_s, STEP_S), curve.duration_s)
    fine_s = np.unique(np.concatenate([at_s, edges_s]))
    rates = np.interp(fine_s, at_s, curve.rates_rps)
    due = np.concatenate([[0.0], np.cumsum((rates[1:] + rates[:-1]) / 2 * np.diff(fine_s))])
    in_step: Floats = np.diff(np.interp(edges_s, fine_s, due)) / np.diff(edges_s)
    return in_step


def _most_percent(run: Manifest) -> float:
    """The most CPU that a server can use, in percent of its node."""
    limit = run.serving.cpu_limit
    return 100.0 if limit is None else min(100.0, 100 * limit / run.shape.vcpus)


def _ready_servers(rows: RunRows, begin_us: int, duration_s: float) -> Floats:
    """The mean number of ready servers in each step; a number holds from its sample to the next one."""
    samples = rows.samples.filter(pc.equal(rows.samples["quantity"], READY_SERVERS))
    if not samples.num_rows:
        raise NoReplayError(
            "its samples do not show how many servers were ready, so nothing can be compared; replay the curve again,"
            " from a machine that stays connected to the cluster"
        )
    order = np.argsort(samples["at"].cast("int64").to_numpy())
    at_us, ready = samples["at"].cast("int64").to_numpy()[order], samples["value"].to_numpy()[order]
    seconds_us = begin_us + np.arange(math.ceil(duration_s)) * _SECOND_US
    by_second = ready[np.clip(np.searchsorted(at_us, seconds_us, side="right") - 1, 0, None)]
    starts = np.arange(0, by_second.size, STEP_S)
    means: Floats = np.add.reduceat(by_second, starts) / np.diff(np.append(starts, by_second.size))
    return means


def _late(counted: Columns, objective: Objective) -> int:
    assert objective.latency_ms is not None  # the verdict has variants that meet it
    return int((~counted.ok | (counted.response_us > objective.latency_ms * 1e3)).sum())


def _offer_of(store: ResultsStore, verdict: Verdict, run: Manifest, on_progress: Callable[[str], None]) -> Offer:
    """What a node of the same variant certainly carries, by other runs."""
    offers, excluded = stored_offers(store, verdict, Terms(), on_progress)
    for offer in offers:
        newest = offer.ranked.variant.newest
        if newest.shape.machine_type == run.shape.machine_type and _served(newest) == _served(run):
            return offer
    of_variant = [why for manifest, why in excluded if _served(manifest) == _served(run) and manifest is not run]
    reason = f" ({of_variant[0]})" if of_variant else ""
    raise NoReplayError(
        f"what a node of {run.stack} carries is not known{reason}; measure its capacity first, on"
        f" {'two nodes or more' if run.shape.nodes > 1 else 'one node'}, with load.profile capacity and without"
        " shapebench:autoscaler"
    )


def _served(run: Manifest) -> tuple[str, str, bool, dict[str, object]]:
    """What makes a node carry more or less. To several servers a new connection is opened for each request."""
    return run.platform, run.serving.model.digest, run.shape.nodes > 1, run.serving.settings("replicas")
