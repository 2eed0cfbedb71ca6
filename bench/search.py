"""How often capacity searches find the capacity, hold it in their interval, and certify a server that is too slow.

The search is the generator's own, on a simulated clock, and its rows are read as those of a run. The truth is a long
simulation with Poisson arrivals, by another algorithm.
"""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from bench.figures import Figure, argument_parser, progress, report, start
from bench.servers.search_grading import REGIMES, TIMED, SearchRegime
from bench.servers.simulated_search import SimulatedSearch, play_step, simulated_search
from bench.servers.simulated_server import SimulatedServer, true_capacity_rps
from loadtest.generator.capacity.step import Step, StepVerdict
from loadtest.generator.loops.arrivals import POISSON

SMALLEST = ("--regimes", "1", "--seeds", "1", "--steps", "2", "--truth", "20000")
# The rate of a server that is just outside the objective, over its capacity.
_OUTSIDE = 1.01
_JUDGED = (5, 9)


def main() -> None:
    parser = argument_parser("search", __doc__)
    parser.add_argument("--seeds", type=int, default=30, help="searches for each server (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=1000, help="steps just above the capacity (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=10_000, help="of the searches (default: %(default)s)")
    parser.add_argument("--regimes", type=int, default=len(REGIMES), help="the first so many servers (default: all)")
    parser.add_argument("--truth", type=int, default=4_000_000, help="requests of a simulation (default: %(default)s)")
    arguments = start(parser, ["numpy", "scipy"])
    regimes, truth = REGIMES[: arguments.regimes], arguments.truth
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    figures: list[Figure] = []
    held: list[bool] = []
    with ProcessPoolExecutor() as pool:
        outside = pool.submit(_certified, arguments.steps, arguments.first_seed, truth)
        timed = [pool.submit(_took_s, regime, seeds) for regime in TIMED]
        graded = [pool.submit(_graded, regime, seeds, truth) for regime in regimes]
        for regime, grades in zip(regimes, graded, strict=True):
            of_regime, within = grades.result()
            progress(f"{regime.name}: {sum(within)} of {len(within)}")
            figures += of_regime
            held += within
        name = f"all {len(held)}: interval holds the capacity"
        figures.append(Figure(name, 100 * float(np.mean(held)), "%", ">= 95"))
        for regime, took_s in zip(TIMED, timed, strict=True):
            figures.append(Figure(f"{regime.name}: median duration", took_s.result(), "s", "<= 300"))
        figures.append(outside.result())
    report("search", figures)


def _took_s(regime: SearchRegime, seeds: Sequence[int]) -> float:
    return float(np.median([_search(regime, seed).took_s for seed in seeds]))


def _graded(regime: SearchRegime, seeds: Sequence[int], truth_requests: int) -> tuple[list[Figure], list[bool]]:
    true_rps = true_capacity_rps(regime.model, regime.quantile, regime.latency_s, truth_requests)
    searches = [_search(regime, seed) for seed in seeds]
    found = [search.estimate(regime.objective) for search in searches]
    with_value = [each for each in found if each.value is not None]
    held = [each.low <= true_rps <= each.high for each in found]
    ratios = [(each.value or np.nan) / true_rps for each in with_value]
    widths = [each.high / each.low - 1 for each in with_value]
    name = regime.name
    return [
        Figure(f"{name}: true capacity", true_rps, "1/s"),
        Figure(f"{name}: found, of {len(seeds)}", len(with_value), "", f">= {len(seeds)}"),
        Figure(f"{name}: interval holds it", 100 * float(np.mean(held)), "%", ">= 95"),
        Figure(f"{name}: median value, error", 100 * (float(np.median(ratios)) - 1), "%"),
        Figure(f"{name}: standard deviation of values", 100 * float(np.std(np.log(ratios))), "%"),
        Figure(f"{name}: median width", 100 * float(np.median(widths)), "%"),
        Figure(f"{name}: median duration", float(np.median([each.took_s for each in searches])), "s"),
    ], held


def _search(regime: SearchRegime, seed: int) -> SimulatedSearch:
    return simulated_search(regime.model, regime.plan(seed), seed)


def _certified(steps: int, first_seed: int, truth_requests: int) -> Figure:
    """Steps as long as those of a search, at a rate whose misses are just beyond the objective."""
    certified = judged = 0
    for number in _JUDGED:
        regime = REGIMES[number]
        true_rps = true_capacity_rps(regime.model, regime.quantile, regime.latency_s, truth_requests)
        longest_s = float(
            np.median([step.longest_s for step, _ in _search(regime, first_seed).steps if not step.quick])
        )
        for seed in range(steps // len(_JUDGED)):
            step = Step(_OUTSIDE * true_rps, POISSON, first_seed + seed, longest_s)
            played = play_step(SimulatedServer(regime.model, seed), regime.plan(seed), step, 0.0)
            certified += played.verdict is StepVerdict.MEETS
            judged += 1
    return Figure(f"just outside the objective: certified, of {judged}", 100 * certified / judged, "%", "<= 1")


if __name__ == "__main__":
    main()
