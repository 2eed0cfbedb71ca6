"""Whether `shapebench day` forecasts the bill of an autoscaled fleet, and its overload, for 200 simulated days.

Each day has another service, curve and start-up. An independent simulation plays it, request by request, with the CPU
target that the forecast chose. So that it can, a day has some 300,000 requests and is compressed to 2 to 24 hours, in
which the autoscalers keep their own periods: the shorter the day, the steeper its traffic is for them.

A request is due in overload if the rate is above what the serving nodes certainly carry. The capacity of a node is
given, not measured: `make bench-plan` judges that. For comparison there are late requests: those that take longer than
the p99 at this capacity.
"""

import math
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from analysis.planning.day.autoscaling import Delays, NodeLoad
from analysis.planning.day.costs import allowed_share, autoscaled_fleet
from analysis.planning.day.traffic import STEP_S, interpolated_traffic
from analysis.planning.fleet.sizing import Sizing
from bench.figures import Figure, argument_parser, progress, report, start
from bench.fleets.autoscaled import Curve, Day, PlayedDay, Service, Settings

SMALLEST = ("--days", "2", "--requests", "100000")
_QUANTILE = 0.99
_SHORTEST_S, _LONGEST_S = 2 * 3600, 24 * 3600
_LONGEST_SERVICE_S = 2.0
# With fewer requests a day, no node has so little to do that its service times are not longer than that.
_FEWEST_REQUESTS = 100_000
_POINTS = 48
# The bill of an hour in USD: of the cluster, and of each node.
_CLUSTER_USD, _NODE_USD = 0.1, 0.3
_CLOSE = 0.03


@dataclass(frozen=True)
class Scenario:
    """A day to forecast and to play. `cpu_percent` is the CPU utilisation of a node at `node_rps`."""

    service: Service
    node_rps: float
    cpu_percent: float
    points: tuple[tuple[float, float], ...]
    duration_s: float
    delays: Delays
    fewest: int


@dataclass(frozen=True)
class Graded:
    """A forecast and the simulated day; both are None where no CPU target keeps the share of requests in overload.

    `again` is the same day with other arrivals: what chance alone does to its bill.
    """

    scenario: Scenario
    usd: float | None
    overloaded: float
    played: PlayedDay | None
    again: PlayedDay | None

    @property
    def error(self) -> float:
        """How far the forecast bill is above that of the simulated day, as a share of it."""
        assert self.usd is not None
        assert self.played is not None
        return self.usd / self._usd(self.played) - 1

    @property
    def chance(self) -> float:
        """How far the bill of the same day, simulated again, is above that of the first time, as a share of it."""
        assert self.played is not None
        assert self.again is not None
        return self._usd(self.again) / self._usd(self.played) - 1

    def _usd(self, played: PlayedDay) -> float:
        return (_CLUSTER_USD * self.scenario.duration_s + _NODE_USD * played.node_s) / 3600

    @property
    def played_overloaded(self) -> float:
        assert self.played is not None
        return self.played.in_overload / self.played.requests

    @property
    def late(self) -> float:
        assert self.played is not None
        return self.played.late / self.played.requests


