"""The throughput-latency curve of a run: one point for each level of load that its rows show."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.planning.scaling import Point
from analysis.planning.service import spread_of
from analysis.planning.simulation import Balancer
from analysis.results.columns import Columns, Integers

# The way up is cut into so many parts; a user or two more in each do not blur a point.
_RAMP_PARTS = 12
# Fewer requests say little about a mean.
_FEWEST_REQUESTS = 20

# As many requests under the lightest load show how service times vary, their slowest per cent included.
_ENOUGH_FOR_A_SPREAD = 300
# A variance of the number present that is this much larger than its mean is no accident.
_OVERDISPERSED = 1.1
# Later than everything; the same before it is earlier.
_NEVER_US = 2**62


class _Presence(NamedTuple):
    """From each moment of `at_us` to the next, `present` requests were there; nobody before all and after all."""

    at_us: Integers
    present: Integers


@dataclass(frozen=True)
class Curve:
    """`points` from the lightest load to the heaviest; `spread` of the service times, as in `Service`."""

    points: tuple[Point, ...]
    spread: NDArray[np.float64]


def curve_of(rows: Columns, replicas: int, balancer: Balancer) -> Curve | None:
    """A point for each phase of a run, several for the ramp; None without any.

    How many requests were at one replica is counted from the rows, as if the balancer had been perfectly what it is.
    """
    rows = _by_start(rows)
    presences = _presences(rows.start_us, rows.end_us, replicas, balancer)
    levels: list[Integers] = []
    for phase in sorted(rows.phase.counts()):
        level = np.flatnonzero(rows.phase.equal(phase))
        levels += _parts_of_time(level, rows.start_us[level]) if phase == "ramp" else [level]
    answered_us = np.sort(rows.end_us[rows.ok])
    found = [(point, level) for level in levels if (point := _point(rows, level, presences, answered_us, replicas))]
    found.sort(key=lambda each: each[0].in_system)
    if not found:
        return None
    return Curve(tuple(point for point, _ in found), _spread(rows, [level for _, level in found]))


def _parts_of_time(level: Integers, start_us: Integers) -> list[Integers]:
    """Equal parts of the time, so that the light loads of the way up are as many levels as the heavy ones.

    A part with too few requests for a point is one with the next.
    """
    edges_us = np.linspace(start_us[0], start_us[-1], _RAMP_PARTS + 1)[1:-1]
    parts: list[Integers] = [level[:0]]
    for part in np.split(level, np.searchsorted(start_us, edges_us)):
        if parts[-1].size < _FEWEST_REQUESTS:
            parts[-1] = np.concatenate([parts[-1], part])
        else:
            parts.append(part)
    return parts


def _by_start(rows: Columns) -> Columns:
    if (rows.start_us[1:] >= rows.start_us[:-1]).all():
        return rows
    return rows.where(np.argsort(rows.start_us, kind="stable"))


def _spread(rows: Columns, levels: list[Integers]) -> NDArray[np.float64]:
    """From the lightest levels that together have enough good answers, each by its own mean."""
    chosen: list[NDArray[np.float64]] = []
    for level in levels:
        good = level[rows.ok[level]]
        good_us = rows.end_us[good] - rows.start_us[good]
        chosen.append(good_us / max(good_us.mean(), 1.0))
        if sum(each.size for each in chosen) >= _ENOUGH_FOR_A_SPREAD:
            break
    return spread_of(np.concatenate(chosen))


def _presences(start_us: Integers, end_us: Integers, replicas: int, balancer: Balancer) -> list[_Presence]:
    """Of each replica where they take turns, so that it is known whose a request is; else of all together."""
    streams = replicas if balancer == "round-robin" else 1
    return [_presence(start_us[first::streams], end_us[first::streams]) for first in range(streams)]


def _presence(start_us: Integers, end_us: Integers) -> _Presence:
    """A moment is sorted as twice its time, and one more where something ends: so starts come before ends."""
    moments = np.concatenate([2 * start_us, 2 * end_us + 1])
    moments.sort()
    present = np.zeros(moments.size + 1, dtype=np.int64)
    np.cumsum(1 - 2 * (moments & 1), out=present[1:])
    return _Presence(np.concatenate([[-_NEVER_US], moments >> 1, [_NEVER_US]]), present)


def _point(
    rows: Columns, level: Integers, presences: list[_Presence], answered_us: Integers, replicas: int
) -> Point | None:
    """What went on between the first and the last request of a level that was sent. `answered_us` is sorted.

    Finished is what was answered well within it, whenever it was sent: under overload less than what was sent.
    """
    good = level[rows.ok[level]]
    if good.size < _FEWEST_REQUESTS or rows.start_us[level[0]] == rows.start_us[level[-1]]:
        return None
    from_us, until_us = int(rows.start_us[level[0]]), int(rows.start_us[level[-1]])
    shares = _shares_of_time(presences, from_us, until_us)
    before, until = np.searchsorted(answered_us, [from_us, until_us], side="right")
    finished = int(until - before)
    if not finished:
        # All of them were sent at once, as at the very beginning: that is no rate.
        return None
    return Point(
        present=shares if len(presences) == replicas else _at_one_of(replicas, shares),
        latency_ms=float((rows.end_us[good] - rows.start_us[good]).mean()) / 1000,
        rps=finished / (until_us - from_us) * 1e6 / replicas,
        requests=finished,
    )


def _shares_of_time(presences: list[_Presence], from_us: int, until_us: int) -> NDArray[np.float64]:
    """By the number of requests that are there, the share of the time in which so many were."""
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


def _at_one_of(replicas: int, everywhere: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many are at one replica, from how many are at all of them, when each request goes to any of them by chance.

    Queues of their own make the sum vary, too: where it varies more than requests that come singly would, each replica
    has its share of mean and variance (a negative binomial). Where it does not, as with users who wait, every request
    that is there is at this replica with the same chance (a binomial of the sum).
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
    """How many are left where each of those who are there is chosen with this chance: by Horner's rule.

    Of the generating function, the sum of everywhere[n] (1 - chosen + chosen x)^n: its coefficients are the answer.
    """
    left = np.zeros(everywhere.size)
    for size, share in enumerate(everywhere[::-1]):
        left[1 : size + 1] = (1 - chosen) * left[1 : size + 1] + chosen * left[:size]
        left[0] = (1 - chosen) * left[0] + share
    return left
