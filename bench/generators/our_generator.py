"""Runs our generator as a stack runs it."""

import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa
import pyarrow.compute as pc

from analysis.results.manifest import Capacity
from bench.figures import progress
from loadtest.generator.phases import HOLD
from loadtest.generator.plan import LoadTestPlan, load_plan
from loadtest.result.outcome import LoadTestOutcome, Progress
from loadtest.run.runner import run_load_test
from stacks.load_profiles import LoadProfile

Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class OurRun:
    """The hold phase of a load test: times in seconds, in the order of the schedule.

    `valid` says whether the run is valid, and `rps_per_core` is requests per second of the generator's CPU time.
    """

    due_s: Times
    sent_s: Times
    answered_s: Times
    valid: bool
    capacity: Capacity | None
    rps_per_core: float | None

    @property
    def response_times_s(self) -> Times:
        """From due to answered."""
        return self.answered_s - self.due_s

    @property
    def delays_s(self) -> Times:
        """From due to sent."""
        return self.sent_s - self.due_s


@dataclass
class _CpuMeter:
    """Measures the generator's CPU time in the hold phase, and the requests answered in that time."""

    readings: list[tuple[int, float]] = field(default_factory=list)

    def on_progress(self, progress: Progress) -> None:
        """Called once a second."""
        if progress.phase == HOLD:
            times = [child.cpu_times() for child in psutil.Process().children() if "locust" in child.cmdline()]
            self.readings.append((progress.requests, sum(each.user + each.system for each in times)))

    @property
    def rps_per_core(self) -> float | None:
        if len(self.readings) < 2:
            return None
        (first_requests, first_cpu_s), (last_requests, last_cpu_s) = self.readings[0], self.readings[-1]
        return (last_requests - first_requests) / (last_cpu_s - first_cpu_s)


def load_test(
    name: str,
    profile: LoadProfile,
    url: str,
    body: bytes,
    protocol: str = "rest",
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> LoadTestOutcome:
    """Run one load test of the model `resnet`. Reasons why the run is invalid are printed to standard error."""
    with tempfile.TemporaryDirectory() as folder:
        plan = LoadTestPlan(load_plan(profile.model_dump()), protocol, url, "resnet", str(Path(folder) / "run"))
        outcome = run_load_test(plan, body, on_progress, threading.Event())
    for reason in outcome.reasons:
        progress(f"  {name}: {reason}")
    return outcome


def run(name: str, profile: LoadProfile, url: str, body: bytes) -> OurRun:
    """Run one load test over REST, and measure the generator's CPU time."""
    meter = _CpuMeter()
    outcome = load_test(name, profile, url, body, on_progress=meter.on_progress)
    held = outcome.rows.filter(pc.equal(outcome.rows["phase"], HOLD)).sort_by("intended_start")
    due_s, sent_s = (held[column].cast(pa.int64()).to_numpy() / 1e6 for column in ("intended_start", "start"))
    answered_s = sent_s + held["latency_us"].to_numpy() / 1e6
    return OurRun(due_s, sent_s, answered_s, not outcome.reasons, outcome.capacity, meter.rps_per_core)
