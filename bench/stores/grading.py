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
# Busy queues without a change, each with the length of its hold in s: their waves look like states.
BUSY: tuple[tuple[Regime, float], ...] = (
    (
        Regime(
            "M/M/1, 90 % busy", partial(queue, arrivals=poisson, service=exponential, servers=1, busy=0.9), RATE_RPS
        ),
        60,
    ),
    (
        Regime("M/G/2, 90 % busy", partial(queue, arrivals=poisson, service=log_normal, servers=2, busy=0.9), RATE_RPS),
        90,
    ),
    (
        Regime(
            "M/M/3, 92 % busy", partial(queue, arrivals=poisson, service=exponential, servers=3, busy=0.92), RATE_RPS
        ),
        60,
    ),
    (
        Regime(
            "M/M/6, 93 % busy", partial(queue, arrivals=poisson, service=exponential, servers=6, busy=0.93), RATE_RPS
        ),
        200,
    ),
)


@dataclass(frozen=True)
class Experiment:
    """Variants by what they cost relative to the cheapest, and how they are deployed and run.

    Logarithms of the cost differ by `deployment_sd` between deployments of all variants, or of each, by `run_sd`
    between runs of one, and by `machines_sd` between sets of machines. Each variant has `machines` sets of its own, and
    `deployments` on each; of several numbers and spreads, one is drawn for each variant and experiment. `alone` is the
    bar of how often one variant has to be named alone, in percent.
    """

    name: str
    costs: tuple[float, ...]
    deployments: tuple[int, ...] = (3,)
    runs: int = 2
    deployment_sd: tuple[float, ...] = (0.02,)
    machines: int = 1
    machines_sd: float | None = None
    run_sd: float = 0.005
    alone: str | None = None


_THREE = (1.0, 1.05, 1.1)
_MIXED = (0.01, 0.08)
EQUAL: tuple[Experiment, ...] = (
    Experiment("2 equal variants", (1.0,) * 2),
    Experiment("4 equal variants", (1.0,) * 4),
    Experiment("2 equal variants, deployed once, spread 2 %", (1.0, 1.0), deployments=(1,), runs=1),
    Experiment("2 equal variants, deployed once, spread 5 %", (1.0, 1.0), (1,), 1, (0.05,)),
    Experiment("4 equal variants, nodes differ by 10 %, one set each", (1.0,) * 4, machines_sd=0.10),
)
# The errors of runs are those of capacity searches (docs/adr/0057): 1.5 % at p90 to 2.5 % at p99.
APART: tuple[Experiment, ...] = (
    Experiment("4 variants, the best by 10 %", (1.0, 1.1, 1.15, 1.2), alone=">= 90"),
    Experiment("4 variants, the best by 10 %, searches", (1.0, 1.1, 1.1, 1.1), run_sd=0.015, alone=">= 90"),
    Experiment("15 variants, the best by 10 %, searches", (1.0, *(1.1,) * 14), run_sd=0.015, alone=">= 80"),
    Experiment(
        "4 variants, the best by 15 %, nodes differ by 3 %, three sets each",
        (1.0, *(1.15,) * 3),
        (1,),
        2,
        machines=3,
        machines_sd=0.03,
        alone=">= 80",
    ),
)
CLOSE: tuple[Experiment, ...] = (
    Experiment("15 variants 3 % apart", tuple(1.03**step for step in range(15))),
    Experiment("3 variants 5 % apart, deployed once, spread 2 %", _THREE, deployments=(1,), runs=1),
    Experiment("3 variants 5 % apart, deployed once, spread 5 %", _THREE, (1,), 1, (0.05,)),
    Experiment(
        "8 variants 1 % apart, spreads 1 and 8 %, deployed 1 to 6 times",
        tuple(1.01**step for step in range(8)),
        (1, 2, 3, 4, 5, 6),
        2,
        _MIXED,
    ),
    Experiment("12 variants 0.5 % apart, spreads 1 and 8 %", tuple(1.005**step for step in range(12)), (3,), 2, _MIXED),
    *(
        Experiment(
            f"{count} variants 2 % apart, spread {sd:.0%}, deployed {times} times",
            tuple(1.02**step for step in range(count)),
            (times,),
            1,
            (sd,),
            run_sd=0.02,
        )
        for count in (2, 6, 15)
        for sd in (0.03, 0.10, 0.30)
        for times in (2, 3)
    ),
    *(
        Experiment(
            f"4 variants 1 % apart, nodes differ by {sd:.0%}, one set each",
            tuple(1.01**step for step in range(4)),
            machines_sd=sd,
        )
        for sd in (0.02, 0.05, 0.10)
    ),
)
# By how much nodes differ, as a share, where a stack is measured before and after a change that has no effect.
CHANGED_NODES: tuple[float, ...] = (0.01, 0.02, 0.03, 0.05, 0.10)
