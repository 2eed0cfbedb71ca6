"""How often intervals hold the true value, checks notice a change, and the choice among variants is right.

Over 400 simulated runs, or experiments, of each kind in bench.stores.grading, which nothing is tuned with.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa

from analysis.results.columns import Columns, RunRows
from analysis.statistics.best import compare_with_best
from analysis.statistics.cells import cells_of
from analysis.statistics.deployments import Observation, fit_effects
from analysis.statistics.within import run_figures
from bench.figures import Figure, argument_parser, progress, report, start
from bench.stores.grading import APART, CLOSE, CLOSED_LOOPS, EQUAL, OPEN_LOOPS, RUN_SD, WANDERS, Experiment
from bench.stores.regimes import TRUTH_RUNS, Regime
from loadtest.generator.plan import LoadPlan, load_plan
from loadtest.result.validity.steady_state import steady_state_reasons
from stacks.load_profiles import PROFILES

SMALLEST = ("--runs", "1", "--truth", "1", "--kinds", "1")
_SEED = 20261126
_P99 = 0.99
_HELD, _NAMED = "93 .. 97", ">= 95"
_FACTORS = {1.5: ">= 90", 10.0: ">= 99"}
_CLOSED, _OPEN = (load_plan(PROFILES[name].model_dump()) for name in ("seed", "open"))


def main() -> None:
    parser = argument_parser("verdict", __doc__)
    parser.add_argument("--runs", type=int, default=400, help="of each kind (default: %(default)s)")
    parser.add_argument("--truth", type=int, default=TRUTH_RUNS, help="runs that the true p99 is from")
    parser.add_argument("--kinds", type=int, help="the first so many of each group (default: all)")
    arguments = start(parser, ["numpy", "scipy", "pyarrow"])
    runs, first = arguments.runs, slice(arguments.kinds)
    figures = []
    for regime in OPEN_LOOPS[first] + CLOSED_LOOPS[first]:
        progress(regime.name)
        load = _CLOSED if regime in CLOSED_LOOPS else _OPEN
        figures += [*coverage(regime, runs, arguments.truth), *noticed_steps(regime, load, runs)]
    for regime in WANDERS[first]:
        progress(regime.name)
        figures.append(held_or_refused(regime, runs))
    for experiment in (*EQUAL[first], *APART[first], *CLOSE[first]):
        progress(experiment.name)
        figures += choices(experiment, runs)
    report("verdict", figures)


def coverage(regime: Regime, runs: int, truth_runs: int) -> list[Figure]:
    """The share of runs whose intervals hold the true goodput and p99, and whose p99 has an upper bound, in percent."""
    p99_ms, held = regime.true_p99_ms(truth_runs), Counter[str]()
    for rows in regime.runs(runs, _SEED):
        cells = cells_of(rows, (_P99,))
        assert cells is not None
        run = run_figures("run", cells)
        tail = run.quantiles_ms[_P99]
        held["goodput"] += run.goodput_rps.low <= regime.goodput_rps <= run.goodput_rps.high
        held["p99"] += tail.low <= p99_ms <= tail.high
        held["bounded"] += math.isfinite(tail.high)
    return [
        _share(f"{regime.name}: goodput held", held["goodput"] / runs, _HELD),
        _share(f"{regime.name}: p99 held", held["p99"] / runs, _HELD),
        _share(f"{regime.name}: p99 has an upper bound", held["bounded"] / runs),
    ]


def noticed_steps(regime: Regime, load: LoadPlan, runs: int) -> list[Figure]:
    """The share of runs that are refused: as they are, and with latency that is multiplied from some moment on."""
    rng = np.random.default_rng(_SEED)
    refused = Counter[float]()
    for rows in regime.runs(runs, _SEED + 1):
        refused[1.0] += _is_refused(rows, load)
        for factor in _FACTORS:
            refused[factor] += _is_refused(_stepped(rows, factor, rng.uniform(0.1, 0.9)), load)
    return [
        _share(f"{regime.name}: refused though steady", refused[1.0] / runs, "<= 1"),
        *(
            _share(f"{regime.name}: step of x {factor:g} noticed", refused[factor] / runs, bar)
            for factor, bar in _FACTORS.items()
        ),
    ]


def held_or_refused(regime: Regime, runs: int) -> Figure:
    right = 0
    for rows in regime.runs(runs, _SEED + 2):
        cells = cells_of(rows, ())
        assert cells is not None
        goodput = run_figures("run", cells).goodput_rps
        is_held = goodput.low <= regime.goodput_rps <= goodput.high
        right += is_held or _is_refused(rows, _CLOSED)
    return _share(f"{regime.name}: goodput held, or refused", right / runs, ">= 93")


def choices(experiment: Experiment, runs: int) -> list[Figure]:
    """How often intervals of the cost hold the truth, and which variants are named."""
    held, named, alone, tied = 0, 0, 0, 0
    best = {str(at) for at, cost in enumerate(experiment.costs) if cost == min(experiment.costs)}
    for observations in _experiments(experiment, runs):
        means = fit_effects(observations).means
        for at, cost in enumerate(experiment.costs):
            estimate = means[str(at)].estimate
            held += estimate.low <= cost <= estimate.high
        among = {name for name, standing in compare_with_best(means).items() if standing.may_be_best}
        named += bool(among & best)
        alone += len(among) == 1
        tied += len(among) == len(experiment.costs)
    figures = [
        _share(
            f"{experiment.name}: cost held",
            held / len(experiment.costs) / runs,
            _HELD if experiment.deployments > 1 else None,
        )
    ]
    if experiment in EQUAL:
        return [*figures, _share(f"{experiment.name}: tied", tied / runs, _NAMED)]
    figures.append(_share(f"{experiment.name}: a true best among the best", named / runs, _NAMED))
    return [
        *figures,
        _share(f"{experiment.name}: one is named alone", alone / runs, ">= 90" if experiment in APART else None),
    ]


def _experiments(experiment: Experiment, runs: int) -> Iterator[list[Observation]]:
    rng = np.random.default_rng(_SEED)
    shape = len(experiment.costs), experiment.deployments, experiment.runs
    for _ in range(runs):
        deployments = rng.normal(0, experiment.deployment_sd, shape[:2])
        values = np.log(experiment.costs)[:, None, None] + deployments[..., None]
        values = values + rng.normal(0, RUN_SD, shape)
        yield [
            Observation(str(variant), f"{variant}-{deployment}", float(value), RUN_SD)
            for (variant, deployment, _), value in np.ndenumerate(values)
        ]


def _is_refused(rows: RunRows, load: LoadPlan) -> bool:
    return bool(steady_state_reasons(_table(rows.every), _table(rows.counted), load))


def _stepped(rows: RunRows, factor: float, at: float) -> RunRows:
    """Latency multiplied from some moment of the hold on."""
    since_us = np.quantile(rows.counted.intended_start_us, at)
    return replace(
        rows,
        every=_slowed(rows.every, factor, float(since_us)),
        counted=_slowed(rows.counted, factor, float(since_us)),
    )


def _slowed(rows: Columns, factor: float, since_us: float) -> Columns:
    latency_us = (rows.end_us - rows.start_us) * np.where(rows.intended_start_us >= since_us, factor, 1.0)
    return replace(rows, end_us=rows.start_us + latency_us.astype(np.int64))


def _table(rows: Columns) -> pa.Table:
    """What the check of a load test reads of its rows."""
    return pa.table(
        {
            "intended_start": rows.intended_start_us,
            "start": rows.start_us,
            "latency_us": rows.end_us - rows.start_us,
            "ok": rows.ok,
        }
    )


def _share(name: str, share: float, bar: str | None = None) -> Figure:
    return Figure(name, 100 * share, "%", bar)


if __name__ == "__main__":
    main()
