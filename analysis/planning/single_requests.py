"""What single requests show of how a replica serves several at once, where throughputs tell laws badly apart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.planning.presence import Stream, time_us
from analysis.planning.scaling import Scaling
from analysis.planning.service import spread_of
from analysis.results.columns import Columns, Floats, Integers

# Of so many requests that found no other, evenly chosen, the times are read: more than a table of the spread can hold.
_MOST_UNQUEUED = 2000
# Of so many requests, evenly chosen, it is counted how many they overtook. Those up to this quantile count: a generator
# may note the starts of two requests in another order than that in which it sends them.
_MOST_OVERTAKING = 2000
_OVERTAKEN_QUANTILE = 0.99
# From so many standard errors on, the work of requests depends on how many others came, which refutes a law.
_REFUTED = 3.0
# Per request that came, as a share of the work. With constant service times a smaller error means nothing.
_LEAST_ERROR = 0.005


@dataclass(frozen=True)
class Unqueued:
    """Good answers of one level of load to requests that found no other, and so waited for none.

    `times_us[i, n]` is the time that request i was in the replica with n - 1 others. `joined[i]` others came within the
    typical time of a request, even if this one was finished by then: so their number does not depend on its own work.
    """

    times_us: Floats
    joined: Integers

    def work(self, law: Scaling) -> Floats:
        """By the law, what each request would have taken alone, as a multiple of the mean of the level."""
        speeds = np.array([0.0, *law.speeds])
        alone_us = self.times_us @ speeds[np.minimum(np.arange(self.times_us.shape[1]), law.at_once)]
        return np.asarray(alone_us / max(alone_us.mean(), 1.0))


@dataclass(frozen=True)
class SingleRequests:
    """`unqueued` by level. A request overtakes up to `overtaken` earlier ones in its replica.

    Where rows do not name the replica it is not known who joined and overtook whom; then both are 0.
    """

    unqueued: tuple[Unqueued, ...]
    overtaken: int

    def spread(self, law: Scaling) -> Floats:
        """Of the service times, as in `Service`."""
        return spread_of(np.concatenate([level.work(law) for level in self.unqueued]))

    def begun_among(self, law: Scaling) -> int:
        """As in `Service`: a request overtakes those served beside it and those that wait before it; 1 is in order."""
        return max(1, self.overtaken - law.at_once + 2)

    def misfit(self, law: Scaling) -> float:
        """0 for a law with a queue in order, 1 for one without, more for a law that is refuted."""
        refuted = self._dependence(law)
        return refuted if refuted > _REFUTED else float(self.begun_among(law) > 1)

    def _dependence(self, law: Scaling) -> float:
        """How many standard errors the work of a request depends on how many others came.

        The slope of a regression within levels, with standard errors that hold where variances differ (H. White, 1980).
        """
        joined = np.concatenate([level.joined - level.joined.mean() for level in self.unqueued])
        squares = float(joined @ joined)
        if not squares:
            return 0.0
        work = np.concatenate([level.work(law) - 1 for level in self.unqueued])
        slope = float(joined @ work) / squares
        error = float(np.linalg.norm(joined * (work - slope * joined))) / squares
        return abs(slope) / max(error, _LEAST_ERROR)


def single_requests(
    rows: Columns, levels: Sequence[Integers], streams: Sequence[Stream], replicas: int
) -> SingleRequests:
    """Of the rows of each level, from the lightest. Without any unqueued ones, good answers of the lightest level."""
    names_replica = len(streams) == replicas
    overtaken = _overtaken(rows, streams) if names_replica else 0
    found_none = np.zeros(rows.ok.size, dtype=bool)
    for stream in streams:
        found_none[stream.requests] = stream.found == 0
    chosen = [requests for level in levels if (requests := level[rows.ok[level] & found_none[level]]).size]
    if not chosen:
        good = levels[0][rows.ok[levels[0]]]
        as_if_alone_us = np.stack([np.zeros(good.size), rows.end_us[good] - rows.start_us[good]], axis=1)
        return SingleRequests((Unqueued(as_if_alone_us, np.zeros(good.size, dtype=np.int64)),), overtaken)
    typical_us = int(np.median(rows.end_us[chosen[0]] - rows.start_us[chosen[0]])) if names_replica else 0
    of = sum(map(len, chosen))
    unqueued = (_unqueued(rows, _some(requests, of, _MOST_UNQUEUED), streams, typical_us) for requests in chosen)
    return SingleRequests(tuple(unqueued), overtaken)


def _some(requests: Integers, of: int, most: int) -> Integers:
    """Evenly chosen, so that at most so many `of` all are left."""
    return requests[:: max(1, math.ceil(of / most))]


def _unqueued(rows: Columns, requests: Integers, streams: Sequence[Stream], typical_us: int) -> Unqueued:
    replica = rows.backend.codes[requests] if len(streams) > 1 else np.zeros(requests.size, dtype=np.int64)
    joined = np.zeros(requests.size, dtype=np.int64)
    for own, stream in enumerate(streams):
        start_us, began_us = rows.start_us[stream.requests], rows.start_us[requests[replica == own]]
        before, until = (np.searchsorted(start_us, began_us + later_us, "right") for later_us in (0, typical_us))
        joined[replica == own] = until - before
    each_us = [
        time_us(streams[own].presence, rows.start_us[request], rows.end_us[request])
        for own, request in zip(replica, requests, strict=True)
    ]
    times_us = np.zeros((requests.size, max(one_us.size for one_us in each_us)))
    for all_us, one_us in zip(times_us, each_us, strict=True):
        all_us[: one_us.size] = one_us
    return Unqueued(times_us, joined)


def _overtaken(rows: Columns, streams: Sequence[Stream]) -> int:
    """How many earlier requests one overtakes, of those that found others: a high quantile."""
    overtaken = np.concatenate([_overtaken_in(rows, stream) for stream in streams])
    return int(np.quantile(overtaken, _OVERTAKEN_QUANTILE)) if overtaken.size else 0


def _overtaken_in(rows: Columns, stream: Stream) -> Integers:
    good = rows.ok[stream.requests]
    end_us, found = rows.end_us[stream.requests[good]], stream.found[good]
    most = int(found.max(initial=0))
    others = np.flatnonzero(found)
    some = _some(others, others.size, _MOST_OVERTAKING)
    return np.array([np.count_nonzero(end_us[max(0, at - most) : at] > end_us[at]) for at in some], dtype=np.int64)
