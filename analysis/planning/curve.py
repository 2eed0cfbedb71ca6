"""The throughput-latency curve of a run: one point for each level of load that its rows show."""

from typing import NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray

from analysis.planning.scaling import Point
from analysis.planning.simulation import Balancer

# The way up is cut into so many parts; a user or two more in each do not blur a point.
_RAMP_PARTS = 12
# Fewer requests say little about a mean.
_FEWEST_REQUESTS = 20

# Before everything: nobody is there.
_LONG_AGO_US = -(2**62)

_Integers = NDArray[np.int64]


class _Presence(NamedTuple):
    """From each moment of `at_us` to the next, `present` requests were in a replica (one replica, or any one)."""

    at_us: _Integers
    present: _Integers


def read_curve(connection: duckdb.DuckDBPyConnection, replicas: int, balancer: Balancer) -> list[Point]:
    """A point for each phase of the view `requests` (see analysis.rows), several for the ramp; lightest load first.

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
    points = [
        _point({column: values[level] for column, values in rows.items()}, presences, replicas) for level in levels
    ]
    return sorted((point for point in points if point), key=lambda point: point.in_system)


def _presences(start_us: _Integers, end_us: _Integers, replicas: int, balancer: Balancer) -> list[_Presence]:
    if balancer == "round-robin":
        return [_presence(start_us[first::replicas], end_us[first::replicas]) for first in range(replicas)]
    everywhere = _presence(start_us, end_us)
    # Each of them is at any one replica with the same chance.
    here = np.random.default_rng(1).binomial(everywhere.present, 1 / replicas)
    return [_Presence(everywhere.at_us, here)]


def _presence(start_us: _Integers, end_us: _Integers) -> _Presence:
    at_us = np.concatenate([[_LONG_AGO_US], start_us, end_us])
    change = np.repeat([0, 1, -1], [1, start_us.size, end_us.size])
    order = np.argsort(at_us, kind="stable")
    return _Presence(at_us[order], change[order].cumsum())


def _point(level: dict[str, _Integers], presences: list[_Presence], replicas: int) -> Point | None:
    """What went on between the first and the last request of a level that was sent."""
    good = level["ok"].astype(bool)
    if good.sum() < _FEWEST_REQUESTS or level["start_us"][0] == level["start_us"][-1]:
        return None
    from_us, until_us = int(level["start_us"][0]), int(level["start_us"][-1])
    return Point(
        present=_shares_of_time(presences, from_us, until_us),
        latency_ms=float((level["end_us"] - level["start_us"])[good].mean()) / 1000,
        rps=int(good.sum()) / (until_us - from_us) * 1e6 / replicas,
        requests=int(good.sum()),
    )


def _shares_of_time(presences: list[_Presence], from_us: int, until_us: int) -> NDArray[np.float64]:
    """By the number of requests at a replica, the share of the time in which it had so many."""
    present, lasted_us = [], []
    for presence in presences:
        first, last = np.searchsorted(presence.at_us, [from_us, until_us], side="right")
        present.append(presence.present[first - 1 : last])
        lasted_us.append(np.diff(np.concatenate([[from_us], presence.at_us[first:last], [until_us]])))
    time_us = np.bincount(np.concatenate(present), weights=np.concatenate(lasted_us))
    return np.asarray(time_us / time_us.sum())
