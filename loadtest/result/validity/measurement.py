"""Checks of whether the figures are the server's: clocks, schedule and generator health.

docs/measurement.md gives the reason for each threshold.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analysis.results.schema.request_rows import NOT_SENT
from analysis.results.schema.thresholds import GENERATOR_BUSY_CORES, GENERATOR_BUSY_SHARE
from loadtest.generator.phases import HOLD
from loadtest.generator.plan import CapacitySearchPlan, LoadPlan, ScheduledPlan
from loadtest.result.raw_rows import times_us

# The event loop's lag, or the delay of sending, may be this much of the median latency, or _OWN_MS if that is more.
_OWN_SHARE, _OWN_MS = 0.25, 50.0
_RATE_DEVIATION = 0.005
_RETRANSMITTED_RATIO = 0.01
_CLOCK_STEP_MS = 50.0

# The 99th percentile of fewer requests is a single pause of the machine.
_FEWEST_FOR_P99 = 200

_CLOCK_FIX = "stop time synchronisation from setting the clock during a test, and run again"


def measurement_reasons(rows: pa.Table, counted: pa.Table, load: LoadPlan, health: Mapping[str, Any]) -> list[str]:
    """Whether the generator, its clock or its network decided the figures, which are of the `counted` rows."""
    return [
        *_clock_reasons(rows, health),
        *_schedule_reasons(counted, load),
        *_generator_reasons(counted, load, health),
    ]


def _less_load(load: LoadPlan) -> str:
    """How the generator has less to do. A search runs in one process, whatever its settings."""
    if isinstance(load, CapacitySearchPlan):
        return "measure fewer nodes, or give the generator faster cores (a capacity search runs in one process)"
    return "raise shapebench:load.processes or, in a cluster, load.pods, or send less"


def _generator_reasons(counted: pa.Table, load: LoadPlan, health: Mapping[str, Any]) -> list[str]:
    reasons = []
    busy, lag_ms = health.get("busy_ratio"), health.get("event_loop_lag_p99_ms")
    if busy is not None and busy > GENERATOR_BUSY_SHARE:
        reasons.append(
            f"the load generator used more than {100 * GENERATOR_BUSY_CORES:g} % of its core in {busy:.0%} of the"
            f" measured seconds, so the limit may have been the generator and not the server; {_less_load(load)}"
        )
    latency_us = times_us(counted.filter(counted["ok"]), "latency_us")
    median_ms = float(np.median(latency_us)) / 1e3 if len(latency_us) else None
    if lag_ms is not None and median_ms is not None and lag_ms > _own_limit_ms(median_ms):
        reasons.append(
            f"the load generator's event loop had a lag of {lag_ms:.0f} ms (99th percentile) at a median latency of"
            f" {median_ms:.0f} ms, so the figures include this lag; end other work on its machine, or"
            f" {_less_load(load)}"
        )
    fewest_users = health.get("users_min")
    if fewest_users is not None and fewest_users < load.users:
        reasons.append(
            f"only {fewest_users} of {load.users} users were running during a part of the {HOLD} phase, so the load was"
            " lower than planned; run again"
        )
    retransmitted = health.get("retransmitted_ratio")
    if retransmitted is not None and retransmitted > _RETRANSMITTED_RATIO:
        reasons.append(
            f"{retransmitted:.1%} of the generator's TCP segments were retransmitted, so the network was the limit or"
            " faulty; check the network between generator and server, and run again"
        )
    return reasons


def _clock_reasons(rows: pa.Table, health: Mapping[str, Any]) -> list[str]:
    reasons = []
    step_ms = health.get("clock_step_ms")
    if step_ms is not None and step_ms > _CLOCK_STEP_MS:
        reasons.append(
            f"the generator's wall clock was changed by {step_ms:.0f} ms during the test, so its times do not match"
            f" those of the servers; {_CLOCK_FIX}"
        )
    early = int((times_us(rows, "start") < times_us(rows, "intended_start")).sum())
    negative = int((times_us(rows, "latency_us") < 0).sum())
    if early or negative:
        reasons.append(
            f"{early} requests were sent before they were due and {negative} have a negative latency, so the clock ran"
            f" backwards; {_CLOCK_FIX}"
        )
    return reasons


def _schedule_reasons(counted: pa.Table, load: LoadPlan) -> list[str]:
    if not isinstance(load, ScheduledPlan) or not counted.num_rows:
        return []
    reasons = []
    due = load.due_in_hold()
    if due not in {None, counted.num_rows}:
        reasons.append(
            f"{due} requests were due in the {HOLD} phase, but it has {counted.num_rows} rows, so rows are missing;"
            " run again"
        )
    sent = counted.filter(pc.not_equal(pc.fill_null(counted["error"], ""), NOT_SENT))
    if sent.num_rows < 2:
        return reasons
    delay_ms = (times_us(sent, "start") - times_us(sent, "intended_start")) / 1e3
    response_ms = delay_ms + times_us(sent, "latency_us") / 1e3
    delay_p99_ms, median_ms = float(np.quantile(delay_ms, 0.99)), float(np.median(response_ms))
    if sent.num_rows >= _FEWEST_FOR_P99 and delay_p99_ms > _own_limit_ms(median_ms):
        reasons.append(
            f"requests were sent {delay_p99_ms:.0f} ms after they were due (99th percentile) at a median response time"
            f" of {median_ms:.0f} ms, so the figures include the generator's delay; {_less_load(load)}"
        )
    planned_ms, took_ms = (float(np.ptp(times_us(sent, name))) / 1e3 for name in ("intended_start", "start"))
    # Of few requests a single late one changes the rate.
    if planned_ms and took_ms and abs(took_ms - planned_ms) > max(_RATE_DEVIATION * planned_ms, _OWN_MS):
        planned_rps, sent_rps = (1e3 * (sent.num_rows - 1) / each for each in (planned_ms, took_ms))
        reasons.append(
            f"{sent_rps:.1f} requests/s were sent instead of the planned {planned_rps:.1f}, so the figures are of"
            f" another load; {_less_load(load)}"
        )
    return reasons


def _own_limit_ms(median_ms: float) -> float:
    return max(_OWN_MS, _OWN_SHARE * median_ms)