def main() -> None:
    """Forecast each day, play it twice, and report; takes about five minutes on two cores."""
    parser = argument_parser("day", __doc__)
    parser.add_argument("--days", type=int, default=200, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the first day; each other one has the next")
    parser.add_argument("--requests", type=int, default=300_000, help="of a day, about (default: %(default)s)")
    arguments = start(parser, ["numpy"])
    if arguments.requests < _FEWEST_REQUESTS:
        parser.error(f"--requests is too low for the services of these days; give {_FEWEST_REQUESTS} or more")
    graded = []
    with ProcessPoolExecutor() as processes:
        seeds = range(arguments.seed, arguments.seed + arguments.days)
        for seed, each in zip(seeds, processes.map(partial(grade, arguments.requests), seeds), strict=True):
            graded.append(each)
            progress(f"  day {seed}: {_line(each)}")
    report("day", figures(graded))


def figures(graded: Sequence[Graded]) -> list[Figure]:
    """Of the bills and of the overload of all days."""
    known = [each for each in graded if each.played]
    days, allowed = len(known), allowed_share(_QUANTILE)
    errors = np.array([abs(each.error) for each in known] or [math.nan])
    above = np.array([each.played_overloaded - each.overloaded for each in known] or [math.nan])
    within = f"of {days}"
    return [
        Figure("days without an autoscaled fleet that keeps the share", len(graded) - days, f"of {len(graded)}"),
        Figure("days whose bill is within 3 %", int((errors <= _CLOSE).sum()), within, f">= {days}"),
        Figure(
            "days whose bill, simulated again, is within 3 % of it",
            sum(abs(each.chance) <= _CLOSE for each in known),
            within,
        ),
        Figure("median error of the bill", 100 * float(np.median(errors)), "%", "<= 3"),
        Figure("worst error of the bill", 100 * float(errors.max()), "%"),
        Figure("mean error of the bill, with its sign", 100 * _mean([each.error for each in known]), "%"),
        Figure("mean share in overload, forecast", 100 * _mean([each.overloaded for each in known]), "%"),
        Figure("mean share in overload, simulated", 100 * _mean([each.played_overloaded for each in known]), "%"),
        Figure("days with no more overload than forecast", int((above <= 0).sum()), within, f">= {0.93 * days:g}"),
        Figure("most overload above the forecast", 100 * float(above.max()), "points"),
        Figure("days whose overload is at most 1 %", sum(each.played_overloaded <= allowed for each in known), within),
        Figure("days with at most 1 % of late requests", sum(each.late <= allowed for each in known), within),
    ]


def grade(requests: int, seed: int) -> Graded:
    """Forecast and play the day of a seed."""
    rng = np.random.default_rng(seed)
    scenario = drawn(rng, requests)
    traffic = interpolated_traffic(scenario.points, scenario.duration_s)
    forecast = autoscaled_fleet(
        traffic,
        Sizing(scenario.node_rps),
        NodeLoad(scenario.node_rps, scenario.cpu_percent),
        scenario.delays,
        scenario.fewest,
        lambda nodes: _CLUSTER_USD + _NODE_USD * nodes,
        allowed_share(_QUANTILE),
    )
    if forecast is None or forecast.target_percent is None:
        return Graded(scenario, None, math.nan, None, None)
    played, again = (_played(scenario, forecast.target_percent, rng) for _ in range(2))
    return Graded(scenario, forecast.usd, forecast.overloaded, played, again)


def drawn(rng: np.random.Generator, requests: int) -> Scenario:
    """Any service, and any day with one or two humps and some noise between points half an hour apart."""
    hours = np.arange(_POINTS) / _POINTS * 24
    peak_at, second_at = rng.uniform(0, 24, 2)
    curve = (1 + np.cos(2 * np.pi * (hours - peak_at) / 24)) / 2
    curve = curve + rng.uniform(0, 0.4) * np.exp(2 * (np.cos(2 * np.pi * (hours - second_at) / 24) - 1))
    night = rng.uniform(0.1, 0.6)
    curve = (night + (1 - night) * curve) * rng.lognormal(0, 0.05, _POINTS)
    curve = curve / curve.max()
    duration_s = float(np.exp(rng.uniform(math.log(_SHORTEST_S), math.log(_LONGEST_S)))) // STEP_S * STEP_S
    peak_rps = requests / duration_s / float(curve.mean())
    times_s = np.arange(_POINTS) / _POINTS * duration_s
    used, service, node_rps = _service(rng, peak_rps)
    pod_start_s = rng.uniform(20, 90)
    return Scenario(
        service=service,
        node_rps=node_rps,
        # Half of the pods request all cores, the others what they use at their capacity.
        cpu_percent=100 * used if rng.uniform() < 0.5 else 100.0,
        points=tuple(zip(times_s.tolist(), (peak_rps * curve).tolist(), strict=True)),
        duration_s=duration_s,
        delays=Delays(pod_start_s + rng.uniform(40, 180), pod_start_s),
        fewest=int(rng.integers(1, 4)),
    )


def _service(rng: np.random.Generator, peak_rps: float) -> tuple[float, Service, float]:
    """The CPU utilisation at the capacity of a node, as a share, a service of at most two seconds, and the capacity."""
    while True:
        nodes, workers, used = rng.uniform(4, 40), int(rng.choice([1, 2, 4, 8])), rng.uniform(0.55, 0.85)
        node_rps = peak_rps / nodes
        mean_s = used * workers / node_rps
        if mean_s <= _LONGEST_SERVICE_S:
            return used, Service(workers, mean_s, rng.uniform(0.1, 0.6)), node_rps


def _played(scenario: Scenario, target_percent: int, rng: np.random.Generator) -> PlayedDay:
    service, delays = scenario.service, scenario.delays
    at_s, rates_rps = (np.array(column) for column in zip(*scenario.points, strict=True))
    cores_at_capacity = scenario.node_rps * service.mean_s
    settings = Settings(
        target_percent,
        requested_cores=cores_at_capacity / scenario.cpu_percent * 100,
        fewest=scenario.fewest,
        node_start_s=delays.start_s - delays.pod_start_s,
        pod_start_s=delays.pod_start_s,
        removal_s=delays.removal_s,
    )
    curve = Curve(at_s, rates_rps, scenario.duration_s)
    latency_s = service.latency_s(scenario.node_rps, _QUANTILE, rng)
    return Day(curve, service, scenario.node_rps, settings, rng).play(latency_s)


def _line(graded: Graded) -> str:
    hours = graded.scenario.duration_s / 3600
    if graded.played is None:
        return f"{hours:.1f} h, no autoscaled fleet keeps the share"
    return (
        f"{hours:.1f} h, {graded.played.requests:,} requests, bill {graded.error:+.1%} off, in overload"
        f" {graded.overloaded:.2%} forecast and {graded.played_overloaded:.2%} simulated, {graded.late:.2%} late"
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


if __name__ == "__main__":
    main()
