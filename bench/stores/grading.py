"""The servers and experiments that `make bench-verdict` grades with: nothing is tuned with them.

Intervals and checks were set with `bench.stores.regimes`; the truth of these is of other servers, rates and spreads.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from bench.stores.regimes import (
    RATE_RPS,
    REQUESTS,
    Floats,
    Regime,
    autoregressive,
    error_bursts,
    exponential,
    pareto,
    poisson,
    queue,
    saturated,
    slow_spells,
    wandering,
)


def log_normal(rng: np.random.Generator, runs: int, mean_s: float) -> Floats:
    """Service times with a coefficient of variation of 0.5."""
    sigma = np.sqrt(np.log(1.25))
    return mean_s * rng.lognormal(-(sigma**2) / 2, sigma, (runs, REQUESTS))


OPEN_LOOPS: tuple[Regime, ...] = (
    Regime("M/G/3, 65 % busy", partial(queue, arrivals=poisson, service=log_normal, servers=3, busy=0.65), RATE_RPS),
    Regime("M/M/8, 75 % busy", partial(queue, arrivals=poisson, service=exponential, servers=8, busy=0.75), RATE_RPS),
    Regime("autocorrelated, memory 0.98", partial(autoregressive, memory=0.98, spread=0.25), RATE_RPS),
    Regime("slow spells, 0.7 s in 15", partial(slow_spells, every_s=14.3, lasts_s=0.7), RATE_RPS),
    Regime("Pareto tail, shape 2.5", partial(pareto, shape=2.5), RATE_RPS),
    Regime("error bursts, 1 s in 25", partial(error_bursts, every_s=24, lasts_s=1), RATE_RPS * 24 / 25),
)
CLOSED_LOOPS: tuple[Regime, ...] = (
    Regime("saturated, 24 users on 6 servers", partial(saturated, users=24, servers=6), RATE_RPS),
)
WANDERS = tuple(
    Regime(
        f"capacity wanders, sd 5 %, {seconds:g} s", partial(wandering, time_constant_s=seconds, spread=0.05), RATE_RPS
    )
    for seconds in (10.0, 30.0, 120.0)
)


@dataclass(frozen=True)
class Experiment:
    """Variants by what they cost relative to the cheapest, and how they are deployed and run.

    Logarithms of the cost differ by `deployment_sd` between deployments, and by RUN_SD between runs of one.
    """

    name: str
    costs: tuple[float, ...]
    deployments: int = 3
    runs: int = 2
    deployment_sd: float = 0.02


RUN_SD = 0.005
_THREE = (1.0, 1.05, 1.1)
EQUAL: tuple[Experiment, ...] = (
    Experiment("2 equal variants", (1.0, 1.0)),
    Experiment("4 equal variants", (1.0, 1.0, 1.0, 1.0)),
)
APART: tuple[Experiment, ...] = (Experiment("4 variants, the best by 10 %", (1.0, 1.1, 1.15, 1.2)),)
CLOSE: tuple[Experiment, ...] = (
    Experiment("15 variants 3 % apart", tuple(1.03**step for step in range(15))),
    Experiment("3 variants 5 % apart, deployed once, spread 2 %", _THREE, deployments=1, runs=1),
    Experiment("3 variants 5 % apart, deployed once, spread 5 %", _THREE, deployments=1, runs=1, deployment_sd=0.05),
    Experiment("2 equal variants, deployed once, spread 2 %", (1.0, 1.0), deployments=1, runs=1),
    Experiment("2 equal variants, deployed once, spread 5 %", (1.0, 1.0), deployments=1, runs=1, deployment_sd=0.05),
)
