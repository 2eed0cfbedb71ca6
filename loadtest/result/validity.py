"""Whether the generator or chance, and not the server, made the figures: pure functions of rows and of its health.

Every check says in plain words what was wrong and what follows. The thresholds stand together in `Thresholds`, with
their reasons in docs/measurement.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from analysis.results.store import NOT_SENT
from analysis.results.thresholds import GENERATOR_BUSY_CORES, GENERATOR_BUSY_SHARE
from loadtest.generator.capacity.trend import trend_of
from loadtest.generator.loops.arrivals import due_in_hold
from loadtest.generator.phases import HOLD
from stacks.load_profiles import CapacitySearch, ClosedLoop, LoadProfile, OpenLoop


@dataclass(frozen=True)
class Thresholds:
    """Shares are of one; see docs/measurement.md for why each is what it is."""

    busy_share: float = GENERATOR_BUSY_SHARE
    own_share: float = 0.25
    own_ms: float = 50.0
    rate_off: float = 0.005
    resent_share: float = 0.01
    clock_ms: float = 50.0
    drift_latency: float = 0.2
    drift_rate: float = 0.1
    drift_confidence: float = 0.999
    fair_share: float = 0.5


_LIMITS = Thresholds()

# A hold is cut into so many windows to see whether it drifts; with fewer requests in one, nothing can be said.
_WINDOWS, _FEWEST_A_WINDOW, _SHORTEST_S = 12, 8, 10.0
# Of fewer requests a 99th percentile is one hiccup of the machine.
_FEWEST_FOR_P99 = 200

Times = npt.NDArray[np.int64]


def reasons_in(rows: pa.Table, phase: str, profile: LoadProfile, health: dict[str, Any] | None) -> tuple[str, ...]:
    """Every reason against the figures of `phase`, which has rows; none when they may be ranked."""
    held = rows.filter(pc.equal(rows["phase"], phase))
    found = [
        *_of_clocks(rows, health or {}),
        *_of_the_schedule(held, profile),
        *_of_the_generator(held, profile, health or {}),
    ]
    # A generator that had no time makes figures drift as well: its own reason is the one to mend.
    return tuple(found or _of_drift(held, profile))


def reasons_of_sharing(rows: pa.Table, phase: str, replicas: int) -> tuple[str, ...]:
    """Whether all replicas had their share of the load, where the rows say who answered."""
    held = rows.filter(pc.equal(rows["phase"], phase))
    known = held["backend"].drop_null()
    if not len(known) or replicas < 2:
        return ()
    counts = {count["values"]: count["counts"] for count in pc.value_counts(known).to_pylist()}
    if len(counts) < replicas:
        return (_idle(sorted(counts), replicas),)
    fair = len(known) / len(counts)
    least = min(counts, key=lambda backend: counts[backend])
    if counts[least] < _LIMITS.fair_share * fair:
        reason = (
            f"replica {least} answered {counts[least]} of {len(known)} requests, where {fair:.0f} would have been its"
            " share, so the others set the latency"
        )
        return (reason,)
    return ()


def reasons_of_idleness(requests: Mapping[str, int], replicas: int, profile: LoadProfile) -> tuple[str, ...]:
    """The same where rows do not say who answered: by the `requests` that each replica counted, if all of them say.

    Over REST a connection stays with the replica that the cluster's Service chose for it by chance, so shares are
    uneven there for whoever asks; and a low rate of an open loop takes few connections. Both are told, and no reason.
    """
    if isinstance(profile, OpenLoop) or replicas < 2 or len(requests) < replicas:
        return ()
    busy = sorted(name for name, count in requests.items() if count)
    return (_idle(busy, replicas),) if len(busy) < replicas else ()


def _idle(busy: Sequence[str], replicas: int) -> str:
    return (
        f"only {len(busy)} of {replicas} replicas answered ({', '.join(busy)}), so the rest were idle"
        " and their price buys nothing in these figures"
    )


def _of_the_generator(held: pa.Table, profile: LoadProfile, health: dict[str, Any]) -> list[str]:
    reasons = []
    busy, lag_ms = health.get("busy_share"), health.get("lag_p99_ms")
    if busy is not None and busy > _LIMITS.busy_share:
        reasons.append(
            f"the load generator used more than {100 * GENERATOR_BUSY_CORES:g} % of its core in {busy:.0%} of the"
            " seconds that count, so it, and not the server, may have been the limit"
        )
    typical_ms = _typical_ms(held)
    if lag_ms is not None and typical_ms is not None and lag_ms > _own_limit_ms(typical_ms):
        reasons.append(
            f"the load generator's event loop was {lag_ms:.0f} ms late at its 99th percentile, at a median latency of"
            f" {typical_ms:.0f} ms, so the figures are partly its own waiting"
        )
    wanted = profile.users if isinstance(profile, ClosedLoop) else profile.max_in_flight
    users = health.get("users_min")
    if users is not None and users < wanted:
        reasons.append(f"only {users} of {wanted} users were there in a part of what counts, so some had died")
    resent = health.get("resent_share")
    if resent is not None and resent > _LIMITS.resent_share:
        reasons.append(
            f"{resent:.1%} of the generator's TCP segments had to be sent again, so the network was the limit or broken"
        )
    return reasons


def _of_clocks(rows: pa.Table, health: dict[str, Any]) -> list[str]:
    reasons = []
    moved_ms = health.get("clock_moved_ms")
    if moved_ms is not None and moved_ms > _LIMITS.clock_ms:
        reasons.append(f"the generator's wall clock was set by {moved_ms:.0f} ms during the test, so times do not fit")
    start, intended = _us(rows, "start"), _us(rows, "intended_start")
    if (early := int((start < intended).sum())) or int((_us(rows, "latency_us") < 0).sum()):
        reasons.append(
            f"{early} requests were sent before they were due, or were answered before they were sent, which no clock"
            " that runs forward would say"
        )
    return reasons


def _of_the_schedule(held: pa.Table, profile: LoadProfile) -> list[str]:
    if isinstance(profile, ClosedLoop) or not held.num_rows:
        return []
    reasons = []
    if isinstance(profile, OpenLoop):
        due = due_in_hold(profile.rate_rps, profile.ramp_s, profile.hold_s, profile.arrivals, profile.seed)
        if held.num_rows != due:
            reasons.append(
                f"{due} requests were due in the hold phase but {held.num_rows} rows are there, so rows are missing"
            )
    sent = held.filter(pc.not_equal(pc.fill_null(held["error"], ""), NOT_SENT))
    if sent.num_rows < 2:
        return reasons
    delay_ms = (_us(sent, "start") - _us(sent, "intended_start")) / 1e3
    response_ms = delay_ms + _us(sent, "latency_us") / 1e3
    late_ms, typical_ms = float(np.quantile(delay_ms, 0.99)), float(np.median(response_ms))
    if sent.num_rows >= _FEWEST_FOR_P99 and late_ms > _own_limit_ms(typical_ms):
        reasons.append(
            f"requests were sent up to {late_ms:.0f} ms after they were due (99th percentile), at a median response of"
            f" {typical_ms:.0f} ms: the generator could not keep its schedule"
        )
    wanted_rps, sent_rps = _rate(_us(sent, "intended_start")), _rate(_us(sent, "start"))
    if wanted_rps and abs(sent_rps / wanted_rps - 1) > _LIMITS.rate_off:
        reasons.append(
            f"{sent_rps:.1f} requests a second were sent where {wanted_rps:.1f} were intended, so it is another load"
            " than the one that was asked for"
        )
    return reasons


def _of_drift(held: pa.Table, profile: LoadProfile) -> list[str]:
    """The steady-state test: neither latency nor throughput may drift over the windows of a hold."""
    if isinstance(profile, CapacitySearch):
        return []  # every step of a search is judged by its own trend
    windows = _windows(held)
    if windows is None:
        return []
    reasons = []
    for name, values, limit in (
        ("median latency", [float(np.median(response_ms)) for response_ms, _ in windows], _LIMITS.drift_latency),
        ("throughput", [rate_rps for _, rate_rps in windows], _LIMITS.drift_rate),
    ):
        trend = trend_of(values)
        drift = trend.slope * (len(values) - 1) / float(np.median(values))
        if abs(drift) > limit and trend.significant(_LIMITS.drift_confidence):
            moved = "rose" if drift > 0 else "fell"
            reasons.append(
                f"the run did not settle: {name} {moved} by {abs(drift):.0%} over the {HOLD} phase"
                f" (Mann-Kendall z = {trend.z:.1f}), so its figures depend on when it was stopped"
            )
    return reasons


def _windows(held: pa.Table) -> list[tuple[npt.NDArray[np.float64], float]] | None:
    """Response times, and answers a second, of windows of equal length; None where there is too little to tell."""
    good = held.filter(held["ok"])
    due_us = _us(good, "intended_start")
    if good.num_rows < _WINDOWS * _FEWEST_A_WINDOW or (span_us := int(np.ptp(due_us))) < _SHORTEST_S * 1e6:
        return None
    end_us = _us(good, "start") + _us(good, "latency_us")
    response_ms = (end_us - due_us) / 1e3
    edges_us = due_us.min() + np.linspace(0, span_us, _WINDOWS + 1)
    windows = []
    for low_us, high_us in pairwise(edges_us):
        within = response_ms[(due_us >= low_us) & (due_us <= high_us)]
        if len(within) < _FEWEST_A_WINDOW:
            return None
        answers = int(((end_us >= low_us) & (end_us < high_us)).sum())
        windows.append((within, float(answers / (high_us - low_us) * 1e6)))
    return windows


def _own_limit_ms(typical_ms: float) -> float:
    return max(_LIMITS.own_ms, _LIMITS.own_share * typical_ms)


def _typical_ms(rows: pa.Table) -> float | None:
    good = rows.filter(rows["ok"])
    return float(np.median(_us(good, "latency_us"))) / 1e3 if good.num_rows else None


def _rate(times_us: Times) -> float:
    span_us = int(np.ptp(times_us))
    return (len(times_us) - 1) / span_us * 1e6 if span_us else 0.0


def _us(rows: pa.Table, column: str) -> Times:
    return np.asarray(rows[column].cast(pa.int64()).to_numpy(), dtype=np.int64)
