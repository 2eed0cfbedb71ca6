"""Checks of how the generator ended and whether its rows are complete."""

import signal
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from loadtest.result.raw_rows import RawRows

# By the cause in loadtest.generator.monitoring.server_watch.Stop.
_STOPS = {
    "server_gone": "the server stopped answering: {}, so later requests are missing; check the server's log, and run"
    " again",
    "interrupted": "the test was interrupted ({}), so later requests are missing; run again",
    "caller_gone": "the program that started the test ended ({}), so later requests are missing; run again",
    "worker_lost": "a process of the load generator was lost ({}), so the load was lower than planned; use fewer users"
    " if it ran out of memory, and run again",
    "clocks_apart": "the clocks of the load generator's pods differ ({}), so their requests would not have begun at one"
    " time; let the load pool's nodes synchronise their clocks, and run again",
    "rows_not_written": "rows could not be written, so some are missing ({}); free disk space and run again",
}

# What to do about a kill, by its reason in the container's status.
_FIXES = {
    "OOMKilled": "it used more memory than its container's limit: use fewer users, or raise the limit in"
    " provider/cluster/load_job.py"
}

# What to do about requests that all failed with one error.
_THEN = {
    "wrong_answer": "the answers differ from the first ones to the same requests; for a model that answers differently"
    " each time, set shapebench:payload.check to shape"
}


class EndedByRunner(Enum):
    """Why the generator did not end by itself; the value is the reason against the run."""

    CANCELLED = "the test was cancelled, so later requests are missing; run again"
    LEFT = "the update that ran the test was interrupted, so later requests are missing; run again"
    KILLED = "the process that ran the test was killed, so later requests may be missing; run again"
    TIMED_OUT = "the load generator did not end in time and was stopped, so its last requests may be missing; run again"


def reason_to_end(cancelled: threading.Event, deadline_s: float) -> EndedByRunner | None:
    """Why a running generator has to be ended now; `deadline_s` is on the monotonic clock."""
    if cancelled.is_set():
        return EndedByRunner.CANCELLED
    return EndedByRunner.TIMED_OUT if time.monotonic() > deadline_s else None


@dataclass(frozen=True)
class Termination:
    """How the generator ended: by itself, or by the runner where `ended_by_runner` is set.

    `totals` is the last line that it printed, None when it ended before that; `locust_version` is for that case. Of a
    pod: `killed_by` is the reason in its container's status, `deletion_reason` is why the pod was being deleted, and
    `lost_because` why it is gone with its rows; `lost_pods` says it of each other pod of the generator. `ended_at` is
    given where that is some time ago.
    """

    exit_code: int | None
    totals: dict[str, Any] | None
    ended_by_runner: EndedByRunner | None
    last_log_lines: tuple[str, ...]
    locust_version: str = "(unknown)"
    killed_by: str | None = None
    lost_because: str | None = None
    lost_pods: tuple[str, ...] = ()
    deletion_reason: str | None = None
    ended_at: datetime | None = None


def termination_reasons(termination: Termination) -> list[str]:
    """Whether the generator ran to its planned end."""
    if termination.ended_by_runner:
        return [termination.ended_by_runner.value]
    stop = termination.totals and termination.totals["stop"]
    if reason := _pod_reason(termination, has_stopped=bool(stop) or termination.exit_code is None):
        return [reason]
    if stop:
        return [_STOPS[stop["cause"]].format(stop["detail"])]
    if termination.exit_code != 0 or termination.totals is None:
        log = " | ".join(termination.last_log_lines) or "empty"
        how = ", ".join(filter(None, (_exit_text(termination.exit_code), termination.killed_by)))
        fix = _FIXES.get(termination.killed_by or "", "correct what its log names, and run again")
        return [f"the load generator crashed ({how}), so requests are missing; {fix}; the end of its log: {log}"]
    if termination.totals["counted_requests"] is None:
        return ["not all processes of the load generator reported their totals, so requests may be missing; run again"]
    return []


def _pod_reason(termination: Termination, *, has_stopped: bool) -> str | None:
    """Whether a pod of the generator was lost; one that is deleted when all is over is not."""
    if termination.lost_because:
        return (
            f"the load generator was lost before its rows were fetched ({termination.lost_because}), so there are no"
            " figures; check the load pool's nodes, and run again"
        )
    if termination.lost_pods:
        return (
            f"a pod of the load generator was lost ({'; '.join(termination.lost_pods)}), so the load was lower than"
            " planned, and rows are missing; check the load pool's nodes, and run again"
        )
    if termination.deletion_reason and has_stopped:
        return (
            f"the load generator's pod was deleted during the test ({termination.deletion_reason}), so its last"
            " requests are missing; do not delete it or drain the load pool's nodes during a test, and run again"
        )
    return None


def file_reasons(raw_rows: RawRows, counted_requests: int | None) -> list[str]:
    """Whether every request that Locust counted is a row that can be read."""
    reasons = []
    if raw_rows.torn:
        reasons.append("the last row was only partly written, so it is excluded and a request is missing; run again")
    if raw_rows.corrupt_lines:
        count, shown = len(raw_rows.corrupt_lines), ", ".join(map(str, raw_rows.corrupt_lines[:5]))
        reasons.append(
            f"{count} lines of the generator's files are not rows (lines {shown}), so they are excluded and requests"
            " are missing; run again"
        )
    rows = raw_rows.rows.num_rows
    if counted_requests is not None and counted_requests != rows:
        reasons.append(
            f"Locust counted {counted_requests} requests, but {rows} rows were read, so rows are missing or duplicated;"
            " run again"
        )
    return reasons


def row_reasons(rows: pa.Table, counted: pa.Table, phase: str) -> list[str]:
    """Whether there are rows with correct answers in the counted phase."""
    if not rows.num_rows:
        return ["no request was finished, so there is nothing to measure; check that the server answers, and run again"]
    reasons = []
    if not any_ok(rows):
        reasons.append(f"all {rows.num_rows} requests failed, most of them with {_no_answers(rows)}")
    elif counted.num_rows and not any_ok(counted):
        reasons.append(
            f"all {counted.num_rows} requests of the {phase} phase failed, most of them with {_no_answers(counted)}"
        )
    if not counted.num_rows:
        reasons.append(
            f"the {phase} phase was never reached, so there are no figures at full load; give a longer durationS"
        )
    return reasons


def any_ok(rows: pa.Table) -> bool:
    """Whether any request was answered correctly."""
    return bool(pc.any(rows["ok"]).as_py())


def _no_answers(rows: pa.Table) -> str:
    counts = pc.value_counts(rows["error"]).to_pylist()
    commonest = str(max(counts, key=lambda count: count["counts"])["values"])
    then = _THEN.get(commonest, "check the server's log, and run again")
    return f"{commonest}, so there are no latencies; {then}"


def _exit_text(exit_code: int | None) -> str:
    if exit_code is None:
        return "it could not be ended"
    if exit_code < 0:
        return signal.Signals(-exit_code).name
    return f"exit code {exit_code}"
