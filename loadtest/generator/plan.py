"""The plan of a load test: one JSON file, written before Locust starts and read inside it. Standard library only."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any, ClassVar, Self
from zlib import crc32

from loadtest.generator.loops.arrivals import Arrival, Segment, along_segments
from loadtest.generator.payload import Output, outputs_from
from loadtest.generator.phases import HOLD

# The environment variable that holds the path of the plan.
PLAN_VARIABLE = "SHAPEBENCH_LOADTEST_PLAN"

# The file beside the rows that holds the servers' own counters.
COUNTERS_FILE = "servers.counters.csv"

# The file beside the rows whose existence has the generator end the test, as Ctrl-C does.
INTERRUPT_FILE = "interrupt"

# The file beside the rows with address and port of the master, where several pods generate the load. It is written once
# all of them run, and none begins before.
MASTER_FILE = "master"

# What Locust may take on top of the test itself, to start and to end, in seconds.
_START_AND_END_S = 30.0


def worker_name(worker: int) -> str:
    """The name of a worker in rows and files; workers are numbered from 0."""
    return f"locust-{worker}"


@dataclass(frozen=True, kw_only=True)
class _Timed:
    """`warmup_s` is the longest that the warm-up may take; `duration_s` is everything after it.

    What a run is judged by: whether its rate is the same for every server, however slow, and `is_steady`: whether
    latency and throughput must stay the same in the hold phase.
    """

    rate_is_fixed: ClassVar[bool]

    mode: str
    warmup_s: float
    duration_s: float

    @property
    def total_s(self) -> float:
        return self.warmup_s + self.duration_s

    def due_in_hold(self) -> int | None:
        """How many requests are due in the hold phase; None where the answers decide that."""
        return None


@dataclass(frozen=True, kw_only=True)
class ClosedLoopPlan(_Timed):
    """The profile stacks.load.load_profiles.ClosedLoop."""

    is_steady: ClassVar[bool] = True
    rate_is_fixed: ClassVar[bool] = False

    users: int
    spawn_rate_per_s: float
    wait_s: float
    pauses: str = "constant"

    @property
    def ramp_s(self) -> float:
        """How long it takes until all users have started, in seconds."""
        return self.users / self.spawn_rate_per_s


@dataclass(frozen=True, kw_only=True)
class _Scheduled(_Timed):
    max_in_flight: int

    @property
    def users(self) -> int:
        """Each user has one request in flight."""
        return self.max_in_flight


@dataclass(frozen=True, kw_only=True)
class OpenLoopPlan(_Scheduled):
    """Every profile with segments; `arrivals` is one of loadtest.generator.loops.arrivals."""

    rate_is_fixed: ClassVar[bool] = True

    is_steady: bool
    segments: Sequence[Segment]
    arrivals: str
    seed: int

    def schedule(self, begin_s: float = 0.0) -> Iterator[Arrival]:
        """All arrivals; the schedule begins at `begin_s` on the performance counter."""
        return along_segments(self.segments, self.arrivals, self.seed, begin_s)

    def due_in_hold(self) -> int:
        return sum(arrival.phase == HOLD for arrival in self.schedule())


@dataclass(frozen=True, kw_only=True)
class CapacitySearchPlan(_Scheduled):
    """The profile stacks.load.load_profiles.CapacitySearch."""

    is_steady: ClassVar[bool] = False
    rate_is_fixed: ClassVar[bool] = False

    quantile: float
    latency_ms: float
    error_ratio: float
    lowest_rps: float
    highest_rps: float
    precision: float
    seed: int

    @property
    def latency_s(self) -> float:
        return self.latency_ms / 1e3


ScheduledPlan = OpenLoopPlan | CapacitySearchPlan
LoadPlan = ClosedLoopPlan | ScheduledPlan

_MODES: dict[str, type[LoadPlan]] = {
    "closed": ClosedLoopPlan,
    "open": OpenLoopPlan,
    "capacity": CapacitySearchPlan,
}


def load_plan(values: dict[str, Any]) -> LoadPlan:
    """The load from a profile's `plan_values`, or from the plan file: both have the same fields."""
    segments = {"segments": tuple(Segment(*each) for each in values["segments"])} if "segments" in values else {}
    return _MODES[values["mode"]](**values | segments)


