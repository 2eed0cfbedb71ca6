"""Whether planned fleets are large enough and no larger, for twenty simulated services and their clients.

With ten of them the margin of a plan was set; with the others nothing was.

For each, capacity searches of a few nodes are simulated, two on each of three deployments, and the code of
`shapebench plan` plans a larger fleet from their rows, with 30 % of headroom. An independent simulation then sends 1.3
times the load to the planned fleet, which must meet the objective, and to 80 % of its nodes, which must not. The least
fleet that meets it is looked for, too, with fewer requests.
"""

import math
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from statistics import median

from analysis.objective import Asked
from analysis.planning.fleet.offers import Terms
from analysis.planning.fleet.plan import Requirement, make_plan
from analysis.results.storage.store import ResultsStore
from analysis.verdict.verdict import read_verdict
from bench.figures import Figure, argument_parser, progress, report, start
from bench.fleets.regimes import INDEPENDENT, SET_WITH, Regime
from bench.fleets.searches import QUANTILE, searched_run
from bench.fleets.truth import Grading, missed_share

_REGIMES = (*SET_WITH, *INDEPENDENT)
SMALLEST = ("--regimes", "1", "--truth", "20000")
_HEADROOM = 0.3
_DEPLOYMENTS, _REPEATS = 3, 2
# Connections last, so the truth is the mean of several fleets of clients.
_TRUTH = Grading(requests=1_600_000, fleets=8, seed=99)
# So many times fewer requests tell the least fleet.
_LESS = 4


@dataclass(frozen=True)
class Graded:
    """A plan, the least fleet that meets the objective, and the share of misses with all nodes and with 80 %."""

    nodes: int
    least_nodes: int
    missed: float
    missed_with_fewer: float
    took_s: float


def main() -> None:
    """Plan each regime, simulate the plan, and report; takes about ten minutes."""
    parser = argument_parser("plan", __doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the searches; the truth is the same")
    parser.add_argument("--regimes", type=int, default=len(_REGIMES), help="the first so many (default: all)")
    parser.add_argument("--truth", type=int, default=_TRUTH.requests, help="requests of a simulation")
    arguments = start(parser, ["numpy", "scipy", "pyarrow"])
    truth = replace(_TRUTH, requests=arguments.truth)
    regimes, graded = _REGIMES[: arguments.regimes], []
    with ProcessPoolExecutor() as processes:
        plans = processes.map(partial(_grade, arguments.seed, truth), range(len(regimes)))
        for regime, each in zip(regimes, plans, strict=True):
            graded.append(each)
            progress(
                f"  {regime.name:<34} {each.nodes:>4} nodes, least {each.least_nodes}: {each.missed:.2%} late; with"
                f" 80 % {each.missed_with_fewer:.2%}; promised {1 - QUANTILE:.2%} in {regime.latency_ms:g} ms"
            )
    figures = [
        *_figures("margin set with them", graded[: len(SET_WITH)]),
        *(_figures("independent", independent) if (independent := graded[len(SET_WITH) :]) else ()),
        Figure("longest time to plan one", max(each.took_s for each in graded), "s"),
    ]
    report("plan", figures)


def _figures(which: str, graded: Sequence[Graded]) -> Iterator[Figure]:
    count = len(graded)
    kept = sum(each.missed <= 1 - QUANTILE for each in graded)
    broken = sum(each.missed_with_fewer > 1 - QUANTILE for each in graded)
    yield Figure(f"{which}: plans that meet the objective at 1.3 times the load", kept, f"of {count}", f">= {count}")
    yield Figure(f"{which}: plans that break it with 80 % of the nodes", broken, f"of {count}", f">= {count}")
    more = [100 * (each.nodes / each.least_nodes - 1) for each in graded]
    yield Figure(f"{which}: more nodes than the least fleet that meets it, median", median(more), "%", "<= 8")
    yield Figure(f"{which}: more nodes than the least fleet that meets it, most", max(more), "%")


def _grade(seed: int, truth: Grading, number: int) -> Graded:
    """Grade the regime of this number in the list; regimes themselves cannot be handed to another process."""
    regime = _REGIMES[number]
    with tempfile.TemporaryDirectory() as folder:
        store = ResultsStore(folder)
        for run in range(_DEPLOYMENTS * _REPEATS):
            searched_run(
                store,
                regime.server,
                regime.measured_nodes,
                regime.latency_ms,
                1000 * seed + 10 * number + run,
                protocol=regime.clients.protocol,
                deployment=f"d{run // _REPEATS:011x}",
            )
        began_s = time.perf_counter()
        verdict = read_verdict(store, Asked())
        terms = Terms(headroom=_HEADROOM, clients=regime.clients.number)
        plan = make_plan(store, verdict, Requirement(regime.rps, terms), lambda _: None)
        took_s = time.perf_counter() - began_s
    if not plan.candidates:
        raise RuntimeError(f"{regime.name} cannot be planned: {[why for _, why in plan.excluded]}")
    nodes = plan.candidates[0].nodes
    return Graded(
        nodes=nodes,
        least_nodes=_least_nodes(regime, nodes, replace(truth, requests=truth.requests // _LESS)),
        missed=_missed(regime, nodes, truth),
        missed_with_fewer=_missed(regime, max(1, math.floor(0.8 * nodes)), truth),
        took_s=took_s,
    )


def _least_nodes(regime: Regime, nodes: int, truth: Grading) -> int:
    """The least fleet that meets the objective, from half of the planned nodes to half as many more."""
    sizes = range(max(1, nodes // 2), nodes + nodes // 2 + 2)
    return sizes[bisect_left(sizes, 1, key=lambda size: _missed(regime, size, truth) <= 1 - QUANTILE)]


def _missed(regime: Regime, nodes: int, truth: Grading) -> float:
    rps = (1 + _HEADROOM) * regime.rps
    return missed_share(regime.server, nodes, regime.clients, rps, regime.latency_ms / 1000, truth)


if __name__ == "__main__":
    main()
