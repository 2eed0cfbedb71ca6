"""Runs one load test in a process of its own and brings back whatever was measured, however it ended."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from analysis.results.samples import SERVER
from loadtest.generator.monitoring.counters import Counters, note
from loadtest.generator.plan import Limits, Plan
from loadtest.result.outcome import LoadTestOutcome, Progress, outcome_of
from loadtest.result.raw_rows import read_spools
from loadtest.result.reasons import EndedFor, Ending
from loadtest.result.samples import read_all_samples
from loadtest.run.locust_process import Generator
from loadtest.run.planning import Asked, patience_s, plan_of
from stacks.load_profiles import LoadProfile

# How often the runner looks whether it was cancelled, in seconds.
_LOOK_S = 0.2

_LOG_LINES_SHOWN = 5


@dataclass(frozen=True)
class LoadTestSpec:
    """What to test, and how. `work_dir` is made when it is missing and must not hold an earlier test.

    `body` is sent as it is; `expected_shape` is (images in it, classes of the model). `server_pid` is the server's
    process, to see what it uses meanwhile; None where it is not known. `processes` is how many ask; `page`
    is where the server says what it counts.
    """

    profile: LoadProfile
    protocol: str
    base_url: str
    model_name: str
    work_dir: Path
    body: bytes
    expected_shape: tuple[int, int] = (1, 1000)
    limits: Limits = field(default_factory=Limits)
    server_pid: int | None = None
    processes: int = 1
    page: str | None = None

    @property
    def asked(self) -> Asked:
        """The part that does not depend on where the generator runs."""
        return Asked(
            profile=self.profile,
            protocol=self.protocol,
            base_url=self.base_url,
            model_name=self.model_name,
            expected_shape=self.expected_shape,
            limits=self.limits,
            server_pid=self.server_pid,
            processes=self.processes,
            pages={SERVER: self.page} if self.page else {},
        )


def run_load_test(
    spec: LoadTestSpec, on_progress: Callable[[Progress], None], cancelled: threading.Event
) -> LoadTestOutcome:
    """Run the test to its end, or until `cancelled` is set; no process is left when this returns or raises.

    Raises FileExistsError where `work_dir` holds the rows of another test.
    """
    work_dir = spec.work_dir.absolute()
    plan = plan_of(spec.asked, work_dir, os.getpid())
    plan_path, log_path = work_dir / "plan.json", work_dir / "locust.log"
    _lay_out(plan, plan_path, spec.body)
    started_at = datetime.now(UTC)
    with Counters(plan), Generator(plan_path, log_path) as generator:
        totals, ended_for = _follow(generator, plan, on_progress, cancelled)
        exit_code = generator.exit_code
    note(plan)
    ending = Ending(exit_code, totals, ended_for, _last_lines(log_path))
    outcome = outcome_of(ending, read_spools(work_dir, spec.processes), spec.profile, started_at, version("locust"))
    return replace(outcome, processes=spec.processes, samples=read_all_samples(work_dir, spec.processes))


def _lay_out(plan: Plan, plan_path: Path, body: bytes) -> None:
    """Write the body and the plan where Locust reads them."""
    plan_path.parent.mkdir(parents=True, exist_ok=True)
    if any(Path(plan.spool_path(worker)).exists() for worker in range(plan.processes)):
        raise FileExistsError(
            f"work_dir {plan_path.parent} holds the rows of another load test, which would be mixed with this one's; "
            "give each test a folder of its own"
        )
    Path(plan.body_path).write_bytes(body)
    plan.write(plan_path)


def _follow(
    generator: Generator, plan: Plan, on_progress: Callable[[Progress], None], cancelled: threading.Event
) -> tuple[dict[str, Any] | None, EndedFor | None]:
    """Pass on progress until Locust has ended; returns its totals, and why it was ended if it was."""
    deadline = time.monotonic() + patience_s(plan)
    totals: dict[str, Any] | None = None
    ended_for: EndedFor | None = None
    over = False
    while not over:
        # Looked at before the messages: those that came just before the end are then still read.
        over = generator.exit_code is not None
        for message in generator.messages(timeout_s=_LOOK_S):
            match message.pop("event", None):
                case "progress":
                    on_progress(Progress(**message))
                case "totals":
                    totals = message
        if not over and (ended_for := _why_to_end(cancelled, deadline)):
            generator.end()
    return totals, ended_for


def _why_to_end(cancelled: threading.Event, deadline: float) -> EndedFor | None:
    if cancelled.is_set():
        return EndedFor.CANCEL
    return EndedFor.LATENESS if time.monotonic() > deadline else None


def _last_lines(path: Path) -> tuple[str, ...]:
    lines = path.read_text(errors="replace").splitlines()
    return tuple([line for line in lines if line.strip()][-_LOG_LINES_SHOWN:])
