"""How often capacity searches find the capacity, how wide their interval is, and if they certify a server too slow.

An interval holds the capacity in 95 % of the searches if it is wide enough. Whether it is wider than that is shown by
the stated error (a quarter of the interval, in logarithms) divided by the true one, root mean squares of each server.

The search is the generator's own, on a simulated clock, and its rows are read as those of a run. The truth is a long
simulation with Poisson arrivals, by another algorithm.
"""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from bench.figures import Figure, argument_parser, progress, report, start
from bench.servers.search_grading import INCAPABLE, INDEPENDENT, REGIMES, TIMED, SearchRegime
from bench.servers.simulated_search import SimulatedSearch, play_step, simulated_search
from bench.servers.simulated_server import SimulatedServer, true_capacity_rps
from loadtest.generator.capacity.step import Step, StepVerdict
from loadtest.generator.loops.arrivals import POISSON

SMALLEST = ("--regimes", "1", "--seeds", "1", "--steps", "2", "--truth", "20000")
# The rate of a server that is just outside the objective, over its capacity.
_OUTSIDE = 1.01
_JUDGED = (5, 9)
_ALL = REGIMES + INDEPENDENT
# Of a 95 % interval: half of it is so many standard errors.
_ERRORS = 1.96
# Coverage, and stated error over true error, by quantile.
_COVERAGE, _RATIO, _RATIO_OF_RARE, _RARE = "93 .. 97.5", "0.9 .. 1.6", "<= 2.5", 0.999


def main() -> None:
    parser = argument_parser("search", __doc__)
    parser.add_argument("--seeds", type=int, default=30, help="searches for each server (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=1000, help="steps just above the capacity (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=10_000, help="of the searches (default: %(default)s)")
    parser.add_argument("--regimes", type=int, default=len(_ALL), help="the first so many servers (default: all)")
    parser.add_argument("--truth", type=int, default=4_000_000, help="requests of a simulation (default: %(default)s)")
    arguments = start(parser, ["numpy", "scipy"])
    regimes, truth = _ALL[: arguments.regimes], arguments.truth
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    figures: list[Figure] = []
    held: dict[float, list[bool]] = {}
    stated: dict[float, list[float]] = {}
    with ProcessPoolExecutor() as pool:
        outside = pool.submit(_certified, arguments.steps, arguments.first_seed, truth)
        timed = [pool.submit(_took_s, regime, seeds) for regime in TIMED]
        graded = [pool.submit(_graded, regime, seeds, truth) for regime in regimes]
        claimed = [pool.submit(_claims, regime, seeds) for regime in INCAPABLE]
        for regime, grades in zip(regimes, graded, strict=True):
            of_regime, within, ratio = grades.result()
            progress(f"{regime.name}: {sum(within)} of {len(within)}, stated / true error {ratio:.2f}")
            figures += of_regime
            held.setdefault(regime.quantile, []).extend(within)
            stated.setdefault(regime.quantile, []).append(ratio)
        for quantile, within in sorted(held.items()):
            name, bar = f"p{100 * quantile:g}, {len(within)} searches", _RATIO if quantile < _RARE else _RATIO_OF_RARE
            figures.append(Figure(f"{name}: hold the capacity", 100 * float(np.mean(within)), "%", _COVERAGE))
            ratios = stated[quantile]
            figures.append(Figure(f"{name}: stated / true error, median", float(np.nanmedian(ratios)), "", bar))
        for regime, claims in zip(INCAPABLE, claimed, strict=True):
            figures.append(Figure(f"{regime.name}: a value, or meets", 100 * claims.result(), "%", "<= 2"))
        for regime, took_s in zip(TIMED, timed, strict=True):
            figures.append(Figure(f"{regime.name}: median duration", took_s.result(), "s", "<= 300"))
        figures.append(outside.result())
    report("search", figures)


def _took_s(regime: SearchRegime, seeds: Sequence[int]) -> float:
    return float(np.median([_search(regime, seed).took_s for seed in seeds]))


def _claims(regime: SearchRegime, seeds: Sequence[int]) -> float:
    """The share of the searches that state a value, or that some rate certainly meets the objective."""
    found = [_search(regime, seed).estimate(regime.objective) for seed in seeds]
    return float(np.mean([each.value is not None or each.low > 0 for each in found]))


def _graded(regime: SearchRegime, seeds: Sequence[int], truth_requests: int) -> tuple[list[Figure], list[bool], float]:
    true_rps = true_capacity_rps(regime.model, regime.quantile, regime.latency_s, truth_requests)
    searches = [_search(regime, seed) for seed in seeds]
    found = [search.estimate(regime.objective) for search in searches]
    with_value = [each for each in found if each.value is not None]
    held = [each.low <= true_rps <= each.high for each in found]
    ratios = [(each.value or np.nan) / true_rps for each in with_value]
    widths = [each.high / each.low - 1 for each in with_value]
    stated = np.log1p(widths) / (2 * _ERRORS)
    # Of one search the error is no spread, and may be zero.
    ratio = float(np.sqrt(np.mean(stated**2) / np.mean(np.log(ratios) ** 2))) if ratios else np.nan
    name = regime.name
    return (
        [
            Figure(f"{name}: true capacity", true_rps, "1/s"),
            Figure(f"{name}: found, of {len(seeds)}", len(with_value), "", f">= {len(seeds)}"),
            Figure(f"{name}: interval holds it", 100 * float(np.mean(held)), "%", ">= 95"),
            Figure(f"{name}: median value, error", 100 * (float(np.median(ratios)) - 1), "%"),
            Figure(f"{name}: standard deviation of values", 100 * float(np.std(np.log(ratios))), "%"),
            Figure(f"{name}: stated / true error", ratio, ""),
            Figure(f"{name}: median width", 100 * float(np.median(widths)), "%"),
            Figure(f"{name}: median duration", float(np.median([search.took_s for search in searches])), "s"),
        ],
        held,
        ratio,
    )


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
