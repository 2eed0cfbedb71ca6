"""Writes runs of a simulated fleet with known service times, for benchmarks and tests of planning."""

from typing import Any

import numpy as np
import pyarrow as pa

from analysis.planning.simulation.events import Fleet, Simulated
from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore
from bench.stores.closed_loops import ClosedLoop, simulate_closed
from bench.stores.synthetic import make_manifest, request_rows, write_run
from stacks.load import load_profiles as profiles

# Between two phases.
_PAUSE_S = 30


def write_phases(store: ResultsStore, manifest: Manifest, phases: dict[str, Simulated]) -> Manifest:
    tables, start_s = [], 0.0
    for phase, simulated in phases.items():
        start_us = ((simulated.start_s + start_s) * 1e6).astype("int64")
        latency_us = (simulated.latency_s * 1e6).astype("int64")
        tables.append(request_rows(start_us, latency_us, phase, np.ones(start_us.size, dtype=bool)))
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
    ramp = simulate_closed(fleet, ClosedLoop(load.users, load.wait_s, load.ramp_s, ramp_s=load.ramp_s), seed)
    hold = simulate_closed(fleet, ClosedLoop(load.users, load.wait_s, load.hold_s), seed + 1)
    phases = {"ramp": ramp, "hold": hold}
    if load.warmup_s:
        phases = {"warmup": simulate_closed(fleet, ClosedLoop(1, load.wait_s, load.warmup_s), seed + 2)} | phases
    return write_phases(store, _manifest(fleet, load, changes), phases)


def _manifest(fleet: Fleet, load: profiles.LoadProfile, changes: dict[str, Any]) -> Manifest:
    manifest = make_manifest(load, nodes=fleet.replicas, **changes)
    protocol = "rest" if fleet.balancer.kind == "random" else "grpc"
    return manifest.model_copy(update={"serving": manifest.serving.model_copy(update={"protocol": protocol})})


def cores_of_its_own(threads: int) -> tuple[float, ...]:
    """The speeds of a replica with a core for each thread: requests do not slow each other down."""
    return (1.0,) * threads
