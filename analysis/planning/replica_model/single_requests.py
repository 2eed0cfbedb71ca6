"""What single requests show of how a replica serves several at once, where throughputs tell laws badly apart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.planning.replica_model.presence import Stream, time_us
from analysis.planning.replica_model.scaling import Scaling
from analysis.planning.replica_model.service import spread_of
from analysis.results.run.columns import Columns, Floats, Integers

# The times are read of requests that found at most so many others, and of so many for each number found, evenly chosen:
# more than a table of the spread can hold.
_MOST_FOUND = 3
_MOST_OF_EACH = 2000
# So many requests, evenly chosen, are examined for how many they overtook. Those up to this quantile count: a generator
# may note the starts of two requests in another order than that in which it sends them.
_MOST_OVERTAKING = 2000
_OVERTAKEN_QUANTILE = 0.99
# A queue that is not in order is as unlikely as this dependence of the work of requests on others, in squared standard
# errors: a chance of 0.27 %.
_OUT_OF_ORDER = 11.8
# The service time of the same server differs by this share from one load test to another: docs/adr/0055.
_SERVICE_TIME_ERROR = 0.03
# Per request that was there or came, as a share of the work. With constant service times a smaller error means nothing.
_LEAST_ERROR = 0.005


@dataclass(frozen=True)
class LevelRequests:
    """Good answers of one level of load to requests that found few others in their replica.

    Request i `found[i]` others. `times_us[i, n]` is the time that it was in the replica with n - 1 others. `joined[i]`
    others came within the typical time of a request, even if this one was finished by then: so neither number depends
    on its own work.
    """

    found: Integers
    joined: Integers
    times_us: Floats

    def unqueued(self, law: Scaling) -> "LevelRequests":
        """Those that waited for none, by the law."""
        chosen = self.found < law.at_once
        return LevelRequests(self.found[chosen], self.joined[chosen], self.times_us[chosen])

    def alone_us(self, law: Scaling) -> Floats:
        """By the law, what each unqueued request would have taken alone."""
        speeds = np.array([0.0, *law.speeds])
        return np.asarray(self.times_us @ speeds[np.minimum(np.arange(self.times_us.shape[1]), law.at_once)])

    @property
    def others(self) -> Floats:
        """How many were there and how many came, `[i, 2]`, each less its mean in the level."""
        others = np.stack([self.found, self.joined], axis=1)
        return np.asarray(others - others.mean(axis=0))


@dataclass(frozen=True)
class SingleRequests:
    """The requests by level. A request overtakes up to `overtaken` earlier ones in its replica.

    Where rows do not name the replica it is not known who found, joined and overtook whom. Then all are 0, and the
    requests are those that found none in any replica. Where none did, they are any of the lightest level. In both cases
    they do not `say_which` law is right.
    """

    levels: tuple[LevelRequests, ...]
    overtaken: int
    say_which: bool

    def spread(self, law: Scaling) -> Floats:
        """The spread of the service times, as in `Service`."""
        return spread_of(np.concatenate([_work(level.alone_us(law)) for level in self._unqueued(law)]))

    def begun_among(self, law: Scaling) -> int:
        """As in `Service`: a request overtakes those served beside it and those that wait before it; 1 is in order."""
        return max(1, self.overtaken - law.at_once + 2)

    def misfit(self, law: Scaling) -> float:
        """How much speaks against a law, in squared standard errors: the service times, and the order of answers.

        The mean service time of these requests must be the law's, and must not depend on others.
        """
        if not self.say_which:
            return 0.0
        unqueued = self._unqueued(law)
        alone_us = [level.alone_us(law) for level in unqueued]
        apart = (float(np.concatenate(alone_us).mean()) / 1000 / law.alone_ms - 1) / _SERVICE_TIME_ERROR
        others = np.concatenate([level.others for level in unqueued])
        work = np.concatenate([_work(each_us) for each_us in alone_us])
        return _dependence(work, others) + apart**2 + (_OUT_OF_ORDER if self.begun_among(law) > 1 else 0.0)

    def _unqueued(self, law: Scaling) -> list[LevelRequests]:
        return [unqueued for level in self.levels if (unqueued := level.unqueued(law)).found.size]


def _work(alone_us: Floats) -> Floats:
    """As multiples of the mean of their level."""
    return np.asarray(alone_us / max(alone_us.mean(), 1.0))


def _dependence(work: Floats, others: Floats) -> float:
    """How much the work of a request depends on how many others were there and how many came.

    Wald's statistic for both slopes of a regression within levels, with standard errors that hold where variances
    differ (H. White, 1980).
    """
    # A number that is the same everywhere has the slope 0.
    inverse = np.linalg.pinv(others.T @ others)
    slopes = inverse @ (others.T @ (work - 1))
    weighted = others * (work - 1 - others @ slopes)[:, np.newaxis]
    errors = inverse @ (weighted.T @ weighted) @ inverse + _LEAST_ERROR**2 * np.eye(len(slopes))
    return float(slopes @ np.linalg.solve(errors, slopes))


def single_requests(
    rows: Columns, levels: Sequence[Integers], streams: Sequence[Stream], replicas: int
) -> SingleRequests:
    """The single requests among the rows of each level, from the lightest.

    Where no request found no other, they are good answers of the lightest level.
    """
    names_replica = len(streams) == replicas
    overtaken = _overtaken(rows, streams) if names_replica else 0
    found = np.zeros(rows.ok.size, dtype=np.int64)
    for stream in streams:
        found[stream.requests] = stream.found
    good = [level[rows.ok[level]] for level in levels]
    read = _evenly_chosen(found, good, _MOST_FOUND if names_replica else 0)
    first = next((found_none for requests in read if (found_none := requests[found[requests] == 0]).size), None)
    if first is None:
        lightest = good[0]
        as_if_alone_us = np.stack([np.zeros(lightest.size), rows.end_us[lightest] - rows.start_us[lightest]], axis=1)
        none = np.zeros(lightest.size, dtype=np.int64)
        return SingleRequests((LevelRequests(none, none, as_if_alone_us),), overtaken, say_which=False)
    typical_us = int(np.median(rows.end_us[first] - rows.start_us[first])) if names_replica else 0
    of_levels = (_of_level(rows, requests, found, streams, typical_us) for requests in read if requests.size)
    return SingleRequests(tuple(of_levels), overtaken, names_replica)


def _evenly_chosen(found: Integers, levels: Sequence[Integers], most_found: int) -> list[Integers]:
    """The requests of each level that are read."""
    chosen: list[list[Integers]] = [[] for _ in levels]
    for number in range(most_found + 1):
        of_number = [level[found[level] == number] for level in levels]
        in_all = sum(map(len, of_number))
        for read, requests in zip(chosen, of_number, strict=True):
            read.append(_some(requests, in_all, _MOST_OF_EACH))
    return [np.concatenate(read) for read in chosen]


def _some(requests: Integers, of: int, most: int) -> Integers:
    """Evenly chosen, so that at most so many `of` all are left."""
    return requests[:: max(1, math.ceil(of / most))]


def _of_level(
    rows: Columns, requests: Integers, found: Integers, streams: Sequence[Stream], typical_us: int
) -> LevelRequests:
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
    return LevelRequests(found[requests], joined, times_us)


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
