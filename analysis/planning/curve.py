"""The throughput-latency curve of a run: one point for each level of load that its rows show."""

from dataclasses import dataclass
from typing import NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray

from analysis.planning.scaling import Point
from analysis.planning.service import spread_of
from analysis.planning.simulation import Balancer

# The way up is cut into so many parts; a user or two more in each do not blur a point.
_RAMP_PARTS = 12
# Fewer requests say little about a mean.
_FEWEST_REQUESTS = 20

# As many requests under the lightest load show how service times vary, their slowest per cent included.
_ENOUGH_FOR_A_SPREAD = 300
# A variance of the number present that is this much larger than its mean is no accident.
_OVERDISPERSED = 1.1
_DRAWS = 50_000
# Before everything: nobody is there.
_LONG_AGO_US = -(2**62)

_Integers = NDArray[np.int64]


class _Presence(NamedTuple):
    """From each moment of `at_us` to the next, `present` requests were there."""

    at_us: _Integers
    present: _Integers


@dataclass(frozen=True)
class Curve:
    """`points` from the lightest load to the heaviest; `spread` of the service times, as in `Service`."""

    points: tuple[Point, ...]
    spread: NDArray[np.float64]


def read_curve(connection: duckdb.DuckDBPyConnection, replicas: int, balancer: Balancer) -> Curve | None:
    """A point for each phase of the view `requests` (see analysis.rows), several for the ramp; None without any.

    How many requests were at one replica is counted from the rows, as if the balancer had been perfectly what it is.
    About a hundred bytes a row, one run at a time.
    """
    phases = [name for (name,) in connection.sql("SELECT DISTINCT phase FROM requests ORDER BY phase").fetchall()]
    rows: dict[str, _Integers] = connection.execute(  # type: ignore[assignment]  # integers, none of them null
        "SELECT start_us, end_us, ok, list_position($phases, phase)::INTEGER AS phase FROM requests ORDER BY start_us",
        {"phases": phases},
    ).fetchnumpy()
    presences = _presences(rows["start_us"], rows["end_us"], replicas, balancer)
    levels: list[_Integers] = []
    for number, name in enumerate(phases, start=1):
        levels += np.array_split(np.flatnonzero(rows["phase"] == number), _RAMP_PARTS if name == "ramp" else 1)
    taken_us = np.where(rows["ok"], rows["end_us"] - rows["start_us"], -1)
    answered_us = np.sort(rows["end_us"][rows["ok"].astype(bool)])
    found = [(point, level) for level in levels if (point := _point(rows, level, presences, answered_us, replicas))]
    found.sort(key=lambda each: each[0].in_system)
    if not found:
        return None
    return Curve(tuple(point for point, _ in found), _spread([taken_us[level] for _, level in found]))


def _spread(levels_us: list[_Integers]) -> NDArray[np.float64]:
    """From the lightest levels that together have enough good answers, each by its own mean."""
    chosen: list[NDArray[np.float64]] = []
    for taken_us in levels_us:
        good_us = taken_us[taken_us >= 0]
        chosen.append(good_us / max(good_us.mean(), 1.0))
        if sum(each.size for each in chosen) >= _ENOUGH_FOR_A_SPREAD:
            break
    return spread_of(np.concatenate(chosen))


def _presences(start_us: _Integers, end_us: _Integers, replicas: int, balancer: Balancer) -> list[_Presence]:
    """Of each replica where they take turns, so that it is known whose a request is; else of all together."""
    streams = replicas if balancer == "round-robin" else 1
    return [_presence(start_us[first::streams], end_us[first::streams]) for first in range(streams)]


def _presence(start_us: _Integers, end_us: _Integers) -> _Presence:
    at_us = np.concatenate([[_LONG_AGO_US], start_us, end_us])
    change = np.repeat([0, 1, -1], [1, start_us.size, end_us.size])
    order = np.argsort(at_us, kind="stable")
    return _Presence(at_us[order], change[order].cumsum())


def _point(
    rows: dict[str, _Integers], level: _Integers, presences: list[_Presence], answered_us: _Integers, replicas: int
) -> Point | None:
    """What went on between the first and the last request of a level that was sent. `answered_us` is sorted.

    Finished is what was answered well within it, whenever it was sent: under overload less than what was sent.
    """
    good = level[rows["ok"][level].astype(bool)]
    if good.size < _FEWEST_REQUESTS or rows["start_us"][level[0]] == rows["start_us"][level[-1]]:
        return None
    from_us, until_us = int(rows["start_us"][level[0]]), int(rows["start_us"][level[-1]])
    shares = _shares_of_time(presences, from_us, until_us)
    before, until = np.searchsorted(answered_us, [from_us, until_us], side="right")
    finished = int(until - before)
    return Point(
        present=shares if len(presences) == replicas else _at_one_of(replicas, shares),
        latency_ms=float((rows["end_us"][good] - rows["start_us"][good]).mean()) / 1000,
        rps=finished / (until_us - from_us) * 1e6 / replicas,
        requests=finished,
    )


def _shares_of_time(presences: list[_Presence], from_us: int, until_us: int) -> NDArray[np.float64]:
    """By the number of requests that are there, the share of the time in which so many were."""
    present, lasted_us = [], []
    for presence in presences:
        first, last = np.searchsorted(presence.at_us, [from_us, until_us], side="right")
        present.append(presence.present[first - 1 : last])
        lasted_us.append(np.diff(np.concatenate([[from_us], presence.at_us[first:last], [until_us]])))
    time_us = np.bincount(np.concatenate(present), weights=np.concatenate(lasted_us))
    return np.asarray(time_us / time_us.sum())


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
        drawn = np.random.default_rng(1).choice(n, _DRAWS, p=everywhere)
        return np.bincount(np.random.default_rng(2).binomial(drawn, 1 / replicas)) / _DRAWS
    share = mean / replicas
    size = share**2 / (variance / replicas - share)
    rest = share / (share + size)
    steps = (n + size) / (n + 1) * rest
    chance = np.cumprod(np.concatenate([[1.0], steps[:-1]]))
    return np.asarray(chance / chance.sum())
