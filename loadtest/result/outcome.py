"""The outcome of a load test, wherever it ran: its rows, its capacity, and every reason why it is not valid."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from analysis.results.schema.manifest import SearchedCapacity
from analysis.results.schema.other_cpu import OtherCpu
from loadtest.generator.phases import HOLD
from loadtest.generator.plan import CapacitySearchPlan, LoadTestPlan, ScheduledPlan
from loadtest.result.capacity_figures import capacity_of
from loadtest.result.finished_steps import finished_steps
from loadtest.result.raw_rows import RawRows
from loadtest.result.servers import Servers, deployment_of
from loadtest.result.validity.disturbance import Disturbances, accepted
from loadtest.result.validity.measurement import measurement_reasons
from loadtest.result.validity.servers import load_sharing_reasons, refused_call_reasons, server_change_reasons
from loadtest.result.validity.steady_state import steady_state_reasons
from loadtest.result.validity.termination import (
    Termination,
    any_ok,
    file_reasons,
    row_reasons,
    termination_reasons,
)


@dataclass(frozen=True)
class LoadTestOutcome:
    """What was measured. `rows` are in REQUESTS_SCHEMA, `samples` in SAMPLES_SCHEMA; a run with `reasons` is not valid.

    `faults` are of the test or the servers; `unsettled` says how the speed changed during the test, or what other
    programs took from it: `other_cpu`, None where that is not known.

    `counted_requests` is Locust's own count; `cpu_peak_percent` is of one core, over a second, of the busiest of the
    `processes`. Both are None when the generator died before it could report them; then its `machine` is empty.
    `deployment` names the set of server processes that answered, None where that is unknown. `seed` is that of the
    arrivals, None in a closed loop.
    """

    rows: pa.Table
    samples: pa.Table
    started_at: datetime
    finished_at: datetime
    processes: int
    counted_requests: int | None
    cpu_peak_percent: float | None
    locust_version: str
    machine: Mapping[str, Any]
    deployment: str | None
    seed: int | None
    capacity: SearchedCapacity | None
    faults: tuple[str, ...]
    unsettled: tuple[str, ...]
    other_cpu: OtherCpu | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Every reason why the run is not valid; none when it is."""
        return self.faults + self.unsettled

    @property
    def did_not_settle(self) -> bool:
        """Whether it is not valid only because of what else its machine did during the test."""
        return bool(self.unsettled) and not self.faults


def outcome_of(
    plan: LoadTestPlan,
    termination: Termination,
    raw_rows: RawRows,
    samples: pa.Table,
    servers: Servers,
    started_at: datetime,
) -> LoadTestOutcome:
    """The outcome of a test that has ended, just now where `termination` has no time."""
    totals = termination.totals or {}
    disturbances = Disturbances(raw_rows.rows, samples, servers)
    steps = finished_steps(plan.load, totals, raw_rows.rows)
    searched = None
    if isinstance(plan.load, CapacitySearchPlan) and steps is not None:
        searched = capacity_of(plan.load, steps, disturbances.disturbed)
    capacity = searched if isinstance(searched, SearchedCapacity) else None
    # The figures are of the hold, or at the capacity.
    phase = capacity.phase if capacity else HOLD
    counted = raw_rows.rows.filter(pc.equal(raw_rows.rows["phase"], phase))
    broken = [*termination_reasons(termination), *file_reasons(raw_rows, totals.get("counted_requests"))]
    disturbed = None
    if not broken and any_ok(raw_rows.rows):
        disturbed = disturbances.reason(steps or (), has_result=capacity is not None)
    refused = disturbed is not None and not accepted()
    # What is odd in a disturbed run, such as the generator's lag, follows from what disturbed it.
    faults = [] if refused else _faults_of_rows(broken, raw_rows, counted, phase, searched)
    unsettled = [disturbed] if disturbed and refused else []
    if not faults and not disturbances.explains(disturbed):
        faults = measurement_reasons(raw_rows.rows, counted, plan.load, totals.get("health") or {})
        unsettled = [] if faults else steady_state_reasons(raw_rows.rows, counted, plan.load)
    return LoadTestOutcome(
        rows=raw_rows.rows,
        samples=samples,
        started_at=started_at,
        finished_at=termination.ended_at or datetime.now(UTC),
        processes=plan.workers,
        counted_requests=totals.get("counted_requests"),
        cpu_peak_percent=totals.get("cpu_peak_percent"),
        locust_version=totals.get("locust_version", termination.locust_version),
        machine=totals.get("machine") or {},
        deployment=deployment_of(servers.before),
        seed=plan.load.seed if isinstance(plan.load, ScheduledPlan) else None,
        capacity=capacity,
        faults=(
            *faults,
            *refused_call_reasons(raw_rows.rows, plan),
            *server_change_reasons(servers),
            *load_sharing_reasons(counted, samples, servers, plan.load),
        ),
        unsettled=tuple(unsettled),
        other_cpu=disturbances.while_measured(steps or ()),
    )


def _faults_of_rows(
    broken: list[str], raw_rows: RawRows, counted: pa.Table, phase: str, searched: SearchedCapacity | str | None
) -> list[str]:
    """What is wrong with the rows, or why a search found nothing; what is odd in the figures follows from that."""
    if isinstance(searched, str):
        return [searched]
    return [*broken, *row_reasons(raw_rows.rows, counted, phase)]
