"""Runs that did not end as planned, or whose rows are not complete, are not valid."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from analysis.results.schema.request_rows import REQUESTS_SCHEMA
from analysis.results.schema.samples import SAMPLES_SCHEMA
from loadtest.generator.plan import ClosedLoopPlan, LoadTestPlan
from loadtest.result.outcome import outcome_of
from loadtest.result.raw_rows import RawRows
from loadtest.result.servers import NO_SERVERS
from loadtest.result.validity.termination import EndedByRunner, Termination


def rows(*phases_and_errors: tuple[str, str | None]) -> pa.Table:
    now = datetime.now(UTC)
    row = {"intended_start": now, "start": now, "latency_us": 1, "request_bytes": 1, "response_bytes": 1, "worker": "w"}
    return pa.Table.from_pylist(
        [
            row | {"phase": phase, "error": error, "ok": error is None, "status": 200}
            for phase, error in phases_and_errors
        ],
        schema=REQUESTS_SCHEMA,
    )


GOOD = rows(("warmup", None), ("ramp", None), ("hold", None))


def reasons(termination: Termination, raw_rows: RawRows) -> tuple[str, ...]:
    load = ClosedLoopPlan(mode="closed", users=1, spawn_rate_per_s=1, wait_s=0, warmup_s=0, duration_s=2)
    plan = LoadTestPlan(load, "rest", "http://server", "resnet", ".", ())
    return outcome_of(plan, termination, raw_rows, SAMPLES_SCHEMA.empty_table(), NO_SERVERS, datetime.now(UTC)).reasons


def ending(counted: int | None = 3, **changes: Any) -> Termination:
    fields: dict[str, Any] = {
        "exit_code": 0,
        "totals": {"counted_requests": counted, "stop": None},
        "ended_by_runner": None,
        "last_log_lines": ("first", "last"),
    }
    return Termination(**fields | changes)


def stopped(cause: str) -> dict[str, Any]:
    return {"counted_requests": 3, "stop": {"cause": cause, "detail": "DETAIL"}}


def raw(table: pa.Table = GOOD, *, torn: bool = False, corrupt_lines: tuple[int, ...] = ()) -> RawRows:
    return RawRows(table, torn, corrupt_lines)


def test_a_run_that_ended_by_itself_with_all_its_rows_is_valid() -> None:
    assert reasons(ending(), raw()) == ()
    assert reasons(ending(deletion_reason="drained once it had ended"), raw()) == ()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (ending(ended_by_runner=EndedByRunner.CANCELLED), "cancelled"),
        (ending(ended_by_runner=EndedByRunner.TIMED_OUT), "did not end in time"),
        (ending(totals=stopped("server_gone")), "the server stopped answering: DETAIL"),
        (ending(totals=stopped("interrupted")), "interrupted (DETAIL)"),
        (ending(totals=stopped("caller_gone")), "program that started the test ended (DETAIL)"),
        (ending(totals=stopped("rows_not_written")), "rows could not be written"),
        (
            ending(exit_code=-9, totals=None),
            (
                "crashed (SIGKILL), so requests are missing; correct what its log names, and run again; the end of its"
                " log: first | last"
            ),
        ),
        (
            ending(exit_code=-9, totals=None, killed_by="OOMKilled"),
            (
                "(SIGKILL, OOMKilled), so requests are missing; it used more memory than its container's limit: use"
                " fewer users"
            ),
        ),
        (ending(exit_code=2), "crashed (exit code 2)"),
        (ending(totals=None), "crashed (exit code 0)"),
        (ending(exit_code=1, totals=None, last_log_lines=()), "the end of its log: empty"),
        (
            ending(exit_code=None, deletion_reason="drained"),
            "load generator's pod was deleted during the test (drained)",
        ),
        (
            ending(exit_code=None, totals=None, deletion_reason="drained"),
            "load generator's pod was deleted during the test (drained)",
        ),
        (
            ending(exit_code=0, totals=stopped("interrupted"), deletion_reason="drained"),
            "load generator's pod was deleted during the test (drained)",
        ),
        (ending(counted=None), "not all processes of the load generator reported their totals"),
        (ending(counted=4), "Locust counted 4 requests, but 3 rows were read"),
        (ending(counted=2), "Locust counted 2 requests, but 3 rows were read"),
    ],
)
def test_a_generator_that_did_not_end_as_planned_is_the_only_reason_when_its_rows_are_good(
    how: Termination, words: str
) -> None:
    (reason,) = reasons(how, raw())
    assert words in reason


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (raw(torn=True), "the last row was only partly written"),
        (raw(corrupt_lines=(2, 5)), "2 lines of the generator's files are not rows (lines 2, 5), so they are excluded"),
        (raw(rows(("ramp", None), ("ramp", None), ("ramp", None))), "the hold phase was never reached"),
        (
            raw(rows(("hold", "timeout"), ("hold", "http_503"), ("hold", "timeout"))),
            "all 3 requests failed, most of them with timeout",
        ),
        (
            raw(rows(("ramp", None), ("ramp", None), ("hold", "http_503"))),
            "all 1 requests of the hold phase failed, most of them with http_503",
        ),
    ],
)
def test_a_fault_of_the_rows_is_the_only_reason_when_the_generator_ended_as_planned(what: RawRows, words: str) -> None:
    (reason,) = reasons(ending(), what)
    assert words in reason


def test_a_run_without_rows_has_one_reason() -> None:
    assert reasons(ending(counted=0), raw(GOOD.slice(0, 0))) == (
        "no request was finished, so there is nothing to measure; check that the server answers, and run again",
    )
