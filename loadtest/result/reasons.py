"""Why a run is not valid, in plain words: pure functions of how the generator ended and of the rows it left."""

import signal
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from loadtest.generator.phases import HOLD
from loadtest.result.raw_rows import Spool

_STOPS = {
    "server_gone": "the server stopped answering: {}",
    "interrupted": "the test was interrupted ({}), so requests after that are missing",
    "caller_gone": "the program that had started the test ended ({}), so requests after that are missing",
    "worker_lost": "a process of the load generator was lost ({}), so the load was not the one that was asked for",
    "rows_not_written": "rows could not be written, so some are missing ({}); free the disk and run again",
}


# What to do about who killed the generator, by the cluster's word for it.
_MENDS = {
    "OOMKilled": "it ran out of memory, more than its container's limit: load with fewer users, or raise the limit in"
    " provider/cluster/load_job.py"
}


class EndedFor(Enum):
    """Why the runner ended the generator; the text is the reason against the run."""

    CANCEL = "the test was cancelled before its end, so requests after that are missing"
    LATENESS = "the load generator did not end by itself in time and was ended, so its last requests may be missing"


@dataclass(frozen=True)
class Ending:
    """How the generator ended: by itself (`ended_for` is None) or by the runner.

    `totals` is its last line; None when it ended without saying one. `lost_with` says what took the generator's
    machine away while it ran, `killed_by` who killed it there, and `told_to_end` why it had to leave that machine,
    where somebody says so.
    """

    exit_code: int | None
    totals: dict[str, Any] | None
    ended_for: EndedFor | None
    last_log_lines: tuple[str, ...]
    killed_by: str | None = None
    lost_with: str | None = None
    told_to_end: str | None = None


def reasons_against(ending: Ending, spool: Spool, phase: str = HOLD) -> tuple[str, ...]:
    """Every reason why the run may not be counted; none when it may. Its figures are those of `phase`."""
    return (*_of_the_end(ending), *_of_the_file(ending, spool), *_of_the_rows(spool.rows, phase))


def _of_the_end(ending: Ending) -> list[str]:
    if ending.ended_for:
        return [ending.ended_for.value]
    if ending.lost_with:
        return [f"the load generator was lost before its rows were fetched ({ending.lost_with})"]
    stop = ending.totals and ending.totals["stop"]
    if ending.told_to_end and (stop or ending.exit_code is None):
        return [
            f"the load generator was told to leave its node ({ending.told_to_end}), so its last requests are missing"
        ]
    if stop:
        return [_STOPS[stop["cause"]].format(stop["detail"])]
    if ending.exit_code != 0 or ending.totals is None:
        log = " | ".join(ending.last_log_lines) or "empty"
        how = ", ".join(filter(None, (_ended_with(ending.exit_code), ending.killed_by)))
        mend = _MENDS.get(ending.killed_by or "")
        return [f"the load generator crashed ({how}); {f'{mend}; ' if mend else ''}the end of its log: {log}"]
    return []


def _of_the_file(ending: Ending, spool: Spool) -> list[str]:
    reasons = []
    if spool.torn:
        reasons.append("the last row was cut off while it was written and is left out")
    if spool.corrupt_lines:
        shown = ", ".join(map(str, spool.corrupt_lines[:5]))
        reasons.append(
            f"{len(spool.corrupt_lines)} lines of the generator's files are no rows and are left out (lines {shown})"
        )
    counted = ending.totals and ending.totals["counted_requests"]
    if counted is not None and counted != spool.rows.num_rows:
        reasons.append(f"Locust counted {counted} requests but {spool.rows.num_rows} rows were read, so rows are wrong")
    return reasons


def _of_the_rows(rows: pa.Table, phase: str) -> list[str]:
    if not rows.num_rows:
        return ["no request was finished, so there is nothing to measure"]
    reasons = []
    held = rows.filter(pc.equal(rows["phase"], phase))
    if not _any_ok(rows):
        reasons.append(f"all {rows.num_rows} requests failed, most of them with {_commonest_error(rows)}")
    elif held.num_rows and not _any_ok(held):
        reasons.append(f"all {held.num_rows} requests of the {phase} phase failed, most with {_commonest_error(held)}")
    if not held.num_rows:
        reasons.append(f"the {phase} phase was never reached, so there are no figures at the full load")
    return reasons


def _any_ok(rows: pa.Table) -> bool:
    return bool(pc.any(rows["ok"]).as_py())


def _commonest_error(rows: pa.Table) -> str:
    counts = pc.value_counts(rows["error"]).to_pylist()
    return str(max(counts, key=lambda count: count["counts"])["values"])


def _ended_with(exit_code: int | None) -> str:
    if exit_code is None:
        return "it could not be ended"
    if exit_code < 0:
        return signal.Signals(-exit_code).name
    return f"exit code {exit_code}"
