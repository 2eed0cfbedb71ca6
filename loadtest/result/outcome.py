"""What a load test comes to, wherever it ran: its progress, its rows, and every reason against counting them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa

from analysis.results.manifest import Capacity
from analysis.results.samples import SAMPLES_SCHEMA
from loadtest.generator.phases import HOLD
from loadtest.result.capacity_figures import capacity_of, reason_against
from loadtest.result.raw_rows import Spool
from loadtest.result.reasons import Ending, reasons_against
from loadtest.result.validity import reasons_in
from stacks.load_profiles import CapacitySearch, LoadProfile


@dataclass(frozen=True)
class Progress:
    """Where the test stands. Rate and median are those of the last seconds; `p50_ms` is None where there were none."""

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
    """What was measured. `rows` are in REQUESTS_SCHEMA; a run with any of `reasons` is not valid.

    `counted_requests` is Locust's own count; `cpu_peak_percent` is of one core, over a second, of the busiest of the
    `processes` that asked. Both are None when the generator died before it could say.
    """

    rows: pa.Table
    started_at: datetime
    finished_at: datetime
    counted_requests: int | None
    cpu_peak_percent: float | None
    locust_version: str
    capacity: Capacity | None
    reasons: tuple[str, ...]
    processes: int = 1
    samples: pa.Table = field(default_factory=SAMPLES_SCHEMA.empty_table)

    @property
    def counted_phase(self) -> str:
        """The phase that the figures are of."""
        return self.capacity.phase if self.capacity else HOLD


def outcome_of(
    ending: Ending,
    spool: Spool,
    profile: LoadProfile,
    started_at: datetime,
    locust_version: str,
    more_reasons: tuple[str, ...] = (),
) -> LoadTestOutcome:
    """The outcome of a test that is over now.

    `locust_version` counts where the generator did not live to say its own; `more_reasons` are those that neither its
    end nor its rows can tell.
    """
    totals = ending.totals or {}
    capacity, reasons = None, []
    search = totals.get("search")
    if isinstance(profile, CapacitySearch) and search and not totals["stop"]:
        capacity = capacity_of(profile, search, spool.rows)
        reasons = [reason] if (reason := reason_against(profile, search)) else []
    phase = capacity.phase if capacity else HOLD
    if not reasons:
        reasons = [*reasons_against(ending, spool, phase)]
    if not reasons:
        # How a run ended comes first: what is odd about the figures of one that was cut off follows from that.
        reasons = [*reasons_in(spool.rows, phase, profile, totals.get("health"))]
    return LoadTestOutcome(
        rows=spool.rows,
        started_at=started_at,
        finished_at=datetime.now(UTC),
        counted_requests=totals.get("counted_requests"),
        cpu_peak_percent=totals.get("cpu_peak_percent"),
        locust_version=totals.get("locust_version", locust_version),
        capacity=capacity,
        reasons=(*reasons, *more_reasons),
    )
