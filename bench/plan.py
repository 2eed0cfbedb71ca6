"""Whether planned fleets are large enough and no larger, for ten simulated services.

For each service, a load test or a capacity search of a few nodes is simulated, and the code of `shapebench plan` plans
a larger fleet from its rows. The service is then simulated at the planned size, where the p99 limit must hold, and at
80 % of that size, where it must not.
"""

import math
import tempfile
import time
from dataclasses import dataclass

import numpy as np

from analysis.planning.plan import Requirement, make_plan
from analysis.planning.service import Service, spread_of
from analysis.planning.simulation import Balancer, Fleet
from analysis.planning.tail import fleet_p99_ms
from analysis.results.store import ResultsStore
from bench.figures import Figure, argument_parser, progress, report, start
from bench.stores.simulated_runs import capacity_run, closed_loop_run, cores_of_its_own
from stacks.load_profiles import ClosedLoop

_SIMULATED_REQUESTS = 250_000
_RNG = np.random.default_rng(7)
_STEADY = np.ones(1)
_NARROW = spread_of(_RNG.lognormal(0, 0.15, 100_000))
_WIDE = spread_of(_RNG.lognormal(0, 0.5, 100_000))
# One request in twenty takes three times as long, as with a pause of the runtime.
_TWO_KINDS = spread_of(np.where(_RNG.random(100_000) < 0.05, 3.0, 1.0) * _RNG.lognormal(0, 0.1, 100_000))


def _usl(contention: float, coherency: float) -> tuple[float, ...]:
    return tuple(1 / (1 + contention * (n - 1) + coherency * n * (n - 1)) for n in range(1, 33))


@dataclass(frozen=True)
class Case:
    """A service, how it is measured, and what is planned for. `users` is None for a capacity search."""

    name: str
    service: Service
    balancer: Balancer
    measured_nodes: int
    rps: float
    p99_ms: float
    users: int | None = None


CASES = (
    Case("one thread, search", Service(60, _NARROW, cores_of_its_own(1)), "random", 2, 900, 300),
    Case("one thread, loose promise, search", Service(60, _NARROW, cores_of_its_own(1)), "round-robin", 2, 600, 900),
    Case("two threads, steady, search", Service(80, _STEADY, cores_of_its_own(2)), "random", 4, 2_000, 250),
    Case("four threads, wide, search", Service(100, _WIDE, cores_of_its_own(4)), "random", 2, 1_500, 600),
    Case("four threads, two kinds, search", Service(50, _TWO_KINDS, cores_of_its_own(4)), "round-robin", 4, 4_000, 200),
    Case("shared core, search", Service(60, _NARROW, _usl(0.5, 0.005)), "random", 2, 1_000, 500),
    Case("shared core, wide, search", Service(40, _WIDE, _usl(0.3, 0.01)), "round-robin", 8, 10_000, 300),
    Case("two threads, closed loop", Service(80, _NARROW, cores_of_its_own(2)), "random", 4, 1_500, 400, users=60),
    Case("four threads, wide, closed loop", Service(100, _WIDE, cores_of_its_own(4)), "random", 2, 1_200, 700, 60),
    Case("shared core, closed loop", Service(60, _NARROW, _usl(0.5, 0.005)), "random", 2, 800, 500, users=40),
)


def main() -> None:
    """Plan each case, simulate the plan, and report; takes about two minutes."""
    start(argument_parser("plan", __doc__), ["numpy", "pyarrow"])
    held = broken = 0
    took_s = []
    for number, case in enumerate(CASES, start=1):
        began_s = time.perf_counter()
        nodes = _planned_nodes(case, seed=1000 * number)
        took_s.append(time.perf_counter() - began_s)
        at_size, at_less = (
            fleet_p99_ms(case.service, case.balancer, size, case.rps, seed=99, requests=_SIMULATED_REQUESTS)
            for size in (nodes, max(1, math.floor(0.8 * nodes)))
        )
        held += at_size <= case.p99_ms
        broken += at_less > case.p99_ms
        progress(
            f"  {case.name:<36} {nodes:>4} nodes: p99 {at_size:7.0f} ms; at 80 % {at_less:9.0f} ms;"
            f" promised {case.p99_ms:.0f} ms"
        )
    report(
        "plan",
        [
            Figure("plans whose promised p99 holds at the planned size", held, "of 10", ">= 10"),
            Figure("plans whose promised p99 breaks at 80 % of that size", broken, "of 10", ">= 10"),
            Figure("longest time to measure and plan one", max(took_s), "s"),
        ],
    )


def _planned_nodes(case: Case, seed: int) -> int:
    fleet = Fleet(case.measured_nodes, case.service, case.balancer)
    with tempfile.TemporaryDirectory() as folder:
        store = ResultsStore(folder)
        if case.users is None:
            capacity_run(store, fleet, case.p99_ms, seed)
        else:
            load = ClosedLoop(users=case.users, spawn_rate_per_s=0.5, wait_s=0.5, warmup_s=60, duration_s=300)
            closed_loop_run(store, fleet, load, seed)
        planned = make_plan(store, Requirement(case.rps, case.p99_ms), lambda _: None)
        if not planned.candidates:
            raise RuntimeError(f"{case.name} cannot be planned: {planned.excluded}")
        return planned.candidates[0].nodes


if __name__ == "__main__":
    main()
