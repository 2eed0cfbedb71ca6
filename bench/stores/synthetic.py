"""Writes synthetic runs to real results stores, for benchmarks and tests of what reads runs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analysis.pricing.cost import estimate
from analysis.results.run.columns import Booleans, Columns, Integers, Labels
from analysis.results.schema.manifest import (
    CapacityRps,
    CapacityStep,
    Generator,
    Manifest,
    Model,
    SearchedCapacity,
    Serving,
    Validity,
)
from analysis.results.schema.request_rows import REQUESTS_SCHEMA
from analysis.results.schema.samples import SAMPLES_SCHEMA
from analysis.results.storage.store import ResultsStore, new_run_id
from stacks.load.load_profiles import PROFILES, ClosedLoop, LoadProfile
from stacks.machines.shapes import NodeShape, ShapeSettings

STARTED_AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
# The rates of a synthetic search by the capacity, and whether each meets the objective.
_SEARCH_STEPS = ((0.5, True), (0.94, True), (1.06, False), (1.2, False))
_SEARCH_REQUESTS = 12_000
# The odds of a late answer are this power of the rate by the capacity.
_MISSES_GROW = 40
_REQUEST_BYTES = 790_000
_RESPONSE_BYTES = 11_500


@dataclass(frozen=True)
class Server:
    """A simple server model: constant latency up to its capacity, then a queue that grows with each user."""

    capacity_rps: float
    service_ms: float
    error_share: float = 0.0


def make_rows(load: ClosedLoop, server: Server, seed: int = 1) -> pa.Table:
    """Rows of a closed loop against `server`, with log-normal noise on its latency."""
    rng = np.random.default_rng(seed)
    step_s = 0.01
    time_s = np.arange(0, load.warmup_s + load.duration_s, step_s)
    users = np.clip(np.ceil((time_s - load.warmup_s + step_s) * load.spawn_rate_per_s), 1, load.users)
    idle_rps = users / (load.wait_s + server.service_ms / 1000)
    rate_rps = np.minimum(idle_rps, server.capacity_rps)
    latency_s = users / rate_rps - load.wait_s
    sent = np.cumsum(rate_rps) * step_s
    count = int(sent[-1])
    start_s = np.interp(np.arange(count) + rng.uniform(0, 1, count), sent, time_s)
    latency_us = np.interp(start_s, time_s, latency_s) * rng.lognormal(-0.02, 0.2, count) * 1e6
    phase = np.select(
        [start_s < load.warmup_s, start_s < load.warmup_s + load.ramp_s], ["warmup", "ramp"], default="hold"
    )
    ok = rng.uniform(0, 1, count) >= server.error_share
    return request_rows((start_s * 1e6).astype("int64"), latency_us.astype("int64"), phase, ok)


def make_search(
    capacity_rps: float,
    seed: int = 1,
    requests: int = _SEARCH_REQUESTS,
    **changes: Any,  # noqa: ANN401 - any field of the manifest
) -> tuple[Manifest, pa.Table]:
    """A capacity search with Poisson arrivals, of a server whose share of late answers grows with the rate.

    The share is what the objective allows at the capacity. `changes` are those of `make_manifest`, and `load`.
    """
    load = changes.pop("load", PROFILES["capacity"])
    rng = np.random.default_rng(seed)
    steps, parts, start_s, count = [], [], 0.0, requests // len(_SEARCH_STEPS)
    for number, (relative, meets) in enumerate(_SEARCH_STEPS, 1):
        rate_rps = relative * capacity_rps
        offsets_s = start_s + np.cumsum(rng.exponential(1 / rate_rps, count))
        odds = (1 - load.quantile) / load.quantile * relative**_MISSES_GROW
        late = rng.uniform(0, 1, count) < odds / (1 + odds)
        latency_ms = np.where(late, 1.5, 0.5) * load.latency_ms
        ok = np.ones(count, dtype=bool)
        latency_us = np.round(latency_ms * 1000).astype(np.int64)
        parts.append(request_rows(np.round(offsets_s * 1e6).astype(np.int64), latency_us, f"step-{number}", ok))
        middle_ms, tail_ms = np.quantile(latency_ms, [0.5, 0.99]).tolist()
        steps.append(
            CapacityStep(
                rate_rps=rate_rps,
                arrivals="poisson",
                achieved_rps=rate_rps,
                requests=count,
                p50_ms=middle_ms,
                p99_ms=tail_ms,
                error_ratio=0.0,
                meets=meets,
            )
        )
        start_s = float(offsets_s[-1]) + load.latency_ms / 500
    certified = max(relative for relative, meets in _SEARCH_STEPS if meets)
    failed = min(relative for relative, meets in _SEARCH_STEPS if not meets)
    capacity = SearchedCapacity(
        quantile=load.quantile,
        latency_ms=load.latency_ms,
        error_ratio=load.error_ratio,
        rps=CapacityRps(value=certified * capacity_rps, low=certified * capacity_rps, high=failed * capacity_rps),
        steps=tuple(steps),
    )
    return make_manifest(load, capacity=capacity, **changes), pa.concat_tables(parts)


def request_rows(
    start_us: npt.NDArray[np.int64],
    latency_us: npt.NDArray[np.int64],
    phase: str | npt.NDArray[np.str_],
    ok: npt.NDArray[np.bool_],
) -> pa.Table:
    """Rows in REQUESTS_SCHEMA of requests that were sent when due, `start_us` after STARTED_AT."""
    count = start_us.size
    start = pa.array(start_us + int(STARTED_AT.timestamp() * 1e6)).cast(REQUESTS_SCHEMA.field("start").type)
    return pa.table(
        {
            "intended_start": start,
            "start": start,
            "latency_us": latency_us,
            "phase": np.full(count, phase),
            "ok": ok,
            "status": np.where(ok, 200, 503).astype("int16"),
            "error": pa.array(np.where(ok, "", "unavailable"), mask=ok),
            "request_bytes": np.full(count, _REQUEST_BYTES),
            "response_bytes": np.where(ok, _RESPONSE_BYTES, 60),
            "worker": pa.array(["w0"] * count),
            "backend": pa.nulls(count, pa.string()),
        },
        schema=REQUESTS_SCHEMA,
    )


def machine_samples(
    began_us: int, others_at: Sequence[float], server: float = 0.9, generator: float = 0.1, cores: float = 2.0
) -> pa.Table:
    """Samples of a machine that server and generator share, one a second: so many cores each, and of other programs."""
    samples = []
    for second, others in enumerate(others_at, 1):
        busy = {"server": server, "generator": generator, "machine": server + generator + others}
        for subject, used in busy.items():
            for quantity, value in (("cpu_cores", used), ("most_cores", cores)):
                at_us = began_us + second * 1_000_000
                samples.append({"at": at_us, "subject": subject, "quantity": quantity, "value": value})
    return pa.Table.from_pylist(samples, schema=SAMPLES_SCHEMA)


def make_manifest(
    load: LoadProfile,
    stack: str = "8cpu-16gb",
    machine_type: str = "e2-custom-8-16384",
    nodes: int = 2,
    **changes: Any,  # noqa: ANN401 - any field of the manifest
) -> Manifest:
    """The manifest of a valid run of `load` on GKE; `changes` are fields that differ."""
    shape = NodeShape.of(stack, ShapeSettings(machine_type=machine_type, nodes=nodes))
    fields: dict[str, Any] = {
        "run_id": new_run_id(),
        "stack": stack,
        "platform": "gke",
        "shape": shape,
        "serving": Serving(
            server="tensorflow_model_server",
            server_version="2.20.0",
            image="tensorflow/serving:2.20.0",
            protocol="rest",
            replicas=nodes,
            intra_op=shape.vcpus,
            inter_op=4,
            batching=None,
            model=Model(name="resnet", digest="sha256:" + "5e" * 32, weights="imagenet"),
        ),
        "load": load,
        "generator": Generator(kind="locust", processes=1, cpu_peak_percent=41.0, shares_host_with_server=False),
        "started_at": STARTED_AT,
        "finished_at": STARTED_AT + timedelta(seconds=load.warmup_s + load.duration_s),
        "cost": estimate(shape),
        "validity": Validity(verdict="valid", reasons=()),
        "software": {"locust": "2.47.0", "tensorflow": "2.21.0"},
        "git_commit": "0123456789abcdef0123456789abcdef01234567",
    }
    return Manifest(**fields | changes)


def make_columns(
    intended_start_us: Integers,
    end_us: Integers,
    ok: Booleans,
    phase: Sequence[str] = ("hold",),
    backend: Sequence[str] | None = None,
) -> Columns:
    """Rows that were sent when they were due, as arrays; one phase is that of all."""
    unknown = Labels(np.full(intended_start_us.size, -1, dtype=np.int32), ())
    backends = unknown if backend is None else _labels(backend, intended_start_us.size)
    return Columns(
        intended_start_us, intended_start_us, end_us, ok, _labels(phase, intended_start_us.size), unknown, backends
    )


def _labels(values: Sequence[str], size: int) -> Labels:
    names, codes = np.unique(np.broadcast_to(values, size), return_inverse=True)
    return Labels(codes.astype(np.int32), tuple(names.tolist()))


def write_run(store: ResultsStore, manifest: Manifest, rows: pa.Table, samples: pa.Table | None = None) -> Manifest:
    """Write a run of one process; returns the manifest that is stored."""
    return store.write_run(manifest, [("w0", rows)], SAMPLES_SCHEMA.empty_table() if samples is None else samples)


def make_older(manifest_file: Path) -> None:
    """Write the manifest as it was before there were digests, which nothing that was added later is in."""
    content = json.loads(manifest_file.read_text(encoding="utf-8")) | {"schema_version": 1}
    for key in ("deployment", "files", "sha256"):
        del content[key]
    # Another file, in case this one is linked.
    manifest_file.unlink()
    manifest_file.write_text(json.dumps(content), encoding="utf-8")
