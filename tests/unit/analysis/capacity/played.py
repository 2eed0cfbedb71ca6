"""Rates played against a simulated server whose capacity is known, as rows and as a run."""

from collections.abc import Sequence

import numpy as np

from analysis.capacity.requests import OfferedRate
from analysis.objective import Objective
from analysis.results.run.columns import RunRows
from analysis.results.schema.manifest import CapacityRps, CapacityStep, Manifest, SearchedCapacity
from analysis.results.schema.samples import SAMPLES_SCHEMA
from bench.servers.simulated_server import ServerModel, SimulatedServer
from bench.stores.synthetic import make_columns, make_manifest
from loadtest.generator.loops.arrivals import CONSTANT, POISSON, offsets_at
from stacks.load.load_profiles import PROFILES, LoadProfile

# Four workers of 50 ms: 80 requests/s at most.
SERVER = ServerModel(replicas=1, workers=4, service_s=0.05, service_cv=0.5)
OBJECTIVE = Objective(quantile=0.95, latency_ms=200, errors=0.01)
# By a simulation of 4 million requests: `true_capacity_rps(SERVER, 0.95, 0.2, 4_000_000)`, to 0.2 %.
CAPACITY_RPS = 68.5


def played(
    rate_rps: float, seconds: float, seed: int = 1, law: str = POISSON, server: ServerModel = SERVER
) -> tuple[np.ndarray, np.ndarray]:
    """When each request is due and answered, in seconds."""
    simulated = SimulatedServer(server, seed)
    offsets_s = []
    for offset_s in offsets_at(rate_rps, law, seed):
        if offset_s > seconds:
            break
        offsets_s.append(offset_s)
    return np.array(offsets_s), np.array([simulated.end_s(offset_s) for offset_s in offsets_s])


def offered(
    rate_rps: float, seconds: float, seed: int = 1, law: str = POISSON, server: ServerModel = SERVER
) -> OfferedRate:
    offsets_s, end_s = played(rate_rps, seconds, seed, law, server)
    return OfferedRate(rate_rps, law == POISSON, offsets_s - offsets_s[0], end_s - offsets_s)


def run_of(load: LoadProfile, phases: Sequence[tuple[str, np.ndarray, np.ndarray]], counted: str, **changes) -> tuple:
    """A manifest, and the rows of phases that follow each other; all answers are good unless infinitely late."""
    due, end, names, start_s = [], [], [], 0.0
    for name, offsets_s, end_s in phases:
        due.append(offsets_s + start_s)
        end.append(end_s + start_s)
        names += [name] * offsets_s.size
        start_s += offsets_s[-1] + 10
    offsets_s, end_s = np.concatenate(due), np.concatenate(end)
    ok = np.isfinite(end_s)
    intended_start_us = np.round(offsets_s * 1e6).astype(np.int64)
    every = make_columns(intended_start_us, np.round(np.where(ok, end_s, offsets_s) * 1e6).astype(np.int64), ok, names)
    rows = RunRows(every, every.where(every.phase.equal(counted)), SAMPLES_SCHEMA.empty_table(), ())
    return make_manifest(load, **changes), rows


def search_run(rates: Sequence[tuple[float, float, str | None]]) -> tuple[Manifest, RunRows]:
    """A search whose steps are (rate, seconds, arrivals); arrivals None are constant, as before they were recorded."""
    phases = [
        (f"step-{n}", *played(rate_rps, seconds, n, law or CONSTANT))
        for n, (rate_rps, seconds, law) in enumerate(rates, 1)
    ]
    steps = tuple(
        CapacityStep(
            rate_rps=rate_rps, arrivals=law, achieved_rps=rate_rps, requests=offsets_s.size, p50_ms=1, p99_ms=1,
            error_ratio=0, meets=n == 0,
        )
        for n, ((rate_rps, _, law), (_, offsets_s, _)) in enumerate(zip(rates, phases, strict=True))
    )  # fmt: skip
    found = CapacityRps(value=rates[0][0], low=rates[0][0], high=rates[0][0])
    capacity = SearchedCapacity(quantile=0.95, latency_ms=200, error_ratio=0.01, rps=found, steps=steps)
    return run_of(PROFILES["capacity"], phases, "step-1", capacity=capacity)
