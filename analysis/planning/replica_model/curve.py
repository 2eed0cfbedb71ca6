"""The throughput-latency curve of a run: one point for each level of load."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.planning.replica_model.presence import Presence, Stream, time_us
from analysis.planning.replica_model.scaling import Point, Scaling, fit
from analysis.planning.replica_model.single_requests import SingleRequests, single_requests
from analysis.results.run.columns import Columns, Integers

# The ramp is divided into so many parts, in each of which the load hardly changes.
_RAMP_PARTS = 12
# With fewer requests a mean is too uncertain.
_FEWEST_REQUESTS = 20
# From this ratio of variance to mean on, the number of requests is overdispersed.
_OVERDISPERSED = 1.1


@dataclass(frozen=True)
class Curve:
    """`points` from the lightest load to the heaviest, and what `single` requests show beside them."""

    points: tuple[Point, ...]
    single: SingleRequests

    def laws(self, most_at_once: int) -> tuple[Scaling, ...]:
        """As `scaling.fit`, with what single requests say against a law."""
        return fit(self.points, most_at_once, self.single.misfit)


def merged(curves: Sequence[Curve]) -> Curve:
    """One curve of several runs of the same replicas."""
    points = sorted((point for curve in curves for point in curve.points), key=lambda point: point.in_system)
    levels = tuple(level for curve in curves for level in curve.single.levels)
    singles = [curve.single for curve in curves]
    overtaken, say_which = max(single.overtaken for single in singles), all(single.say_which for single in singles)
    return Curve(tuple(points), SingleRequests(levels, overtaken, say_which))


def curve_of(rows: Columns, replicas: int) -> Curve | None:
    """A point for each phase of a run, several for the ramp; None without any.

    The number of requests in one replica is counted where rows name the replica. Else it is estimated from all rows, as
    if each request had reached a replica at random.
    """
    if (rows.start_us[1:] < rows.start_us[:-1]).any():
        rows = rows.where(np.argsort(rows.start_us, kind="stable"))
    by_replica = len(rows.backend.names) == replicas
    requests = [np.flatnonzero(rows.backend.codes == replica) for replica in range(replicas)] if by_replica else []
    streams = [Stream.of(rows, own) for own in requests or [np.arange(rows.ok.size)]]
    levels: list[Integers] = []
    for phase in sorted(rows.phase.counts()):
        level = np.flatnonzero(rows.phase.equal(phase))
        levels += _parts_of_time(level, rows.start_us[level]) if phase == "ramp" else [level]
    answered_us = np.sort(rows.end_us[rows.ok], kind="stable")
    presences = [stream.presence for stream in streams]
    found = [(point, level) for level in levels if (point := _point(rows, level, presences, answered_us, replicas))]
    found.sort(key=lambda measured: measured[0].in_system)
    if not found:
        return None
    return Curve(
        tuple(point for point, _ in found), single_requests(rows, [level for _, level in found], streams, replicas)
    )


def _parts_of_time(level: Integers, start_us: Integers) -> list[Integers]:
    """Equal parts of the time of a ramp; one with too few requests for a point is joined with the next."""
    edges_us = np.linspace(start_us[0], start_us[-1], _RAMP_PARTS + 1)[1:-1]
    parts: list[Integers] = [level[:0]]
    for part in np.split(level, np.searchsorted(start_us, edges_us)):
        if parts[-1].size < _FEWEST_REQUESTS:
            parts[-1] = np.concatenate([parts[-1], part])
        else:
            parts.append(part)
    return parts


def _point(
    rows: Columns, level: Integers, presences: list[Presence], answered_us: Integers, replicas: int
) -> Point | None:
    """Between the first and the last request that a level sent. `answered_us` is sorted.

    Its throughput counts good answers in that time, whenever they were sent: under overload, fewer than were sent.
    """
    good = level[rows.ok[level]]
    if good.size < _FEWEST_REQUESTS or rows.start_us[level[0]] == rows.start_us[level[-1]]:
        return None
    from_us, until_us = int(rows.start_us[level[0]]), int(rows.start_us[level[-1]])
    shares = _shares_of_time(presences, from_us, until_us)
    before, until = np.searchsorted(answered_us, [from_us, until_us], side="right")
    finished = int(until - before)
    if not finished:
        # All requests were sent at once, as at the start of a run, so there is no rate.
        return None
    return Point(
        present=shares if len(presences) == replicas else _in_one_of(replicas, shares),
        latency_ms=float((rows.end_us[good] - rows.start_us[good]).mean()) / 1000,
        rps=finished / (until_us - from_us) * 1e6 / replicas,
        requests=finished,
    )


def _shares_of_time(presences: list[Presence], from_us: int, until_us: int) -> NDArray[np.float64]:
    """For each number of requests, the share of the time with so many in the system."""
    each_us = [time_us(presence, from_us, until_us) for presence in presences]
    all_us = np.zeros(max(one_us.size for one_us in each_us))
    for one_us in each_us:
        all_us[: one_us.size] += one_us
    return np.asarray(all_us / all_us.sum())


def _in_one_of(replicas: int, everywhere: NDArray[np.float64]) -> NDArray[np.float64]:
    """The distribution of requests in one replica, from that in all, with a random balancer.

    Where the sum is overdispersed, because replicas have queues, each replica has its share of mean and variance (a
    negative binomial). Else each request is in this replica with the same probability (a binomial of the sum).
    """
    n = np.arange(everywhere.size)
    mean = float(everywhere @ n)
    variance = float(everywhere @ (n - mean) ** 2)
    if variance <= mean * _OVERDISPERSED:
        return _thinned(everywhere, 1 / replicas)
    share = mean / replicas
    size = share**2 / (variance / replicas - share)
    rest = share / (share + size)
    steps = (n + size) / (n + 1) * rest
    chance = np.cumprod(np.concatenate([[1.0], steps[:-1]]))
    return np.asarray(chance / chance.sum())


def _thinned(everywhere: NDArray[np.float64], chosen: float) -> NDArray[np.float64]:
    """The distribution of what is left where each request is chosen with this probability.

    Its generating function is the sum of everywhere[n] (1 - chosen + chosen x)^n; Horner's rule gives the coefficients.
    """
    left = np.zeros(everywhere.size)
    for size, share in enumerate(everywhere[::-1]):
        left[1 : size + 1] = (1 - chosen) * left[1 : size + 1] + chosen * left[:size]
        left[0] = (1 - chosen) * left[0] + share
    return left
