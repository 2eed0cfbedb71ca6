"""The outcome of a load test, wherever it ran: its rows, its capacity, and every reason why it is not valid."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from analysis.results.manifest import Capacity
from loadtest.generator.phases import HOLD
from loadtest.generator.plan import LoadTestPlan
from loadtest.result.modes import rules_of
from loadtest.result.raw_rows import RawRows
from loadtest.result.validity.checks import reasons_against
from loadtest.result.validity.servers import Servers
from loadtest.result.validity.termination import Termination


@dataclass(frozen=True)
class Progress:
    """The state of a running test. `rps` and `p50_ms` are of the last seconds; `p50_ms` is None without answers."""

    elapsed_s: float
    total_s: float
    phase: str | None
    users: int
    requests: int
    errors: int
    rps: float
    p50_ms: float | None


@dataclass(frozen=True)
class LoadTestOutcome:
    """What was measured. `rows` are in REQUESTS_SCHEMA, `samples` in SAMPLES_SCHEMA; a run with `reasons` is not valid.

    `counted_requests` is Locust's own count; `cpu_peak_percent` is of one core, over a second, of the busiest of the
    `processes`. Both are None when the generator died before it could report them.
    """

    rows: pa.Table
    samples: pa.Table
    started_at: datetime
    finished_at: datetime
    processes: int
    counted_requests: int | None
    cpu_peak_percent: float | None
    locust_version: str
    capacity: Capacity | None
    reasons: tuple[str, ...]


def outcome_of(
    plan: LoadTestPlan,
    termination: Termination,
    raw_rows: RawRows,
    samples: pa.Table,
    servers: Servers,
    started_at: datetime,
) -> LoadTestOutcome:
    """The outcome of a test that has just ended."""
    totals = termination.totals or {}
    search = totals.get("search")
    capacity = rules_of(plan.load).capacity(search, raw_rows.rows) if search and not totals["stop"] else None
    phase = capacity.phase if capacity else HOLD
    return LoadTestOutcome(
        rows=raw_rows.rows,
        samples=samples,
        started_at=started_at,
        finished_at=datetime.now(UTC),
        processes=plan.processes,
        counted_requests=totals.get("counted_requests"),
        cpu_peak_percent=totals.get("cpu_peak_percent"),
        locust_version=totals.get("locust_version", termination.locust_version),
        capacity=capacity,
        reasons=reasons_against(plan, termination, raw_rows, samples, servers, phase),
    )
