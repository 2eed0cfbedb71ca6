"""The exact figures of one run, of the phase that counts: nothing is binned, rounded or estimated."""

from dataclasses import asdict, dataclass
from typing import Any

import duckdb
import numpy as np

from analysis.pricing.cost import HOURS_A_DAY, HOURS_A_MONTH
from analysis.results.columns import Columns, Integers, RunRows, quantiles_of, read_columns
from analysis.results.manifest import Manifest
from analysis.results.store import NOT_SENT, ResultsStore

_QUANTILES = {"p50_ms": 0.5, "p90_ms": 0.9, "p95_ms": 0.95, "p99_ms": 0.99, "max_ms": 1.0}
_DELAYS = {"delay_p50_ms": 0.5, "delay_p99_ms": 0.99, "delay_max_ms": 1.0}
_MEASURED = ("duration_s", "offered_rps", "throughput_rps", "goodput_rps", *_DELAYS, *_QUANTILES)
_UNNAMED = "unnamed"


@dataclass(frozen=True)
class RunSummary:
    """Figures of one run. What could not be measured or priced is None, never 0.

    All are of one phase: the hold, or the step at the capacity that a search found. `requests`, `good` and `errors`
    count what was due in it. Latencies are of the good answers among them, from when each was due: a refusal is quick
    and a time-out is the client's choice, so both count as errors and in no percentile. In a closed loop a request is
    due when it is sent. Of an open one, `offered_rps` is the rate that was due and `delay_…_ms` how late it was sent.
    `duration_s` is from the phase's first send to its last; `throughput_rps` (answers and errors) and `goodput_rps`
    (good answers) count what came back within it, whoever sent it, so that neither edge is counted twice and one
    straggler does not stretch it. `usd_24h` is a month as the published experiment counts it, `usd_730h` a whole one.
    """

    run_id: str
    stack: str
    valid: bool
    reasons: tuple[str, ...]
    rows_by_phase: dict[str, int]
    requests: int
    good: int
    errors: dict[str, int]
    error_rate: float | None
    duration_s: float | None
    offered_rps: float | None
    throughput_rps: float | None
    goodput_rps: float | None
    delay_p50_ms: float | None
    delay_p99_ms: float | None
    delay_max_ms: float | None
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    capacity_rps: float | None
    capacity_low_rps: float | None
    capacity_high_rps: float | None
    usd_hourly: float | None
    usd_24h: float | None
    usd_730h: float | None
    usd_per_million_good: float | None

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON and for a stack's outputs."""
        return asdict(self)


def summarise(store: ResultsStore, manifest: Manifest) -> RunSummary:
    """Read the run's rows and count; rows that are missing or cannot be read make the run invalid and say so."""
    try:
        rows = read_columns(store, manifest)
    except duckdb.Error as error:
        return summary_without_rows(manifest, error)
    return summary_of(manifest, rows)


def summary_of(manifest: Manifest, rows: RunRows) -> RunSummary:
    """The figures of rows that were read."""
    figures = _rates(rows) | _latencies(rows.counted)
    if manifest.load.mode != "closed":
        figures |= _schedule(rows.counted)
    return _summary(manifest, rows.missing, _counts(rows), figures)


def summary_without_rows(manifest: Manifest, error: duckdb.Error) -> RunSummary:
    """What is known of a run whose rows cannot be read."""
    nothing = {"rows_by_phase": {}, "requests": 0, "good": 0, "errors": {}, "error_rate": None}
    return _summary(manifest, (f"the rows cannot be read: {str(error).splitlines()[0]}",), nothing, {})


def _summary(
    manifest: Manifest, problems: tuple[str, ...], counted: dict[str, Any], figures: dict[str, float]
) -> RunSummary:
    measured: dict[str, Any] = dict.fromkeys(_MEASURED) | figures
    return RunSummary(
        run_id=manifest.run_id,
        stack=manifest.stack,
        valid=manifest.validity.verdict == "valid" and not problems,
        reasons=(*manifest.validity.reasons, *problems),
        **counted,
        **measured,
        **_capacity(manifest),
        **_money(manifest.cost.hourly, measured["goodput_rps"]),
    )


def _counts(rows: RunRows) -> dict[str, Any]:
    every, counted = rows.every, rows.counted
    phases = every.phase.counts()
    begun_us = {phase: every.start_us[every.phase.are(phase)].min() for phase in phases}
    failed = counted.where(~counted.ok)
    errors = failed.error.counts()
    if unnamed := failed.ok.size - sum(errors.values()):
        errors[_UNNAMED] = errors.get(_UNNAMED, 0) + unnamed
    requests = counted.ok.size
    return {
        "rows_by_phase": {phase: phases[phase] for phase in sorted(phases, key=begun_us.__getitem__)},
        "requests": requests,
        "good": requests - failed.ok.size,
        "errors": dict(sorted(errors.items(), key=lambda each: (-each[1], each[0]))),
        "error_rate": failed.ok.size / requests if requests else None,
    }


def _rates(rows: RunRows) -> dict[str, float]:
    start_us = rows.counted.start_us
    if not start_us.size or (first_us := int(start_us.min())) == (last_us := int(start_us.max())):
        return {}
    every = rows.every
    came = (every.end_us > first_us) & (every.end_us <= last_us)
    answers, good = np.count_nonzero(came & ~every.error.are(NOT_SENT)), np.count_nonzero(came & every.ok)
    duration_s = (last_us - first_us) / 1e6
    return {"duration_s": duration_s, "throughput_rps": answers / duration_s, "goodput_rps": good / duration_s}


def _latencies(counted: Columns) -> dict[str, float]:
    return _quantiles_ms(counted.response_us[counted.ok], _QUANTILES)


def _schedule(counted: Columns) -> dict[str, float]:
    """What an open loop offered, and how late it was."""
    sent = ~counted.error.are(NOT_SENT)
    measured = _quantiles_ms((counted.start_us - counted.due_us)[sent], _DELAYS)
    due = counted.due_us
    span_us = int(due.max() - due.min()) if due.size else 0
    return measured | ({"offered_rps": (due.size - 1) / span_us * 1e6} if span_us else {})


def _quantiles_ms(us: Integers, quantiles: dict[str, float]) -> dict[str, float]:
    """By numpy's default method, from the raw microseconds."""
    if us.size == 0:
        return {}
    return dict(zip(quantiles, (quantiles_of(np.sort(us), list(quantiles.values())) / 1000).tolist(), strict=True))


def _capacity(manifest: Manifest) -> dict[str, Any]:
    rps = manifest.capacity.rps if manifest.capacity else None
    return {
        "capacity_rps": rps.value if rps else None,
        "capacity_low_rps": rps.low if rps else None,
        "capacity_high_rps": rps.high if rps else None,
    }


def _money(hourly: float | None, goodput_rps: float | None) -> dict[str, Any]:
    return {
        "usd_hourly": hourly,
        "usd_24h": None if hourly is None else hourly * HOURS_A_DAY,
        "usd_730h": None if hourly is None else hourly * HOURS_A_MONTH,
        "usd_per_million_good": None if hourly is None or not goodput_rps else hourly / (goodput_rps * 3600) * 1e6,
    }
