"""Runs of a simulated fleet: real stores whose truth is known, for benchmarks and tests of what plans with them."""

from typing import Any

import numpy as np
import pyarrow as pa

from analysis.planning.simulation import ClosedLoop, Fleet, OpenLoop, Simulated, simulate
from analysis.results.manifest import Capacity, CapacityRps, CapacityStep, Manifest
from analysis.results.store import REQUESTS_SCHEMA, ResultsStore
from bench.stores.synthetic import STARTED_AT, make_manifest, write_run
from stacks import load_profiles as profiles

_APART_S = 30
_STEP_REQUESTS = 4_000
_ROUNDS = 12
_PRECISION = 1.05


def phase_rows(phase: str, began_s: float, answered: Simulated) -> pa.Table:
    """What a generator would have recorded of a phase that began so long after the run."""
    started_us = int(STARTED_AT.timestamp() * 1e6) + ((answered.start_s + began_s) * 1e6).astype("int64")
    start = pa.array(started_us).cast(REQUESTS_SCHEMA.field("start").type)
    rows = answered.ok.size
    return pa.table(
        {
            "intended_start": start,
            "start": start,
            "latency_us": (answered.latency_s * 1e6).astype("int64"),
            "phase": pa.array([phase] * rows),
            "ok": answered.ok,
            "status": np.where(answered.ok, 200, 503).astype("int16"),
            "error": pa.array(np.where(answered.ok, "", "unavailable"), mask=answered.ok),
            "request_bytes": np.full(rows, 790_000),
            "response_bytes": np.where(answered.ok, 11_500, 60),
            "worker": pa.array(["w0"] * rows),
            "backend": pa.nulls(rows, pa.string()),
        },
        schema=REQUESTS_SCHEMA,
    )


def write_phases(store: ResultsStore, manifest: Manifest, phases: dict[str, Simulated]) -> Manifest:
    """Write the phases as one run, one after the other."""
    tables, began_s = [], 0.0
    for phase, answered in phases.items():
        tables.append(phase_rows(phase, began_s, answered))
        began_s += answered.duration_s + _APART_S
    return write_run(store, manifest, pa.concat_tables(tables))


def closed_loop_run(
    store: ResultsStore,
    fleet: Fleet,
    load: profiles.ClosedLoop,
    seed: int,
    **changes: Any,  # noqa: ANN401 - any field of the manifest
) -> Manifest:
    """A load test of `fleet` as the closed profile says: one user, then more and more, then all."""
    ramp = simulate(fleet, ClosedLoop(load.users, load.wait_s, load.ramp_s, ramp_s=load.ramp_s), seed)
    hold = simulate(fleet, ClosedLoop(load.users, load.wait_s, load.hold_s), seed + 1)
    phases = {"ramp": ramp, "hold": hold}
    if load.warmup_s:
        phases = {"warmup": simulate(fleet, ClosedLoop(1, load.wait_s, load.warmup_s), seed + 2)} | phases
    return write_phases(store, _manifest(fleet, load, changes), phases)


def capacity_run(store: ResultsStore, fleet: Fleet, p99_ms: float, seed: int, **changes: Any) -> Manifest:  # noqa: ANN401 - the same
    """A capacity search of `fleet`: double the rate until the tail breaks, then halve the gap; 4,000 requests each."""
    kept_rps, broken_rps = 0.0, np.inf
    rate_rps = 0.1 * fleet.replicas * fleet.service.limit_rps
    phases: dict[str, Simulated] = {}
    steps: list[CapacityStep] = []
    for number in range(_ROUNDS):
        answered = simulate(fleet, OpenLoop(rate_rps, _STEP_REQUESTS / rate_rps), seed + number)
        tail_ms = answered.quantile_ms(0.99)
        phases[f"step-{number + 1}"] = answered
        steps.append(_step(rate_rps, answered, meets=tail_ms <= p99_ms))
        kept_rps, broken_rps = (rate_rps, broken_rps) if tail_ms <= p99_ms else (kept_rps, rate_rps)
        if kept_rps and broken_rps / kept_rps <= _PRECISION:
            break
        rate_rps = 2 * rate_rps if np.isinf(broken_rps) else (kept_rps * broken_rps) ** 0.5
    found = Capacity(
        quantile=0.99,
        latency_ms=p99_ms,
        error_ratio=0.001,
        rps=CapacityRps(value=kept_rps, low=kept_rps, high=broken_rps),
        steps=tuple(steps),
    )
    return write_phases(store, _manifest(fleet, profiles.PROFILES["laptop"], changes | {"capacity": found}), phases)


def _step(rate_rps: float, answered: Simulated, *, meets: bool) -> CapacityStep:
    return CapacityStep(
        rate_rps=rate_rps,
        achieved_rps=answered.throughput_rps,
        requests=answered.ok.size,
        p50_ms=answered.quantile_ms(0.5),
        p99_ms=answered.quantile_ms(0.99),
        error_ratio=answered.error_ratio,
        meets=meets,
    )


def _manifest(fleet: Fleet, load: profiles.LoadProfile, changes: dict[str, Any]) -> Manifest:
    manifest = make_manifest(load, nodes=fleet.replicas, **changes)
    protocol = "grpc" if fleet.balancer == "round-robin" else "rest"
    serving = manifest.serving.model_copy(update={"protocol": protocol, "batching": fleet.batching})
    return manifest.model_copy(update={"serving": serving})
