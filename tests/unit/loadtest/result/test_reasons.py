"""Why a run is not valid."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from analysis.results.store import REQUESTS_SCHEMA
from loadtest.result.raw_rows import Spool
from loadtest.result.reasons import EndedFor, Ending, reasons_against


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


def ending(counted: int = 3, **changes: Any) -> Ending:
    fields: dict[str, Any] = {
        "exit_code": 0,
        "totals": {"counted_requests": counted, "stop": None},
        "ended_for": None,
        "last_log_lines": ("first", "last"),
    }
    return Ending(**fields | changes)


def stopped(cause: str) -> dict[str, Any]:
    return {"counted_requests": 3, "stop": {"cause": cause, "detail": "DETAIL"}}


def spool(table: pa.Table = GOOD, *, torn: bool = False, corrupt_lines: tuple[int, ...] = ()) -> Spool:
    return Spool(table, torn, corrupt_lines)


def test_a_run_that_ended_by_itself_with_all_its_rows_is_valid() -> None:
    assert reasons_against(ending(), spool()) == ()
    assert reasons_against(ending(told_to_end="drained once it had ended"), spool()) == ()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (ending(ended_for=EndedFor.CANCEL), "cancelled"),
        (ending(ended_for=EndedFor.LATENESS), "did not end by itself"),
        (ending(totals=stopped("server_gone")), "the server stopped answering: DETAIL"),
        (ending(totals=stopped("interrupted")), "interrupted (DETAIL)"),
        (ending(totals=stopped("caller_gone")), "program that had started the test ended (DETAIL)"),
        (ending(totals=stopped("rows_not_written")), "rows could not be written"),
        (ending(exit_code=-9, totals=None), "crashed (SIGKILL); the end of its log: first | last"),
        (
            ending(exit_code=-9, totals=None, killed_by="OOMKilled"),
            "(SIGKILL, OOMKilled); it ran out of memory, more than its container's limit: load with fewer users",
        ),
        (ending(exit_code=2), "crashed (exit code 2)"),
        (ending(totals=None), "crashed (exit code 0)"),
        (ending(exit_code=1, totals=None, last_log_lines=()), "the end of its log: empty"),
        (ending(exit_code=None, told_to_end="drained"), "told to leave its node (drained)"),
        (ending(exit_code=None, totals=None, told_to_end="drained"), "told to leave its node (drained)"),
        (ending(exit_code=0, totals=stopped("interrupted"), told_to_end="drained"), "told to leave its node (drained)"),
        (ending(counted=4), "Locust counted 4 requests but 3 rows were read"),
        (ending(counted=2), "Locust counted 2 requests but 3 rows were read"),
    ],
)
def test_how_the_generator_ended_is_the_only_reason_when_its_rows_are_good(how: Ending, words: str) -> None:
    (reason,) = reasons_against(how, spool())
    assert words in reason


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (spool(torn=True), "cut off while it was written"),
        (spool(corrupt_lines=(2, 5)), "2 lines of the generator's files are no rows and are left out (lines 2, 5)"),
        (spool(rows(("ramp", None), ("ramp", None), ("ramp", None))), "the hold phase was never reached"),
        (
            spool(rows(("hold", "timeout"), ("hold", "http_503"), ("hold", "timeout"))),
            "all 3 requests failed, most of them with timeout",
        ),
        (
            spool(rows(("ramp", None), ("ramp", None), ("hold", "http_503"))),
            "all 1 requests of the hold phase failed, most with http_503",
        ),
    ],
)
def test_what_is_wrong_with_the_rows_is_the_only_reason_when_the_end_was_good(what: Spool, words: str) -> None:
    (reason,) = reasons_against(ending(), what)
    assert words in reason


def test_no_rows_at_all_is_one_reason_and_not_three() -> None:
    assert reasons_against(ending(counted=0), spool(GOOD.slice(0, 0))) == (
        "no request was finished, so there is nothing to measure",
    )
