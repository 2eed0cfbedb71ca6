"""Runs our generator as a stack runs it."""

import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa
import pyarrow.compute as pc

from analysis.results.schema.manifest import SearchedCapacity
from bench.figures import progress
from loadtest.generator.clients.protocols import request_bodies
from loadtest.generator.phases import HOLD
from loadtest.generator.plan import LoadTestPlan, load_plan
from loadtest.generator.request_bodies import RequestBody
from loadtest.result.outcome import LoadTestOutcome
from loadtest.run.payload import outputs_of, payload_of
from loadtest.run.progress import Progress
from loadtest.run.runner import run_load_test
from stacks.load.load_profiles import LoadProfile
from stacks.server.models import RESNET50

Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class OurRun:
    """The hold phase of a load test: times in seconds, in the order of the schedule.

    `valid` says whether the run is valid, and `rps_per_core` is requests per second of the generator's CPU time.
    """

    intended_start_s: Times
    sent_s: Times
    answered_s: Times
    valid: bool
    capacity: SearchedCapacity | None
    rps_per_core: float | None

    @property
    def response_times_s(self) -> Times:
        return self.answered_s - self.intended_start_s


def photograph_body(protocol: str, times: int = 1) -> bytes:
    """The request of ResNet50's payload, with so many instances."""
    (body,) = request_bodies(protocol, payload_of(RESNET50).repeated(times), RESNET50.name)
    return body.content


def load_test(
    name: str,
    profile: LoadProfile,
    url: str,
    body: bytes,
    on_progress: Callable[[Progress], None] = lambda _: None,
    replicas: int = 1,
) -> LoadTestOutcome:
    """Run one load test of ResNet50. Reasons why the run is invalid are printed to standard error."""
    with tempfile.TemporaryDirectory() as folder:
        protocol = "grpc" if url.startswith("grpc") else "rest"
        load, work_dir = load_plan(profile.plan_values), str(Path(folder) / "run")
        plan = LoadTestPlan(load, protocol, url, RESNET50.name, work_dir, outputs_of(RESNET50), replicas=replicas)
        outcome = run_load_test(plan, [RequestBody(body)], on_progress, threading.Event())
    for reason in outcome.reasons:
        progress(f"  {name}: {reason}")
    return outcome


def run(name: str, profile: LoadProfile, url: str, body: bytes) -> OurRun:
    """Run one load test over REST, and measure the generator's CPU time."""
    readings: list[tuple[int, float]] = []

    def read_cpu(progress: Progress) -> None:
        if progress.phase == HOLD:
            times = [child.cpu_times() for child in psutil.Process().children() if "locust" in child.cmdline()]
            readings.append((progress.requests, sum(each.user + each.system for each in times)))

    outcome = load_test(name, profile, url, body, on_progress=read_cpu)
    held = outcome.rows.filter(pc.equal(outcome.rows["phase"], HOLD)).sort_by("intended_start")
    intended_start_s, sent_s = (
        held[column].cast(pa.int64()).to_numpy() / 1e6 for column in ("intended_start", "start")
    )
    answered_s = sent_s + held["latency_us"].to_numpy() / 1e6
    rps_per_core = None
    if len(readings) > 1:
        (first_requests, first_cpu_s), (last_requests, last_cpu_s) = readings[0], readings[-1]
        rps_per_core = (last_requests - first_requests) / (last_cpu_s - first_cpu_s)
    return OurRun(intended_start_s, sent_s, answered_s, not outcome.reasons, outcome.capacity, rps_per_core)