def repeat_of(load: LoadPlan, index: int, rerun: str) -> LoadPlan:
    """The load of repeat `index`, counted from 1, in the update with the token `rerun`.

    Each has arrivals of its own: the chance of one schedule would pass for a property of the server. They are the same
    for all variants, so that their differences have less of it (common random numbers).
    """
    if not isinstance(load, ScheduledPlan):
        return load
    return replace(load, seed=load.seed + index - 1 + crc32(rerun.encode()))


@dataclass(frozen=True)
class Limits:
    """Time-outs and intervals. The response time-out is that of TF Serving's own REST front end.

    Both time-outs are for one operation on the socket. `server_gone_after_s` is how long no request may be answered,
    while no connection can be made, until the test is stopped.
    """

    connect_timeout_s: float = 5.0
    response_timeout_s: float = 30.0
    server_gone_after_s: float = 5.0
    flush_interval_s: float = 0.25
    report_interval_s: float = 1.0


@dataclass(frozen=True)
class LoadTestPlan:
    """One load test: the load, the server, and how the generator runs.

    `protocol` is a name that loadtest.generator.clients.protocols knows. `work_dir` holds the requests and the rows.
    `outputs` are those of a right answer. `check` is how an answer is judged: by its `values`, which may differ by
    `tolerance` times the largest of them, by its `shape`, or not at all (`off`). `pods` is how many pods generate the
    load, and `processes` the number of workers in each; more than one worker have a master, in the first pod.
    `counter_urls` are the Prometheus pages of the servers, by the server's name among the samples. `server_pid` is the
    server's process where it runs on the generator's machine. The generator ends when the process `parent_pid` does;
    None where something else ends it. `grpc_threads` is the servers' --grpc_max_threads. `replicas` is the number of
    servers behind `base_url`.
    """

    load: LoadPlan
    protocol: str
    base_url: str
    model_name: str
    work_dir: str
    outputs: tuple[Output, ...]
    check: str = "values"
    tolerance: float = 1e-3
    limits: Limits = field(default_factory=Limits)
    processes: int = 1
    pods: int = 1
    counter_urls: dict[str, str] = field(default_factory=dict)
    server_pid: int | None = None
    parent_pid: int | None = None
    grpc_threads: int | None = None
    replicas: int = 1

    @property
    def workers(self) -> int:
        """How many processes send requests, in all pods."""
        return self.pods * self.processes

    @property
    def renews_connections(self) -> bool:
        """Whether each REST request has a connection of its own, and so goes to any replica, as from many callers.

        A kept connection stays with one replica, and few connections carry a schedule, so they would reach few
        replicas. In a closed loop each user is a caller, with a connection that it keeps.
        """
        return self.replicas > 1 and isinstance(self.load, ScheduledPlan)

    @property
    def bodies_path(self) -> str:
        """The file with what the requests send: loadtest.generator.request_bodies."""
        return self._path("requests")

    def rows_path(self, worker: int) -> str:
        return self._path(f"{worker_name(worker)}.csv")

    def samples_path(self, worker: int) -> str:
        return self._path(f"{worker_name(worker)}.samples.csv")

    @property
    def counters_path(self) -> str:
        return self._path(COUNTERS_FILE)

    @property
    def interrupt_path(self) -> str:
        return self._path(INTERRUPT_FILE)

    @property
    def master_path(self) -> str:
        return self._path(MASTER_FILE)

    def _path(self, name: str) -> str:
        return str(PurePath(self.work_dir) / name)

    @property
    def timeout_s(self) -> float:
        """How long the generator may run, in seconds; one that runs longer hangs and is ended."""
        return self.load.total_s + self.limits.response_timeout_s + _START_AND_END_S

    def write(self, path: Path) -> None:
        path.write_text(self.to_json() + "\n")

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        fields = json.loads(text)
        # That of a Job that an earlier version left in a cluster.
        fields.pop("expected_shape", None)
        nested = {
            "load": load_plan(fields["load"]),
            "outputs": outputs_from(fields.get("outputs", ())),
            "limits": Limits(**fields["limits"]),
        }
        return cls(**fields | nested)

    @classmethod
    def from_environment(cls) -> Self:
        """The plan that the environment variable points to; raises KeyError where it is not set."""
        return cls.from_json(Path(os.environ[PLAN_VARIABLE]).read_text())
