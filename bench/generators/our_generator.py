"""Our generator, run as a stack runs it, and what a benchmark wants to know of the run."""

import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa
import pyarrow.compute as pc

from analysis.results.manifest import Capacity
from loadtest.generator.phases import HOLD
from loadtest.generator.plan import LoadTestPlan, load_plan
from loadtest.result.outcome import Progress
from loadtest.run.runner import run_load_test
from stacks.load_profiles import LoadProfile

Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class OurRun:
    """Times of the hold in seconds, in the order of the schedule; `reasons` are those against the run."""

    due_s: Times
    sent_s: Times
    answered_s: Times
    reasons: tuple[str, ...]
    capacity: Capacity | None
    rps_per_core: float | None

    @property
    def responses_s(self) -> Times:
        """From due to answered."""
        return self.answered_s - self.due_s

    @property
    def delays_s(self) -> Times:
        """From due to sent."""
        return self.sent_s - self.due_s


@dataclass
class _Meter:
    """The generator's own CPU time in the hold, beside the requests that came back meanwhile."""

    marks: list[tuple[int, float]] = field(default_factory=list)

    def note(self, progress: Progress) -> None:
        """Called once a second."""
        if progress.phase == HOLD:
            times = [child.cpu_times() for child in psutil.Process().children() if "locust" in child.cmdline()]
            self.marks.append((progress.requests, sum(each.user + each.system for each in times)))

    @property
    def rps_per_core(self) -> float | None:
        if len(self.marks) < 2:
            return None
        (requests, cpu_s), (later_requests, later_cpu_s) = self.marks[0], self.marks[-1]
        return (later_requests - requests) / (later_cpu_s - cpu_s)


def run(profile: LoadProfile, url: str, body: bytes) -> OurRun:
    """One load test over REST, with its verdict on itself."""
    meter = _Meter()
    with tempfile.TemporaryDirectory() as folder:
        plan = LoadTestPlan(load_plan(profile.model_dump()), "rest", url, "resnet", str(Path(folder) / "run"))
        outcome = run_load_test(plan, body, meter.note, threading.Event())
    held = outcome.rows.filter(pc.equal(outcome.rows["phase"], HOLD)).sort_by("intended_start")
    due_s, sent_s = (held[name].cast(pa.int64()).to_numpy() / 1e6 for name in ("intended_start", "start"))
    answered_s = sent_s + held["latency_us"].to_numpy() / 1e6
    return OurRun(due_s, sent_s, answered_s, outcome.reasons, outcome.capacity, meter.rps_per_core)
