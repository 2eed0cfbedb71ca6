"""A plan on disk, as Locust and the containers of its pod read it; capacity searches to judge by; a shape of load."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from loadtest.generator.clients.answer_check import AnswerCheck, Read
from loadtest.generator.payload import Output
from loadtest.generator.plan import CapacitySearchPlan, ClosedLoopPlan, LoadTestPlan
from loadtest.generator.request_bodies import RequestBody, write_bodies
from stacks.load.load_profiles import Scheduled, Segment

# The outputs of the model of three classes that the scripted servers answer for.
OUTPUTS = (Output("probabilities", "float32", (1, 3)),)


class Spike(Scheduled):
    """A shape of load that only tests know: three times the rate for a third of the time."""

    is_steady: ClassVar[bool] = False

    mode: Literal["spike"] = "spike"
    rate_rps: float

    @property
    def segments(self) -> Sequence[Segment]:
        calm, third_s = self.rate_rps, self.duration_s / 3
        rates = (calm, 3 * calm, calm)
        return tuple(Segment("hold", rate, rate, third_s) for rate in rates)


def write_plan(folder: Path, url: str = "http://127.0.0.1:1", body: bytes = b"") -> Path:
    """The shortest closed loop: one user, a model of three classes; its protocol is that of the URL."""
    write_bodies(folder / "requests", [RequestBody(body)])
    path = folder / "plan.json"
    load = ClosedLoopPlan(mode="closed", users=1, spawn_rate_per_s=1, wait_s=0, warmup_s=0, duration_s=1)
    protocol = "rest" if url.startswith("http") else "grpc"
    LoadTestPlan(load, protocol, url, "resnet", str(folder), OUTPUTS).write(path)
    return path


def check_of_outputs(outputs: Sequence[Output], read: Read, answer: bytes = b"", **judged: Any) -> AnswerCheck:
    """The check of answers with these outputs; `judged` are `check` and `tolerance` of a plan."""
    load = ClosedLoopPlan(mode="closed", users=1, spawn_rate_per_s=1, wait_s=0, warmup_s=0, duration_s=1)
    plan = LoadTestPlan(load, "rest", "http://127.0.0.1:1", "resnet", "", tuple(outputs), **judged)
    return AnswerCheck(plan, RequestBody(b"", answer=answer), read)


def capacity_search(**changes: Any) -> CapacitySearchPlan:
    """p99 within half a second, one error in a thousand, to 10 %."""
    fields: dict[str, Any] = {
        "quantile": 0.99, "latency_ms": 500, "error_ratio": 0.001, "lowest_rps": 0.1, "highest_rps": 10_000,
        "precision": 0.1, "seed": 1, "max_in_flight": 256, "warmup_s": 20, "duration_s": 600,
    }  # fmt: skip
    return CapacitySearchPlan(mode="capacity", **fields | changes)
