"""The exact figures of one run, of the phase that counts: nothing is binned, rounded or estimated."""

from dataclasses import asdict, dataclass
from typing import Any

import duckdb
import numpy as np

from analysis.cost import HOURS_A_DAY, HOURS_A_MONTH
from analysis.manifest import Manifest
from analysis.rows import open_rows
from analysis.store import ResultsStore

_QUANTILES = {"p50_ms": 0.5, "p90_ms": 0.9, "p95_ms": 0.95, "p99_ms": 0.99, "max_ms": 1.0}
_DELAYS = {"delay_p50_ms": 0.5, "delay_p99_ms": 0.99, "delay_max_ms": 1.0}
_MEASURED = ("duration_s", "offered_rps", "throughput_rps", "goodput_rps", *_DELAYS, *_QUANTILES)
# Was due, and could not be sent: no answer, and nothing that came back.
_NOT_SENT = "not_sent"


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
    reasons = list(manifest.validity.reasons)
    counted: dict[str, Any] = {"rows_by_phase": {}, "requests": 0, "good": 0, "errors": {}, "error_rate": None}
    measured: dict[str, Any] = dict.fromkeys(_MEASURED)
    try:
        with open_rows(store, manifest) as (connection, problems):
            reasons += [f"rows are missing: {problem.path} {problem.why}" for problem in problems]
            phase = manifest.counted_phase
            counted = _counts(connection, phase)
            measured |= _rates(connection, phase) | _latencies(connection, phase)
            if manifest.load.mode != "closed":
                measured |= _schedule(connection, phase)
    except duckdb.Error as error:
        reasons.append(f"the rows cannot be read: {str(error).splitlines()[0]}")
    return RunSummary(
        run_id=manifest.run_id,
        stack=manifest.stack,
        valid=manifest.validity.verdict == "valid" and len(reasons) == len(manifest.validity.reasons),
        reasons=tuple(reasons),
        **counted,
        **measured,
        **_capacity(manifest),
        **_money(manifest.cost.hourly, measured["goodput_rps"]),
    )


def _counts(connection: duckdb.DuckDBPyConnection, phase: str) -> dict[str, Any]:
    phases = connection.sql("SELECT phase, count(*) FROM requests GROUP BY phase ORDER BY min(start_us)").fetchall()
    errors = connection.execute(
        """
        SELECT coalesce(error, 'unnamed'), count(*) FROM requests
        WHERE phase = ? AND NOT ok GROUP BY 1 ORDER BY 2 DESC, 1
        """,
        [phase],
    ).fetchall()
    requests = dict(phases).get(phase, 0)
    failed = sum(count for _, count in errors)
    return {
        "rows_by_phase": dict(phases),
        "requests": requests,
        "good": requests - failed,
        "errors": dict(errors),
        "error_rate": failed / requests if requests else None,
    }


def _rates(connection: duckdb.DuckDBPyConnection, phase: str) -> dict[str, float]:
    first_us, last_us = _one_row(connection, "SELECT min(start_us), max(start_us) FROM requests WHERE phase = ?", phase)
    if first_us is None or first_us == last_us:
        return {}
    answers, good = _one_row(
        connection,
        """
        SELECT count(*) FILTER (error IS DISTINCT FROM ?), count(*) FILTER (ok)
        FROM requests WHERE end_us > ? AND end_us <= ?
        """,
        _NOT_SENT,
        first_us,
        last_us,
    )
    duration_s = (last_us - first_us) / 1e6
    return {"duration_s": duration_s, "throughput_rps": answers / duration_s, "goodput_rps": good / duration_s}


def _latencies(connection: duckdb.DuckDBPyConnection, phase: str) -> dict[str, float]:
    query = "SELECT response_us AS us FROM requests WHERE phase = ? AND ok"
    return _quantiles_ms(connection, query, phase, _QUANTILES)


def _schedule(connection: duckdb.DuckDBPyConnection, phase: str) -> dict[str, float]:
    """What an open loop offered, and how late it was."""
    query = f"SELECT start_us - due_us AS us FROM requests WHERE phase = ? AND error IS DISTINCT FROM '{_NOT_SENT}'"  # noqa: S608
    measured = _quantiles_ms(connection, query, phase, _DELAYS)
    due, span_us = _one_row(
        connection, "SELECT count(*), max(due_us) - min(due_us) FROM requests WHERE phase = ?", phase
    )
    return measured | ({"offered_rps": (due - 1) / span_us * 1e6} if span_us else {})


def _quantiles_ms(
    connection: duckdb.DuckDBPyConnection, query: str, phase: str, quantiles: dict[str, float]
) -> dict[str, float]:
    """By numpy's default method, from the raw microseconds: 8 bytes a row, one run at a time."""
    us = connection.execute(query, [phase]).fetchnumpy()["us"]
    if us.size == 0:
        return {}
    return dict(zip(quantiles, (np.quantile(us, list(quantiles.values())) / 1000).tolist(), strict=True))


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


def _one_row(connection: duckdb.DuckDBPyConnection, query: str, *values: object) -> tuple[Any, ...]:
    row = connection.execute(query, list(values)).fetchone()
    return row if row is not None else ()
