"""What the generator is told: one JSON file, written by the runner and read inside Locust. Standard library only."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath
from typing import Self

# The environment variable that holds the path of the plan.
PLAN_VARIABLE = "SHAPEBENCH_LOADTEST_PLAN"

# The file beside the rows in which it is noted what the servers count.
COUNTERS_FILE = "servers.counters.csv"


def worker_name(worker: int) -> str:
    """What rows and files call a process that asks; workers are numbered from 0 on."""
    return f"locust-{worker}"


@dataclass(frozen=True)
class Limits:
    """How long the generator waits for what. The response time-out is that of TF Serving's own REST front end.

    Both time-outs are for one operation on the socket. `server_gone_after_s` is how long nothing may be answered,
    while requests fail and no connection can be made, until the test is given up.
    """

    connect_timeout_s: float = 5.0
    response_timeout_s: float = 30.0
    server_gone_after_s: float = 5.0
    flush_interval_s: float = 0.25
    report_interval_s: float = 1.0


@dataclass(frozen=True)
class Schedule:
    """An open loop: `law` is one of loadtest.generator.loops.arrivals."""

    rate_rps: float
    law: str
    seed: int


@dataclass(frozen=True)
class SearchOrder:
    """A capacity search: what a rate must keep, between which rates it is, and how narrow the answer shall be."""

    quantile: float
    latency_s: float
    error_ratio: float
    lowest_rps: float
    highest_rps: float
    precision: float


@dataclass(frozen=True)
class Plan:
    """One load test, as the Locust process sees it: an open loop, a capacity search, or neither: a closed loop.

    `protocol` is a name that loadtest.generator.clients.protocols knows. `expected_shape` is (images in a request,
    classes of the model).
    `users` is how many may have a request under way. `warmup_s` is the longest that the warm-up may take. `parent_pid`
    is the process that the generator must not outlive; None where something else ends it. `server_pid` is the server's
    process, where it is on the generator's machine and can be watched from there. `processes` is how many ask; where it
    is more than one, another leads them. `rows_folder` is where they leave their files. `pages` are the
    addresses where each server says what it counts, by the server's name among the samples.
    """

    protocol: str
    base_url: str
    model_name: str
    body_path: str
    expected_shape: tuple[int, int]
    users: int
    spawn_rate_per_s: float
    wait_s: float
    warmup_s: float
    ramp_s: float
    duration_s: float
    rows_folder: str
    parent_pid: int | None
    limits: Limits = field(default_factory=Limits)
    schedule: Schedule | None = None
    search: SearchOrder | None = None
    server_pid: int | None = None
    processes: int = 1
    pages: dict[str, str] = field(default_factory=dict)

    def spool_path(self, worker: int) -> str:
        """Where a worker leaves its rows."""
        return str(PurePath(self.rows_folder) / f"{worker_name(worker)}.csv")

    def samples_path(self, worker: int) -> str:
        """Where a worker leaves what was used meanwhile."""
        return str(PurePath(self.rows_folder) / f"{worker_name(worker)}.samples.csv")

    @property
    def counters_path(self) -> str:
        """Where it is noted what the servers count, in the form of samples."""
        return str(PurePath(self.rows_folder) / COUNTERS_FILE)

    @property
    def stands_by(self) -> bool:
        """Whether users wait for a schedule to say when they send; without one each decides by itself."""
        return self.schedule is not None or self.search is not None

    @property
    def total_s(self) -> float:
        """How long the whole test takes at most, warm-up included, in seconds."""
        return self.warmup_s + self.duration_s

    def write(self, path: Path) -> None:
        """Write the plan where `from_environment` reads it."""
        path.write_text(self.to_json() + "\n")

    def to_json(self) -> str:
        """The plan as `from_json` reads it."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The plan that `to_json` wrote."""
        fields = json.loads(text)
        batch, classes = fields.pop("expected_shape")
        schedule, search = fields.pop("schedule"), fields.pop("search")
        return cls(
            **fields
            | {
                "expected_shape": (batch, classes),
                "limits": Limits(**fields["limits"]),
                "schedule": Schedule(**schedule) if schedule else None,
                "search": SearchOrder(**search) if search else None,
            }
        )

    @classmethod
    def from_environment(cls) -> Self:
        """The plan that the environment variable points to; raises KeyError where there is none."""
        return cls.from_json(Path(os.environ[PLAN_VARIABLE]).read_text())
