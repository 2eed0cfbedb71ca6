"""The data of one run's charts: a few dozen points, however many rows the run has."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.capacity.evidence import offered_rates
from analysis.capacity.misses import AtRate, by_rate
from analysis.objective import Objective
from analysis.results.run.columns import Columns, Floats, Integers, RunRows
from analysis.results.schema.manifest import Manifest
from stacks.load.load_profiles import ClosedLoop

_MAX_WINDOWS = 75
_WINDOW_WIDTHS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800)
_LATENCY_BINS = 40
_MAX_USER_LEVELS = 30
_HEAT_BINS = 24
# At each of these shares of a window's answers, a cell of the heat map gets a shade darker.
HEAT_SHARES = (0.0, 0.01, 0.05, 0.2, 0.5)
_NO_SHADE = -1
# Later than all times.
_NEVER_US = 2**62
# The width of a bin in logarithms where all answers took the same time.
_NARROWEST = 1e-4

_Windows = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Series:
    """The data of the charts, as tables.

    `over_time`: second, p50_ms, p95_ms, max_ms (of good answers; NaN without any), requests, errors
    `phases`: phase, start_s, end_s
    `distribution`: low_ms, high_ms, count
    `heat`: start_s, end_s, low_ms, high_ms, shade (an index of HEAT_SHARES, by the share of its window's good answers);
    neighbouring windows of one shade are one row
    `by_users`: users, goodput_rps
    `by_rate`: the steps of a capacity search, at its objective
    """

    over_time: pd.DataFrame
    phases: pd.DataFrame
    distribution: pd.DataFrame
    heat: pd.DataFrame
    by_users: pd.DataFrame
    window_s: int
    by_rate: tuple[AtRate, ...] = ()


def series_of(rows: RunRows, manifest: Manifest) -> Series:
    every = rows.every
    phases = _phases(every)
    total_s = float(phases["end_s"].max()) if len(phases) else 0.0
    window_s = next((width for width in _WINDOW_WIDTHS_S if total_s / width <= _MAX_WINDOWS), _WINDOW_WIDTHS_S[-1])
    # By when each row was due; so small a type is sorted by counting.
    times_us = every.intended_start_us
    window = np.asarray((times_us - times_us.min(initial=_NEVER_US)) // (1_000_000 * window_s), dtype=np.uint16)
    return Series(
        over_time=_over_time(every, window, window_s),
        phases=phases,
        distribution=_distribution(rows.counted),
        heat=_heat(every, window, window_s),
        by_users=_by_users(every, manifest),
        window_s=window_s,
        by_rate=_by_rate(manifest, every),
    )


def _by_rate(manifest: Manifest, every: Columns) -> tuple[AtRate, ...]:
    if manifest.capacity is None:
        return ()
    return by_rate(offered_rates(manifest, every), Objective.of_search(manifest.capacity))


def _phases(rows: Columns) -> pd.DataFrame:
    spans_us = {
        phase: (start_us.min(), start_us.max())
        for phase in rows.phase.counts()
        if (start_us := rows.start_us[rows.phase.equal(phase)]).size
    }
    begin_us = min((first_us for first_us, _ in spans_us.values()), default=0)
    found = [(phase, (first - begin_us) / 1e6, (last - begin_us) / 1e6) for phase, (first, last) in spans_us.items()]
    found.sort(key=lambda each: each[1])
    return pd.DataFrame(found, columns=["phase", "start_s", "end_s"])


def _over_time(rows: Columns, window: _Windows, window_s: int) -> pd.DataFrame:
    requests = np.bincount(window)
    good_window = window[rows.ok]
    good = np.bincount(good_window, minlength=requests.size)
    # The response times of a window next to each other.
    response_us = rows.response_us[rows.ok][np.argsort(good_window, kind="stable")]
    figures = np.full((requests.size, 3), np.nan)
    for at, (first, count) in enumerate(zip(good.cumsum() - good, good, strict=True)):
        if count:
            figures[at] = np.quantile(response_us[first : first + count], (0.5, 0.95, 1.0)) / 1000
    used = np.flatnonzero(requests)
    p50_ms, p95_ms, max_ms = figures[used].T
    return pd.DataFrame(
        {
            "second": used * window_s,
            "p50_ms": p50_ms,
            "p95_ms": p95_ms,
            "max_ms": max_ms,
            "requests": requests[used],
            "errors": (requests - good)[used],
        }
    )


def _distribution(counted: Columns) -> pd.DataFrame:
    """Counts in bins of equal width on a logarithmic axis, from the fastest good answer of the hold to the slowest."""
    bins, edges_ms = _binned(counted.response_us[counted.ok], _LATENCY_BINS)
    counts = np.bincount(bins, minlength=_LATENCY_BINS)
    used = np.flatnonzero(counts)
    return pd.DataFrame({"low_ms": edges_ms[used], "high_ms": edges_ms[used + 1], "count": counts[used]})


def _heat(rows: Columns, window: _Windows, window_s: int) -> pd.DataFrame:
    """Good answers by when they were due and how long they took, in bins of equal width on a logarithmic axis."""
    bins, edges_ms = _binned(rows.response_us[rows.ok], _HEAT_BINS)
    windows = int(window.max()) + 1 if window.size else 0
    answers = np.bincount(window[rows.ok] * np.int64(_HEAT_BINS) + bins, minlength=windows * _HEAT_BINS)
    answers = answers.reshape(windows, _HEAT_BINS)
    shares = answers / np.maximum(answers.sum(axis=1, keepdims=True), 1)
    shades = np.where(answers, np.searchsorted(HEAT_SHARES, shares, side="right") - 1, _NO_SHADE)
    cells = [
        (first * window_s, end * window_s, edges_ms[at], edges_ms[at + 1], shade)
        for at in range(_HEAT_BINS)
        for first, end, shade in _stretches(shades[:, at])
    ]
    cells.sort(key=lambda cell: (cell[0], cell[2]))
    return pd.DataFrame(cells, columns=["start_s", "end_s", "low_ms", "high_ms", "shade"])


def _binned(response_us: Integers, bins: int) -> tuple[Integers, Floats]:
    """The bin of each response time, and the edges of all bins in milliseconds; a bin has some width at least."""
    if not response_us.size:
        return np.zeros(0, dtype=np.int64), np.zeros(bins + 1)
    logs = np.log(np.maximum(response_us, 1))
    low = float(logs.min())
    width = max((float(logs.max()) - low) / bins, _NARROWEST)
    edges_ms = np.exp(low + width * np.arange(bins + 1)) / 1000
    return np.minimum((logs - low) / width, bins - 1).astype(np.int64), edges_ms


def _stretches(shades: Integers) -> Iterator[tuple[int, int, int]]:
    """First, end and shade of each stretch of windows that have the same one."""
    edges = np.flatnonzero(np.diff(shades, prepend=_NO_SHADE, append=_NO_SHADE))
    for first, end in pairwise(edges.tolist()):
        if shades[first] != _NO_SHADE:
            yield first, end, int(shades[first])


def _by_users(rows: Columns, manifest: Manifest) -> pd.DataFrame:
    """Goodput at each number of users during the ramp, by the profile's spawn rate.

    Neighbouring numbers share a point where there are many of them. The last, partly filled point is left out. The
    user of the warm-up stays: the ramp's first user is then the second one.
    """
    load = manifest.load
    ramp_us = rows.start_us[rows.phase.equal("ramp")]
    if not isinstance(load, ClosedLoop) or not ramp_us.size:
        return pd.DataFrame({"users": [], "goodput_rps": []})
    already = 1 if load.warmup_s else 0
    users_a_point = -(-load.users // _MAX_USER_LEVELS)
    points = (load.users - already) // users_a_point
    point_us = round(users_a_point / load.spawn_rate_per_s * 1e6)
    since_us = rows.end_us - ramp_us.min()
    within = (since_us >= 0) & (since_us < point_us * points)
    answers, good = (
        np.bincount(since_us[chosen] // point_us, minlength=points) for chosen in (within, within & rows.ok)
    )
    used = np.flatnonzero(answers)
    users = used * users_a_point + (users_a_point + 1) / 2 + already
    return pd.DataFrame({"users": users, "goodput_rps": good[used] * 1e6 / point_us})
