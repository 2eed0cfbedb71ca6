"""A capacity search of a few simulated nodes, stored as a run: Poisson steps whose rates close in on the capacity."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from analysis.results.schema.manifest import CapacityRps, CapacityStep, Manifest, SearchedCapacity
from analysis.results.storage.store import ResultsStore
from bench.fleets.truth import Clients, Fleet, Floats, Server
from bench.stores.synthetic import make_manifest, request_rows, write_run
from stacks.load.load_profiles import CapacitySearch

QUANTILE, ERRORS = 0.99, 0.001
_STEP_REQUESTS, _LONG_STEP_REQUESTS = 3_000, 15_000
_STEPS = 14
_PRECISION = 1.04
_PAUSE_S = 30


def searched_run(
    store: ResultsStore,
    server: Server,
    nodes: int,
    latency_ms: float,
    seed: int,
    protocol: Literal["rest", "grpc"] = "rest",
    **changes: Any,  # noqa: ANN401 - any field of the manifest
) -> Manifest:
    """Over gRPC the generator's users send in turn; over REST requests are taken to reach replicas at random."""
    senders = Clients("grpc", 0) if protocol == "grpc" else Clients("rest", None)
    rng = np.random.default_rng(seed)
    mean_s = float(server.work_s(rng, 1000).mean())
    rate_rps, kept_rps, missed_rps, began_s = nodes * server.workers / mean_s / 8, 0.0, np.inf, 0.0
    steps: list[CapacityStep] = []
    tables: list[pa.Table] = []
    while len(steps) < _STEPS and not missed_rps <= kept_rps * _PRECISION:
        requests = _LONG_STEP_REQUESTS if np.isfinite(missed_rps) and kept_rps else _STEP_REQUESTS
        offsets_s = rng.exponential(1 / rate_rps, requests).cumsum()
        fleet = Fleet(server, nodes, senders, rng)
        response_s = np.array([fleet.end_s(at_s) for at_s in offsets_s.tolist()]) - offsets_s
        step = _summary(offsets_s, response_s, rate_rps, latency_ms)
        steps.append(step)
        names = fleet.nodes if protocol == "grpc" else None
        tables.append(_rows(offsets_s + began_s, response_s, f"step-{len(steps)}", names))
        began_s += float(offsets_s[-1]) + _PAUSE_S
        kept_rps, missed_rps = (rate_rps, missed_rps) if step.meets else (kept_rps, rate_rps)
        rate_rps = _next(rate_rps, kept_rps, missed_rps)
    rps = CapacityRps(value=kept_rps, low=kept_rps / _PRECISION, high=missed_rps * _PRECISION)
    found = SearchedCapacity(quantile=QUANTILE, latency_ms=latency_ms, error_ratio=ERRORS, rps=rps, steps=tuple(steps))
    manifest = make_manifest(_load(latency_ms), nodes=nodes, **{"capacity": found, **changes})
    serving = manifest.serving.model_copy(update={"protocol": protocol})
    return write_run(store, manifest.model_copy(update={"serving": serving}), pa.concat_tables(tables))


def _load(latency_ms: float) -> CapacitySearch:
    return CapacitySearch(
        quantile=QUANTILE,
        latency_ms=latency_ms,
        error_ratio=ERRORS,
        lowest_rps=0.5,
        highest_rps=10_000,
        precision=0.05,
        max_in_flight=1000,
        warmup_s=20,
        duration_s=3600,
    )


def _next(rate_rps: float, kept_rps: float, missed_rps: float) -> float:
    if not np.isfinite(missed_rps):
        return 2 * rate_rps
    return float(np.sqrt(kept_rps * missed_rps)) if kept_rps else rate_rps / 2


def _summary(offsets_s: Floats, response_s: Floats, rate_rps: float, latency_ms: float) -> CapacityStep:
    response_ms = response_s * 1000
    return CapacityStep(
        rate_rps=rate_rps,
        achieved_rps=offsets_s.size / float((offsets_s + response_s).max()),
        requests=offsets_s.size,
        p50_ms=float(np.quantile(response_ms, 0.5)),
        p99_ms=float(np.quantile(response_ms, 0.99)),
        error_ratio=0.0,
        arrivals="poisson",
        meets=bool((response_ms > latency_ms).mean() <= 1 - QUANTILE),
    )


def _rows(offsets_s: Floats, response_s: Floats, phase: str, nodes: Sequence[int] | None) -> pa.Table:
    intended_start_us = (offsets_s * 1e6).astype("int64")
    rows = request_rows(
        intended_start_us, (response_s * 1e6).astype("int64"), phase, np.ones(intended_start_us.size, dtype=bool)
    )
    if nodes is None:
        return rows
    at = rows.schema.get_field_index("backend")
    return rows.set_column(at, rows.schema.field(at), pa.array([f"10.0.0.{node}:8500" for node in nodes]))
