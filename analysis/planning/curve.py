"""The throughput-latency curve of a run: one point for each level of load."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.planning.scaling import Point, Scaling
from analysis.planning.service import spread_of
from analysis.results.columns import Columns, Floats, Integers

# The ramp is divided into so many parts, in each of which the load hardly changes.
_RAMP_PARTS = 12
# With fewer requests a mean is too uncertain.
_FEWEST_REQUESTS = 20

# So many requests show the spread of service times up to p99, and so many of a level all that a table of it can hold.
_ENOUGH_FOR_A_SPREAD = 300
_MOST_FOR_A_SPREAD = 2000
# Of so many requests, evenly chosen, it is counted how many they overtook. Those up to this quantile count: a generator
# may note the starts of two requests in another order than that in which it sends them.
_MOST_OVERTAKING = 2000
_OVERTAKEN_QUANTILE = 0.99
# From this ratio of variance to mean on, the number of requests is overdispersed.
_OVERDISPERSED = 1.1
# Later than all times; its negative is earlier.
_NEVER_US = 2**62


class _Presence(NamedTuple):
    """`present[i]` requests were in the system from `at_us[i]` to `at_us[i + 1]`; before and after all times, none."""

    at_us: Integers
    present: Integers


@dataclass(frozen=True)
class _Stream:
    """The `requests` to one replica, or to all of them, as row numbers; each `found` so many in the system."""

    requests: Integers
    presence: _Presence
    found: Integers

    @classmethod
    def of(cls, rows: Columns, requests: Integers) -> "_Stream":
        presence = _presence(rows.start_us[requests], rows.end_us[requests])
        return cls(requests, presence, presence.present[np.searchsorted(presence.at_us, rows.start_us[requests]) - 1])


@dataclass(frozen=True)
class Curve:
    """`points` from the lightest load to the heaviest.

    `unqueued` are good answers to requests that found no other, and so waited for none: `unqueued[i][j, n]` is the time
    in us that request j, of a light level i, was in the replica with n - 1 others. The replica serves at least
    `fewest_at_once` at once.
    """

    points: tuple[Point, ...]
    unqueued: tuple[Floats, ...]
    fewest_at_once: int

    def spread(self, law: Scaling) -> Floats:
        """Of the service times, as in `Service`: by the law, what each request would have taken alone."""
        speeds = np.array([0.0, *law.speeds])
        work = [time_us @ speeds[np.minimum(np.arange(time_us.shape[1]), law.at_once)] for time_us in self.unqueued]
        return spread_of(np.concatenate([each / max(each.mean(), 1.0) for each in work]))


def curve_of(rows: Columns, replicas: int) -> Curve | None:
    """A point for each phase of a run, several for the ramp; None without any.

    The number of requests in one replica is counted where rows name the replica. Else it is estimated from all rows, as
    if each request had reached a replica at random.
    """
    if (rows.start_us[1:] < rows.start_us[:-1]).any():
        rows = rows.where(np.argsort(rows.start_us, kind="stable"))
    by_replica = len(rows.backend.names) == replicas
    requests = [np.flatnonzero(rows.backend.codes == replica) for replica in range(replicas)] if by_replica else []
    streams = [_Stream.of(rows, own) for own in requests or [np.arange(rows.ok.size)]]
    levels: list[Integers] = []
    for phase in sorted(rows.phase.counts()):
        level = np.flatnonzero(rows.phase.equal(phase))
        levels += _parts_of_time(level, rows.start_us[level]) if phase == "ramp" else [level]
    answered_us = np.sort(rows.end_us[rows.ok], kind="stable")
    presences = [stream.presence for stream in streams]
    found = [(point, level) for level in levels if (point := _point(rows, level, presences, answered_us, replicas))]
    found.sort(key=lambda each: each[0].in_system)
    if not found:
        return None
    return Curve(
        points=tuple(point for point, _ in found),
        unqueued=_unqueued(rows, [level for _, level in found], streams),
        fewest_at_once=_fewest_at_once(rows, streams) if len(streams) == replicas else 1,
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


def _unqueued(rows: Columns, levels: list[Integers], streams: list[_Stream]) -> tuple[Floats, ...]:
    """As in `Curve`: of the lightest levels that together have enough of them.

    Without any, all good answers of the lightest level, as if each had been alone.
    """
    found_none = np.zeros(rows.ok.size, dtype=bool)
    for stream in streams:
        found_none[stream.requests] = stream.found == 0
    chosen: list[Floats] = []
    for level in levels:
        if (requests := level[rows.ok[level] & found_none[level]]).size:
            chosen.append(_times_us(rows, _some(requests, _MOST_FOR_A_SPREAD), streams))
        if sum(map(len, chosen)) >= _ENOUGH_FOR_A_SPREAD:
            break
    if not chosen:
        good = levels[0][rows.ok[levels[0]]]
        chosen = [np.stack([np.zeros(good.size), rows.end_us[good] - rows.start_us[good]], axis=1)]
    return tuple(chosen)


def _times_us(rows: Columns, requests: Integers, streams: list[_Stream]) -> Floats:
    """For each request and number of requests, the time of the first with so many in its replica."""
    replica = rows.backend.codes[requests] if len(streams) > 1 else np.zeros(requests.size, dtype=np.int64)
    each_us = [
        _time_us(streams[own].presence, rows.start_us[request], rows.end_us[request])
        for own, request in zip(replica, requests, strict=True)
    ]
    times_us = np.zeros((requests.size, max(one_us.size for one_us in each_us)))
    for time_us, one_us in zip(times_us, each_us, strict=True):
        time_us[: one_us.size] = one_us
    return times_us


def _fewest_at_once(rows: Columns, streams: list[_Stream]) -> int:
    """One more than a request overtakes: no request is begun before an earlier one, so both were served at once."""
    overtaken = np.concatenate([_overtaken(rows, stream) for stream in streams])
    return 1 + int(np.quantile(overtaken, _OVERTAKEN_QUANTILE)) if overtaken.size else 1


def _overtaken(rows: Columns, stream: _Stream) -> Integers:
    """How many earlier requests each overtook, of some of those that found others."""
    good = rows.ok[stream.requests]
    end_us, found = rows.end_us[stream.requests[good]], stream.found[good]
    most = int(found.max(initial=0))
    some = _some(np.flatnonzero(found), _MOST_OVERTAKING)
    return np.array([np.count_nonzero(end_us[max(0, at - most) : at] > end_us[at]) for at in some], dtype=np.int64)


def _some(requests: Integers, most: int) -> Integers:
    """At most so many of them, evenly chosen."""
    return requests[:: max(1, math.ceil(requests.size / most))]


def _presence(start_us: Integers, end_us: Integers) -> _Presence:
    """Starts are sorted as twice their time and ends as twice plus one, so that a start comes before an end.

    Both are nearly in order, which numpy's stable sort makes use of: it takes a tenth of the time of its default.
    """
    moments = np.concatenate([2 * start_us, 2 * end_us + 1])
    moments.sort(kind="stable")
    present = np.zeros(moments.size + 1, dtype=np.int64)
    np.cumsum(1 - 2 * (moments & 1), out=present[1:])
    return _Presence(np.concatenate([[-_NEVER_US], moments >> 1, [_NEVER_US]]), present)


def _point(
    rows: Columns, level: Integers, presences: list[_Presence], answered_us: Integers, replicas: int
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


def _shares_of_time(presences: list[_Presence], from_us: int, until_us: int) -> NDArray[np.float64]:
    """For each number of requests, the share of the time with so many in the system."""
    each_us = [_time_us(presence, from_us, until_us) for presence in presences]
    time_us = np.zeros(max(one_us.size for one_us in each_us))
    for one_us in each_us:
        time_us[: one_us.size] += one_us
    return np.asarray(time_us / time_us.sum())


def _time_us(presence: _Presence, from_us: int, until_us: int) -> NDArray[np.float64]:
    first, last = np.searchsorted(presence.at_us, [from_us, until_us], side="right")
    edges_us = presence.at_us[first - 1 : last + 1].copy()
    edges_us[0], edges_us[-1] = from_us, until_us
    return np.bincount(presence.present[first - 1 : last], weights=np.diff(edges_us)).astype(np.float64, copy=False)


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
