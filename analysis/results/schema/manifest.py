"""The manifest of a run: all that a reader needs to know about it, without the stack that made it."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from analysis.results.schema.other_cpu import OtherCpu
from stacks.frozen import is_none
from stacks.load.load_profiles import LoadProfile
from stacks.machines.autoscaler import Autoscaler
from stacks.machines.shapes import NodeShape
from stacks.server.serving_variant import ServingVariant

HOLD = "hold"
_NEAR = 0.95
_ONE_DNN_FLAGS = frozenset({"avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16"})

_Rate = Annotated[float, Field(ge=0, le=1e9)]
_Usd = Annotated[float, Field(ge=0, le=1e12)]
# Every table and chart can show these times.
_Time = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))]


class Record(BaseModel):
    """A part of a manifest: snake_case in the file, frozen, and without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Model(Record):
    """The model. `digest` is sha256 of its files; `weights` says where ResNet50's are from, others have their `own`.

    `requests` says what is sent to it, where that is generated from its signature; None for the photograph.
    `instances` is their mean number in a request: a prediction is the answer to one instance.
    """

    name: str
    digest: str
    weights: Literal["imagenet", "random", "own"]
    requests: str | None = None
    instances: Annotated[float, Field(gt=0, le=1e9)] = 1.0


class Deployed(ServingVariant):
    """A serving variant as it is deployed, with what follows from it and from the platform's settings.

    `rest_threads` and `grpc_threads` are a replica's request threads; REST's are None where the server chooses them, as
    with `seed_faithful`, and both with an image of `shapebench:server`, which `server_args` are the arguments of. There
    are none of a service that something else deploys: nothing is known of its threads, and the settings of them mean
    nothing. All are None in runs that were stored before they were recorded.
    """

    rest_threads: Annotated[int | None, Field(ge=1)] = None
    grpc_threads: Annotated[int | None, Field(ge=1)] = None
    seed_faithful: bool | None = None
    server_args: Annotated[tuple[str, ...] | None, Field(strict=False)] = None

    @property
    def is_service(self) -> bool:
        """Whether it is a service that something else deploys."""
        return self.server_args == ()

    @property
    def threads_name(self) -> str:
        return "" if self.is_service else super().threads_name

    @property
    def thread_settings(self) -> str:
        return "a service's own settings" if self.is_service else super().thread_settings


class Computation(Record):
    """How a server computed a model that it had converted: the precision, and how exactly.

    `largest_difference` is between its answers and TensorFlow's to the same inputs, as a share of the largest number.
    """

    precision: Annotated[str, Field(pattern=r"^[a-z0-9]{1,16}$")]
    largest_difference: Annotated[float, Field(ge=0, le=1)]


class Serving(Deployed):
    """How the model was served. `server` is a name of stacks/server/servers.py.

    `computation` is None where the model was not converted, as in runs that were stored before it was recorded.
    """

    server: str
    server_version: str
    image: str | None
    replicas: Annotated[int, Field(ge=1, le=10_000)]
    model: Model
    computation: Computation | None = None

    def settings(self, *left_out: str) -> dict[str, object]:
        """What may make two runs differ, but for what is left out.

        Threads for gRPC are a quota, which changes nothing unless a run exceeds it and so is invalid. A difference from
        TensorFlow's answers within the tolerance is rounding.
        """
        names = dict.fromkeys(("model", "image", "grpc_threads", *left_out), True)
        return self.model_dump(exclude={**names, "computation": {"largest_difference"}})

    @model_serializer(mode="wrap")
    def _in_the_order_of_the_contract(self, dump: SerializerFunctionWrapHandler) -> dict[str, object]:
        values: dict[str, object] = dump(self)
        first = ("server", "server_version", "image", "protocol", "replicas")
        return {name: values[name] for name in dict.fromkeys((*first, *values)) if name in values}


class Machine(Record):
    """What a process ran on, as the kernel reports it; None is unknown. `node` is a cluster's node, or a host name.

    `cpu_signature` tells CPUs of one name apart: family, model and stepping, or on Arm variant and revision.
    `cpu_flags` are the vector and matrix instructions of an x86 CPU; None as well in runs from before they were
    recorded.
    """

    node: str | None = None
    cpu_vendor: str | None = None
    cpu_model: str | None = None
    cpu_signature: str | None = None
    cpu_flags: tuple[str, ...] | None = None
    kernel: str | None = None

    @property
    def has_one_dnn_by_default(self) -> bool | None:
        """Whether TensorFlow on this CPU computes with oneDNN where nothing is set; None where the flags are unknown.

        TensorFlow's rule: docs/google-cloud-facts.md.
        """
        return None if self.cpu_flags is None else not _ONE_DNN_FLAGS.isdisjoint(self.cpu_flags)


