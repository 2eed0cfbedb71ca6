"""Runs every check of a load test."""

from typing import Any

import pyarrow as pa

from loadtest.generator.plan import LoadTestPlan
from loadtest.result.modes import rules_of
from loadtest.result.raw_rows import RawRows
from loadtest.result.validity.measurement import drift_reasons, measurement_reasons
from loadtest.result.validity.servers import Servers, load_sharing_reasons, server_change_reasons
from loadtest.result.validity.termination import Termination, file_reasons, row_reasons, termination_reasons


def reasons_against(
    plan: LoadTestPlan,
    termination: Termination,
    raw_rows: RawRows,
    samples: pa.Table,
    servers: Servers,
    phase: str,
) -> tuple[str, ...]:
    """Every reason why the run is not valid; none when it is. Its figures are those of `phase`."""
    return (
        *_measurement(plan, termination, raw_rows, phase),
        *server_change_reasons(servers),
        *load_sharing_reasons(raw_rows.rows, phase, samples, servers.replicas, rules_of(plan.load)),
    )


def _measurement(plan: LoadTestPlan, termination: Termination, raw_rows: RawRows, phase: str) -> list[str]:
    """The first group with a reason: what is odd in a later group follows from an earlier one."""
    totals: dict[str, Any] = termination.totals or {}
    rows, rules, health = raw_rows.rows, rules_of(plan.load), totals.get("health") or {}
    search = totals.get("search")
    if search and not totals["stop"] and (reason := rules.search_reason(search)):
        return [reason]
    return (
        [
            *termination_reasons(termination),
            *file_reasons(raw_rows, totals.get("counted_requests")),
            *row_reasons(rows, phase),
        ]
        or measurement_reasons(rows, phase, rules, plan.load.users, health)
        or drift_reasons(rows, phase, rules)
    )
