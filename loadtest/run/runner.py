"""Runs one load test in a process of its own and returns whatever was measured, however it ended."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from loadtest.generator.monitoring.counters import append_counters, counters_written
from loadtest.generator.plan import LoadTestPlan
from loadtest.generator.request_bodies import RequestBody, write_bodies
from loadtest.result.outcome import LoadTestOutcome, outcome_of
from loadtest.result.raw_rows import read_all_raw_rows
from loadtest.result.samples import read_all_samples
from loadtest.result.servers import NO_SERVERS, Servers
from loadtest.result.validity.termination import EndedByRunner, Termination, reason_to_end
from loadtest.run.locust_process import LocustProcess
from loadtest.run.progress import Progress

# In the work folder: the plan that the generator reads.
PLAN_FILE = "plan.json"

# How often the runner checks whether it was cancelled, in seconds.
_POLL_S = 0.2

_LOG_LINES_SHOWN = 5


def run_load_test(
    plan: LoadTestPlan,
    bodies: Sequence[RequestBody],
    on_progress: Callable[[Progress], None],
    cancelled: threading.Event,
    servers: Callable[[], Servers] = lambda: NO_SERVERS,
) -> LoadTestOutcome:
    """Run the test to its end, or until `cancelled` is set; no process is left when this returns or raises.

    `bodies` are sent in turn, as they are. `servers` is called when the test is over; what it returns decides on
    validity, too. Raises FileExistsError where the plan's `work_dir` holds the rows of another test; it is created if
    it is missing.
    """
    work_dir = Path(plan.work_dir).absolute()
    plan = replace(plan, work_dir=str(work_dir), parent_pid=os.getpid())
    plan_path, log_path = work_dir / PLAN_FILE, work_dir / "locust.log"
    _write_inputs(plan, plan_path, bodies)
    started_at = datetime.now(UTC)
    with counters_written(plan), LocustProcess(plan_path, log_path) as generator:
        totals, ended_by_runner = _follow(generator, plan, on_progress, cancelled)
        exit_code = generator.exit_code
    append_counters(plan)
    log = [line for line in log_path.read_text(errors="replace").splitlines() if line.strip()]
    return outcome_of(
        plan,
        Termination(exit_code, totals, ended_by_runner, tuple(log[-_LOG_LINES_SHOWN:]), version("locust")),
        read_all_raw_rows(work_dir, plan.workers),
        read_all_samples(work_dir, plan.workers),
        servers(),
        started_at,
    )


def _write_inputs(plan: LoadTestPlan, plan_path: Path, bodies: Sequence[RequestBody]) -> None:
    """Write the requests and the plan where Locust reads them."""
    plan_path.parent.mkdir(parents=True, exist_ok=True)
    if any(Path(plan.rows_path(worker)).exists() for worker in range(plan.workers)):
        raise FileExistsError(
            f"work_dir {plan_path.parent} holds the rows of another load test, which would be mixed with this one's; "
            "give each test a folder of its own"
        )
    write_bodies(Path(plan.bodies_path), bodies)
    plan.write(plan_path)


def _follow(
    generator: LocustProcess,
    plan: LoadTestPlan,
    on_progress: Callable[[Progress], None],
    cancelled: threading.Event,
) -> tuple[dict[str, Any] | None, EndedByRunner | None]:
    """Pass on progress until Locust has ended; returns its totals, and why the runner ended it if it did."""
    deadline = time.monotonic() + plan.timeout_s
    totals: dict[str, Any] | None = None
    ended_by_runner: EndedByRunner | None = None
    has_ended = False
    while not has_ended:
        # Checked before the messages are read, so that those written just before the end are still read.
        has_ended = generator.exit_code is not None
        for message in generator.messages(timeout_s=_POLL_S):
            match message.pop("event", None):
                case "progress":
                    on_progress(Progress(**message))
                case "totals":
                    totals = message
        if not has_ended and (ended_by_runner := reason_to_end(cancelled, deadline)):
            generator.end()
    return totals, ended_by_runner
