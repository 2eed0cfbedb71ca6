"""Writes runs of a simulated fleet with known service times, for benchmarks and tests of planning."""

from typing import Any

import numpy as np
import pyarrow as pa

from analysis.planning.simulation import ClosedLoop, Fleet, OpenLoop, Simulated, simulate
from analysis.results.manifest import Capacity, CapacityRps, CapacityStep, Manifest
from analysis.results.store import ResultsStore
from bench.stores.synthetic import make_manifest, request_rows, write_run
from stacks import load_profiles as profiles

# Between two phases.
_PAUSE_S = 30
_STEP_REQUESTS = 4_000
_ROUNDS = 12
_PRECISION = 1.05


def write_phases(store: ResultsStore, manifest: Manifest, phases: dict[str, Simulated]) -> Manifest:
    tables, start_s = [], 0.0
    for phase, simulated in phases.items():
        start_us = ((simulated.start_s + start_s) * 1e6).astype("int64")
        tables.append(request_rows(start_us, (simulated.latency_s * 1e6).astype("int64"), phase, simulated.ok))
        start_s += simulated.duration_s + _PAUSE_S
    return write_run(store, manifest, pa.concat_tables(tables))


def closed_loop_run(
    store: ResultsStore,
    fleet: Fleet,
    load: profiles.ClosedLoop,
    seed: int,
    **changes: Any,  # noqa: ANN401 - any field of the manifest
) -> Manifest:
    """A closed-loop load test of `fleet`: warm-up with one user, ramp, hold."""
    ramp = simulate(fleet, ClosedLoop(load.users, load.wait_s, load.ramp_s, ramp_s=load.ramp_s), seed)
    hold = simulate(fleet, ClosedLoop(load.users, load.wait_s, load.hold_s), seed + 1)
    phases = {"ramp": ramp, "hold": hold}
    if load.warmup_s:
        phases = {"warmup": simulate(fleet, ClosedLoop(1, load.wait_s, load.warmup_s), seed + 2)} | phases
    return write_phases(store, _manifest(fleet, load, changes), phases)


def capacity_run(store: ResultsStore, fleet: Fleet, p99_ms: float, seed: int, **changes: Any) -> Manifest:  # noqa: ANN401 - the same
    """A capacity search of `fleet`: double the rate until p99 breaks the limit, then bisect; 4,000 requests a step."""
    kept_rps, broken_rps = 0.0, np.inf
    rate_rps = 0.1 * fleet.replicas * fleet.service.limit_rps
    phases: dict[str, Simulated] = {}
    steps: list[CapacityStep] = []
    for number in range(_ROUNDS):
        simulated = simulate(fleet, OpenLoop(rate_rps, _STEP_REQUESTS / rate_rps), seed + number)
        tail_ms = simulated.quantile_ms(0.99)
        phases[f"step-{number + 1}"] = simulated
        step = CapacityStep(
            rate_rps=rate_rps,
            achieved_rps=simulated.throughput_rps,
            requests=simulated.ok.size,
            p50_ms=simulated.quantile_ms(0.5),
            p99_ms=tail_ms,
            error_ratio=simulated.error_ratio,
            meets=tail_ms <= p99_ms,
        )
        steps.append(step)
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


def _manifest(fleet: Fleet, load: profiles.LoadProfile, changes: dict[str, Any]) -> Manifest:
    manifest = make_manifest(load, nodes=fleet.replicas, **changes)
    protocol = "grpc" if fleet.balancer == "round-robin" else "rest"
    serving = manifest.serving.model_copy(update={"protocol": protocol, "batching": fleet.batching})
    return manifest.model_copy(update={"serving": serving})


def cores_of_its_own(threads: int) -> tuple[float, ...]:
    """The speeds of a replica with a core for each thread: requests do not slow each other down."""
    return (1.0,) * threads