class Replica(Machine):
    """What a replica ran on. `name` is that of its samples: its pod, or `server` on this machine.

    `machine` is the id of its node's machine, which a machine of the same name that replaces it does not have. None
    where that is unknown, as on this machine, without the right to read nodes, and in older manifests.

    `ready_after_s` is how long its pod took from its node's choice until it was ready: images, model load, warm-up.
    None where that is unknown, as on this machine, once its container was started again, and in older manifests.
    """

    name: str
    machine: Annotated[str | None, Field(max_length=100, exclude_if=is_none)] = None
    ready_after_s: Annotated[float | None, Field(ge=0, le=1e6, exclude_if=is_none)] = None


class Generator(Record):
    """The generator. `processes` are those of all its pods, which are on `nodes`; none outside a cluster.

    `cpu_peak_percent` is that of the busiest process, in percent of a core; None without samples. `machine` is that of
    the first pod. Older manifests have no `nodes`.
    """

    kind: str
    processes: Annotated[int, Field(ge=1, le=10_000)]
    cpu_peak_percent: Annotated[float, Field(ge=0, le=1e6)] | None
    shares_host_with_server: bool
    nodes: tuple[str | None, ...] = ()
    machine: Machine | None = None


class Category(StrEnum):
    """What a billed resource belongs to."""

    serving_nodes = "serving nodes"
    boot_disks = "boot disks"
    management_fee = "management fee"
    network = "network"
    storage = "storage"
    load_test = "load test"
    other = "other"


# Manifests without categories have line items of these names alone.
SERVING_NODES = "serving nodes: "
_CATEGORY_BY_NAME = (
    (f"{SERVING_NODES}boot disks", Category.boot_disks),
    (SERVING_NODES, Category.serving_nodes),
    ("cluster fee", Category.management_fee),
    ("NAT gateway: ", Category.network),
    ("model bucket", Category.storage),
)


class LineItem(Record):
    """One billed resource. `unit_price` and `hourly` are None where no price is known, never 0; `reason` says why.

    `sku_id` is the catalogue's number of the SKU, where the price is from there. `source` says where the price was read
    if that was not with the others of the cost.
    """

    name: str
    category: Category
    sku: str | None = None
    sku_id: str | None = None
    quantity: Annotated[float, Field(ge=0, le=1e12)]
    unit: str
    unit_price: _Usd | None = None
    hourly: _Usd | None = None
    reason: str | None = None
    source: Annotated[str | None, Field(exclude_if=is_none)] = None

    @property
    def short_name(self) -> str:
        """The name without `serving nodes: `, with which most names begin."""
        return self.name.removeprefix(SERVING_NODES)

    @model_validator(mode="before")
    @classmethod
    def _categorised(cls, item: object) -> object:
        """Add the category to a line item that was written before there were categories."""
        if not isinstance(item, dict) or "category" in item:
            return item
        name = str(item.get("name", ""))
        found = (category for prefix, category in _CATEGORY_BY_NAME if name.startswith(prefix))
        return item | {"category": next(found, Category.other)}


class Cost(Record):
    """The hourly price of serving. `hourly` is None when a line item has no price."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    region: str
    prices_as_of: str
    source: str
    line_items: tuple[LineItem, ...]
    hourly: _Usd | None


class Validity(Record):
    """Whether the run may be ranked, and the reason of each failed check."""

    verdict: Literal["valid", "invalid"]
    reasons: tuple[str, ...]


class StoredFile(Record):
    """A file of rows or samples of the run, as it was written. `sha256` is that of its content."""

    name: Annotated[str, Field(pattern=r"^(part-[A-Za-z0-9._-]+|samples)\.parquet$")]
    rows: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Repeat(Record):
    """One of several runs of one update. `group` is the first one's run id; `index` counts from 1 in their order."""

    group: str
    index: Annotated[int, Field(ge=1)]
    of: Annotated[int, Field(ge=2)]


class Key(Record):
    """What the update was asked for: `rerun` of its settings; in a sweep, which candidate and block of it that is."""

    rerun: str
    sweep: str | None = None
    block: Annotated[int | None, Field(ge=1)] = None
    candidate: str | None = None


class CapacityRps(Record):
    """Requests per second: the capacity with its 95 % interval.

    `value` is None and `low` is 0 where every rate missed the objective: the capacity is at most `high`.
    """

    value: _Rate | None
    low: _Rate
    high: _Rate


