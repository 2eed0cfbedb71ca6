"""Simulates servers with known goodput and p99, in many independent runs, to test confidence intervals.

The runs of a regime are simulated together, one request of each run at a time, in NumPy arrays.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from analysis.results.run.columns import RunRows
from analysis.results.schema.samples import SAMPLES_SCHEMA
from bench.stores.synthetic import make_columns

Floats = npt.NDArray[np.float64]
RATE_RPS = 50.0
HOLD_S = 300.0
WARMUP_S = 40.0
REQUESTS = int(RATE_RPS * (HOLD_S + WARMUP_S))
# Runs that are simulated together; more would not fit in memory.
_BATCH = 100
# Runs that give the true p99: 14 million requests.
TRUTH_RUNS = 800


@dataclass(frozen=True)
class Traffic:
    """Requests, one row a run: when due, response time, whether the answer was good. Times in seconds."""

    offsets_s: Floats
    response_s: Floats
    ok: npt.NDArray[np.bool_]


Simulate = Callable[[np.random.Generator, int], Traffic]
Arrivals = Callable[[np.random.Generator, int], Floats]
Service = Callable[[np.random.Generator, int, float], Floats]


@dataclass(frozen=True)
class Regime:
    """A server under a load, with its true goodput."""

    name: str
    simulate: Simulate
    goodput_rps: float

    def runs(self, count: int, seed: int) -> Iterator[RunRows]:
        """The rows of independent runs: the hold phase, and when good answers came, including those of the warm-up."""
        rng = np.random.default_rng(seed)
        for first in range(0, count, _BATCH):
            runs = min(_BATCH, count - first)
            traffic = self.simulate(rng, runs)
            yield from (rows_of(traffic, run) for run in range(runs))

    def true_p99_ms(self, runs: int = TRUTH_RUNS) -> float:
        """The p99 of good answers, from a simulation long enough to neglect its error."""
        rng = np.random.default_rng(20261124)
        counted_s = []
        for _ in range(0, runs, _BATCH):
            traffic = self.simulate(rng, _BATCH)
            counted_s.append(traffic.response_s[traffic.ok & (traffic.offsets_s >= WARMUP_S)])
        return float(np.quantile(np.concatenate(counted_s), 0.99)) * 1000


def rows_of(traffic: Traffic, run: int) -> RunRows:
    offsets_s, ok = traffic.offsets_s[run], traffic.ok[run]
    intended_start_us = np.round(offsets_s * 1e6).astype(np.int64)
    end_us = intended_start_us + np.round(traffic.response_s[run] * 1e6).astype(np.int64)
    every = make_columns(intended_start_us, end_us, ok)
    return RunRows(every, every.where(offsets_s >= WARMUP_S), SAMPLES_SCHEMA.empty_table(), ())


def poisson(rng: np.random.Generator, runs: int) -> Floats:
    return rng.exponential(1 / RATE_RPS, (runs, REQUESTS))


def constant(_: np.random.Generator, runs: int) -> Floats:
    return np.full((runs, REQUESTS), 1 / RATE_RPS)


def exponential(rng: np.random.Generator, runs: int, mean_s: float) -> Floats:
    return rng.exponential(mean_s, (runs, REQUESTS))


def fixed(_: np.random.Generator, runs: int, mean_s: float) -> Floats:
    """Constant service times, nearly as those of a neural network."""
    return np.full((runs, REQUESTS), mean_s)


def queue(
    rng: np.random.Generator, runs: int, *, arrivals: Arrivals, service: Service, servers: int, busy: float
) -> Traffic:
    """A first-come, first-served queue with utilisation `busy`, by the Kiefer-Wolfowitz recursion (1955)."""
    gaps_s = arrivals(rng, runs)
    services_s = service(rng, runs, busy * servers / RATE_RPS)
    response_s = np.empty_like(gaps_s)
    workload_s = np.zeros((runs, servers))
    for request in range(REQUESTS):
        workload_s = np.maximum(workload_s - gaps_s[:, request, None], 0)
        workload_s[:, 0] += services_s[:, request]
        response_s[:, request] = workload_s[:, 0]
        workload_s.sort(axis=1)
    return _all_good(gaps_s, response_s)


def autoregressive(rng: np.random.Generator, runs: int, *, memory: float, spread: float) -> Traffic:
    """Latencies whose logarithm is a first-order autoregressive process: slow drift without a queue."""
    gaps_s = constant(rng, runs)
    shocks = rng.normal(0, spread * np.sqrt(1 - memory**2), gaps_s.shape)
    level = np.zeros(runs)
    logarithm = np.empty_like(gaps_s)
    for request in range(REQUESTS):
        level = memory * level + shocks[:, request]
        logarithm[:, request] = level
    return _all_good(gaps_s, 0.1 * np.exp(logarithm))


def wandering(rng: np.random.Generator, runs: int, *, time_constant_s: float, spread: float) -> Traffic:
    """A saturated server whose capacity wanders: its logarithm is an Ornstein-Uhlenbeck process."""
    gaps_s = poisson(rng, runs)
    memory = np.exp(-gaps_s / time_constant_s)
    shocks = rng.normal(0, spread, gaps_s.shape) * np.sqrt(1 - memory**2)
    level = rng.normal(0, spread, runs)
    for request in range(REQUESTS):
        level = memory[:, request] * level + shocks[:, request]
        # The mean of the rate, not of the gaps, is that of a server that does not wander.
        gaps_s[:, request] *= np.exp(spread**2 / 2 - level)
    return _all_good(gaps_s, 0.3 * rng.lognormal(0, 0.2, gaps_s.shape))


def slow_spells(rng: np.random.Generator, runs: int, *, every_s: float, lasts_s: float) -> Traffic:
    """Spells that begin at random, in which all answers take four times as long, as when a neighbour is busy."""
    gaps_s = poisson(rng, runs)
    response_s = 0.06 * rng.lognormal(0, 0.2, gaps_s.shape)
    slow = _spells(rng, gaps_s.cumsum(axis=1), every_s, lasts_s)
    return _all_good(gaps_s, np.where(slow, 4 * response_s, response_s))


def error_bursts(rng: np.random.Generator, runs: int, *, every_s: float, lasts_s: float) -> Traffic:
    """Requests fail in bursts that begin at random."""
    gaps_s = poisson(rng, runs)
    offsets_s = gaps_s.cumsum(axis=1)
    return Traffic(offsets_s, 0.06 * rng.lognormal(0, 0.2, gaps_s.shape), ~_spells(rng, offsets_s, every_s, lasts_s))


def pareto(rng: np.random.Generator, runs: int, *, shape: float) -> Traffic:
    """Independent latencies with a heavy tail."""
    gaps_s = poisson(rng, runs)
    return _all_good(gaps_s, 0.05 * (1 + rng.pareto(shape, gaps_s.shape)))


def saturated(rng: np.random.Generator, runs: int, *, users: int, servers: int) -> Traffic:
    """A closed loop without pauses: each answer triggers the next request, and all servers are always busy."""
    services_s = exponential(rng, runs, servers / RATE_RPS)
    free_s = np.zeros((runs, servers))
    began_s = np.empty_like(services_s)
    for request in range(REQUESTS):
        began_s[:, request] = free_s[:, 0]
        free_s[:, 0] += services_s[:, request]
        free_s.sort(axis=1)
    # An answer triggers a request and frees a server for the request that has waited longest.
    waiting = users - servers
    sent_s = np.concatenate([np.zeros((runs, waiting)), began_s[:, :-waiting]], axis=1)
    return Traffic(sent_s, began_s + services_s - sent_s, np.ones(sent_s.shape, dtype=bool))


def _spells(rng: np.random.Generator, offsets_s: Floats, every_s: float, lasts_s: float) -> npt.NDArray[np.bool_]:
    """Whether each request is due in a spell; spells last `lasts_s` and are `every_s` apart, on average."""
    within = np.zeros(offsets_s.shape, dtype=bool)
    max_spells = int(4 * offsets_s.max() / every_s) + 20
    for run in range(offsets_s.shape[0]):
        edges_s = rng.exponential([[every_s, lasts_s]], (max_spells, 2)).ravel().cumsum()
        within[run] = np.searchsorted(edges_s, offsets_s[run]) % 2 == 1
    return within


def _all_good(gaps_s: Floats, response_s: Floats) -> Traffic:
    return Traffic(gaps_s.cumsum(axis=1), response_s, np.ones(gaps_s.shape, dtype=bool))


# What intervals were set with. `bench.stores.grading` has others, for the benchmark.
REGIMES: tuple[Regime, ...] = (
    Regime("M/M/4, 60 % busy", partial(queue, arrivals=poisson, service=exponential, servers=4, busy=0.6), RATE_RPS),
    Regime("M/M/2, 80 % busy", partial(queue, arrivals=poisson, service=exponential, servers=2, busy=0.8), RATE_RPS),
    Regime("M/D/2, 70 % busy", partial(queue, arrivals=poisson, service=fixed, servers=2, busy=0.7), RATE_RPS),
    Regime("D/M/2, 70 % busy", partial(queue, arrivals=constant, service=exponential, servers=2, busy=0.7), RATE_RPS),
    Regime("autocorrelated, memory 0.95", partial(autoregressive, memory=0.95, spread=0.3), RATE_RPS),
    Regime("autocorrelated, memory 0.995", partial(autoregressive, memory=0.995, spread=0.3), RATE_RPS),
    Regime("slow spells, 1 s in 20", partial(slow_spells, every_s=19, lasts_s=1), RATE_RPS),
    Regime("Pareto tail, shape 2", partial(pareto, shape=2), RATE_RPS),
    Regime("saturated closed loop", partial(saturated, users=16, servers=4), RATE_RPS),
    Regime("many error bursts, 0.5 s in 10", partial(error_bursts, every_s=9.5, lasts_s=0.5), RATE_RPS * 9.5 / 10),
    Regime("few error bursts, 2 s in 60", partial(error_bursts, every_s=58, lasts_s=2), RATE_RPS * 58 / 60),
)
