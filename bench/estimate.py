"""How well the benchmarks behind `shapebench estimate` predict a series that is left out, and another CNN.

Each series is left out in turn, and the results of its machine types are predicted from the other series: from those
with its CPU where there are some, else from the year of its CPU. Beside that each basis alone, and the mean of the
other series, which knows nothing of this one. Machine types are ranked by cost: price of vCPUs and memory over result.

The same is done for each of the two workloads. How far a result carries over to another model is how far the two
differ: the ranking of machine types by one against that by the other, and how often the stated range of the ratio of
two series, from the workload that the estimate uses, holds that of the other workload.
"""

import math
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from statistics import fmean, median
from tempfile import TemporaryDirectory

from scipy.stats import spearmanr

from analysis.estimate.benchmarks import FLOAT, QUANTISED, Benchmarks, Workload, newest_benchmarks
from analysis.estimate.fitting import (
    Basis,
    Launched,
    LeftOut,
    Result,
    fit,
    kind_errors,
    left_out,
    of_cpus,
    root_mean_square,
)
from analysis.estimate.speeds import Speeds
from analysis.pricing import cost
from analysis.statistics.estimate import Z
from bench.figures import Figure, argument_parser, progress, report, start
from stacks.machines.machine_series import ALL_SERIES
from stacks.machines.shapes import NodeShape, ShapeSettings

SMALLEST = ("--starts", "1")
_COMMAND = ("-m", "shapebench", "estimate", "--json", "--results")
_TITLES: dict[Workload, str] = {FLOAT: "floating point", QUANTISED: "quantised"}


def main() -> None:
    parser = argument_parser("estimate", __doc__)
    parser.add_argument("--starts", type=int, default=9, help="of the command, for its time (default: %(default)s)")
    arguments = start(parser, ["numpy", "scipy"])
    benchmarks = newest_benchmarks()
    figures: list[Figure] = []
    for workload in (FLOAT, QUANTISED):
        progress(f"leaving series out of {workload}")
        figures += _left_out(tuple(benchmarks.results(workload)), benchmarks.launched, _TITLES[workload])
    figures += _carried_over(benchmarks)
    progress("starting the command")
    figures.append(Figure("shapebench estimate", _took_s(arguments.starts), "s", "<= 1.5"))
    report("estimate", figures)


def _left_out(results: Sequence[Result], launched: Launched, title: str) -> Iterator[Figure]:
    scatter = fit(results).scatter
    yield Figure(f"{title}: machine type about its series, error", _percent(scatter), "%")
    by_basis = {basis: list(left_out(results, launched, basis)) for basis in (Basis.same_cpu, Basis.generation)}
    same_cpu = {each.result.machine_type for each in by_basis[Basis.same_cpu]}
    unlike = [each for each in by_basis[Basis.generation] if each.result.machine_type not in same_cpu]
    predictions = {
        "series left out": [*by_basis[Basis.same_cpu], *unlike],
        f"by {Basis.same_cpu}": by_basis[Basis.same_cpu],
        f"by {Basis.generation}": by_basis[Basis.generation],
        "by the mean of the others": list(_of_the_mean(results)),
    }
    for name, found in predictions.items():
        yield from _graded(f"{title}, {name}", found, ">= 0.7" if found is predictions["series left out"] else None)


def _graded(name: str, predictions: Sequence[LeftOut], bar: str | None) -> Iterator[Figure]:
    errors = kind_errors(predictions)
    yield Figure(f"{name}: series and CPUs", len(errors), "")
    yield Figure(f"{name}: error of a speed", _percent(root_mean_square(errors.values())), "%")
    yield Figure(f"{name}: largest error", _percent(max(map(abs, errors.values()))), "%")
    measured = [_usd(prediction.result) / prediction.result.per_s for prediction in predictions]
    predicted = [_usd(prediction.result) / math.exp(prediction.predicted) for prediction in predictions]
    yield Figure(f"{name}: rank correlation of cost", _rank_correlation(predicted, measured), "", bar)


def _of_the_mean(results: Sequence[Result]) -> Iterator[LeftOut]:
    """Each result by the mean speed of the CPU models of the other series."""
    for series in sorted({result.series for result in results}):
        rest = fit([result for result in results if result.series != series])
        speed = fmean(of_cpus(rest.per_core).values())
        for result in results:
            if result.series == series and result.cores in rest.by_cores:
                yield LeftOut(result, speed + rest.by_cores[result.cores])


def _carried_over(benchmarks: Benchmarks) -> Iterator[Figure]:
    by_float, by_quantised = (tuple(benchmarks.results(workload)) for workload in (FLOAT, QUANTISED))
    one, other = fit(by_float), fit(by_quantised)
    yield Figure("from one workload to the other: error of a CPU", _percent(Speeds.of(benchmarks).carry_over), "%")
    cpus = sorted(of_cpus(one.per_core))
    speeds = [[of_cpus(each.per_core)[cpu] for cpu in cpus] for each in (one, other)]
    yield Figure("from one workload to the other: rank correlation of CPUs", _rank_correlation(*speeds), "")
    costs = [[_usd(result) / result.per_s for result in results] for results in (by_float, by_quantised)]
    yield Figure("from one workload to the other: rank correlation of cost", _rank_correlation(*costs), "")
    yield Figure("pairs of series whose ratio is in the stated range", _share_held(benchmarks), "%", ">= 90")


def _share_held(benchmarks: Benchmarks) -> float:
    stated, other = Speeds.of(benchmarks), Speeds.of(benchmarks, QUANTISED)
    held = []
    for one, two in combinations([each for each in ALL_SERIES if each.has_server_image], 2):
        speeds = [(found.of_series(one), found.of_series(two)) for found in (stated, other)]
        (first, second), (true_first, true_second) = speeds
        if first and second and true_first and true_second:
            error = (true_first.per_core - true_second.per_core) - (first.per_core - second.per_core)
            sd = math.hypot(first.ratio_sd(second), math.sqrt(2) * stated.fit.scatter)
            held.append(abs(error) <= Z * sd)
    return 100 * fmean(held)


def _usd(result: Result) -> float:
    """For an hour of its vCPUs and memory."""
    shape = NodeShape.of(result.machine_type, ShapeSettings(machine_type=result.machine_type, nodes=1))
    hourly = cost.nodes_hourly(cost.estimate(shape))
    assert hourly is not None
    return hourly


def _rank_correlation(one: Iterable[float], other: Iterable[float]) -> float:
    return float(spearmanr(list(one), list(other)).statistic)


def _percent(log_error: float) -> float:
    return 100 * (math.exp(log_error) - 1)


def _took_s(starts: int) -> float:
    """The median time of the command, with an empty store."""
    with TemporaryDirectory() as store:
        return median(_run_s(store) for _ in range(starts))


def _run_s(store: str) -> float:
    began_s = time.monotonic()
    subprocess.run([sys.executable, *_COMMAND, store], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began_s


if __name__ == "__main__":
    main()