class CapacityStep(Record):
    """One rate of the search, in phase `step-<n>`, n counting from 1 in the order of the steps.

    `arrivals` is None in runs from before it was recorded: they were constant. Latencies are response times of good
    answers; None without any. `meets` is None where a step was ended before the result was certain, as while the rate
    rises. A `disturbed` step, during which other programs took too much CPU, is no evidence.
    """

    rate_rps: _Rate
    arrivals: Literal["constant", "poisson"] | None = None
    achieved_rps: float | None
    requests: Annotated[int, Field(ge=0)]
    p50_ms: float | None
    p99_ms: float | None
    error_ratio: float | None
    meets: bool | None
    disturbed: bool = False


class SearchedCapacity(Record):
    """The highest rate with `quantile` of the answers within `latency_ms` and at most a share `error_ratio` failed.

    `imprecise_because` says why the interval is wider than the search was to make it, or why there is none.
    """

    quantile: float
    latency_ms: float
    error_ratio: float
    rps: CapacityRps
    steps: tuple[CapacityStep, ...]
    imprecise_because: str | None = None

    @model_validator(mode="after")
    def _a_step_is_near_the_capacity(self) -> Self:
        try:
            _ = self.phase
        except ValueError:
            raise ValueError("none of its steps is near its capacity, so it is not known what was measured") from None
        return self

    @property
    def phase(self) -> str:
        """The phase of the step at the capacity, which the figures of the run are of.

        Of the steps with Poisson arrivals at most 5 % below the capacity it is the longest, else the nearest step.
        Without a value it is the longest step at the upper bound. No step that was disturbed is chosen.
        """
        at_rps = self.rps.value
        if at_rps is None:
            return f"step-{max((step.requests, n) for n, step in self._numbered if step.rate_rps == self.rps.high)[1]}"
        poisson = [(n, step) for n, step in self._numbered if step.arrivals == "poisson"]
        if not poisson:
            return f"step-{max(n for n, step in self._numbered if step.meets and step.rate_rps == at_rps)}"
        near = [(step.requests, n) for n, step in poisson if _NEAR * at_rps <= step.rate_rps <= at_rps]
        nearest = min(poisson, key=lambda each: abs(each[1].rate_rps - at_rps))[0]
        return f"step-{max(near)[1] if near else nearest}"

    @property
    def _numbered(self) -> list[tuple[int, CapacityStep]]:
        steps = list(enumerate(self.steps, 1))
        return [(n, step) for n, step in steps if not step.disturbed] or steps


class Manifest(Record):
    """One finished run. It is written last, so a run without a manifest is not finished and not read.

    Runs that were stored before `replicas` was recorded have none; those from before `files` have None there, and what
    is read of them is not verified. `deployment` is equal for runs that the same server processes answered; None where
    that is unknown, as in runs that were stored before it was recorded. So is `other_cpu`.

    `seed` is the one that the arrivals were made with: the profile's, and what repeat and rerun add to it. None in a
    closed loop, which has none, and like `key` in runs that were stored before it was recorded. `autoscaler` is what
    changed the number of servers during the run, None where nothing did.
    """

    schema_version: Literal[1, 2] = 2
    run_id: Annotated[str, Field(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$")]
    stack: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]
    platform: Literal["local", "kubernetes", "gke", "service"]
    shape: NodeShape
    serving: Serving
    replicas: tuple[Replica, ...] = ()
    deployment: Annotated[str | None, Field(pattern=r"^d[0-9a-f]{11}$")] = None
    load: LoadProfile
    seed: Annotated[int | None, Field(ge=0)] = None
    key: Key | None = None
    autoscaler: Autoscaler | None = None
    generator: Generator
    started_at: _Time
    finished_at: _Time
    cost: Cost
    capacity: SearchedCapacity | None = None
    other_cpu: OtherCpu | None = None
    validity: Validity
    repeat: Repeat | None = None
    software: dict[str, str]
    git_commit: str | None
    files: tuple[StoredFile, ...] | None = None

    @property
    def has_digests(self) -> bool:
        """Whether the version that wrote it wrote digests, of itself and of the files that it names.

        In version 1 `deployment` came later than the digests, so whoever wrote that wrote these, too.
        """
        return self.schema_version > 1 or "deployment" in self.model_fields_set

    @property
    def counted_phase(self) -> str:
        """The phase that the figures of the run are of: its hold, or the step at the capacity of a search."""
        return self.capacity.phase if self.capacity else HOLD
