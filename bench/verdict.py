"""How often intervals hold the true value, checks notice a change, and the choice among variants is right.

Over 400 simulated runs, or experiments, of each kind in bench.stores.grading, which nothing is tuned with.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from analysis.results.run.columns import Columns, RunRows
from analysis.statistics.best import Standing, compare_with_best, difference_of
from analysis.statistics.cells import cells_of
from analysis.statistics.deployments import Observation, fit_effects
from analysis.statistics.estimate import student_t
from analysis.statistics.within import run_figures
from bench.figures import Figure, argument_parser, progress, report, start
from bench.stores.grading import (
    APART,
    BUSY,
    CHANGED_NODES,
    CLOSE,
    CLOSED_LOOPS,
    EQUAL,
    OPEN_LOOPS,
    WANDERS,
    Experiment,
)
from bench.stores.regimes import TRUTH_RUNS, Regime
from loadtest.generator.plan import LoadPlan, load_plan
from loadtest.result.validity.steady_state import steady_state_reasons
from stacks.load.load_profiles import PROFILES

SMALLEST = ("--runs", "1", "--truth", "1", "--kinds", "1")
_SEED = 20261126
_P99 = 0.99
_HELD, _TRUE = "93 .. 97", ">= 94"
_FACTORS = {1.5: ">= 90", 10.0: ">= 99"}
_CLOSED, _OPEN = (load_plan(PROFILES[name].plan_values) for name in ("seed", "open"))


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
    for regime, hold_s in BUSY[first]:
        progress(regime.name)
        figures.append(refused_though_steady(regime, hold_s, runs))
    for regime in WANDERS[first]:
        progress(regime.name)
        figures.append(held_or_refused(regime, runs))
    for experiment in (*EQUAL[first], *APART[first], *CLOSE[first]):
        progress(experiment.name)
        figures += choices(experiment, runs)
    for machines_sd in CHANGED_NODES[first]:
        progress(f"other nodes, which differ by {machines_sd:.0%}")
        figures += [told_from_other_nodes(machines_sd, stacks, runs) for stacks in (1, 4)]
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


def refused_though_steady(regime: Regime, hold_s: float, runs: int) -> Figure:
    refused = sum(_is_refused(_first(rows, hold_s), _OPEN) for rows in regime.runs(runs, _SEED + 3))
    return _share(f"{regime.name}, for {hold_s:g} s: refused though steady", refused / runs, "<= 1")


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
    """How often intervals of the cost hold the truth, all statements are true, and which variants are named.

    Nothing is said to be certain where what variants are compared by is in part an assumption.
    """
    held, true, alone, wrong = 0, 0, 0, 0
    best = min(experiment.costs)
    for observations in _experiments(experiment, runs):
        effects = fit_effects(observations)
        means = effects.means
        for at, cost in enumerate(experiment.costs):
            estimate = means[str(at)].estimate
            held += estimate.low <= cost <= estimate.high
        standings = compare_with_best(means)
        true += effects.compared.is_prior or _are_true(
            experiment.costs, [standings[str(at)] for at in range(len(experiment.costs))]
        )
        among = [experiment.costs[int(name)] for name, standing in standings.items() if standing.may_be_best]
        alone += len(among) == 1
        wrong += len(among) == 1 and among[0] > best and not effects.compared.is_prior
    has_own_spread = experiment.machines_sd is None and experiment.deployment_sd == (0.02,)
    return [
        _share(
            f"{experiment.name}: cost held",
            held / len(experiment.costs) / runs,
            _HELD if has_own_spread and min(experiment.deployments) > 2 else None,
        ),
        _share(f"{experiment.name}: all that is said to be certain is true", true / runs, _TRUE),
        _share(f"{experiment.name}: one is named alone", alone / runs, experiment.alone),
        _share(f"{experiment.name}: another than the best is certainly the best", wrong / runs, "<= 5"),
    ]


def told_from_other_nodes(machines_sd: float, stacks: int, runs: int) -> Figure:
    """How often a change without effect is called one in any of so many stacks, on other nodes before and after it."""
    rng = np.random.default_rng(_SEED)
    told = 0
    for _ in range(runs):
        observations = []
        for name in [f"{side} {stack}" for stack in range(stacks) for side in ("before", "after")]:
            deployments = rng.normal(0, machines_sd) + rng.normal(0, 0.02, 3)
            observations += [
                Observation(name, f"{name} {at}", float(value + rng.normal(0, 0.01)), 0.01, name)
                for at, value in enumerate(deployments)
            ]
        means = fit_effects(observations).means
        differences = [difference_of(means[f"after {stack}"], means[f"before {stack}"]) for stack in range(stacks)]
        told += any(
            abs(difference.log_value)
            > student_t(difference.degrees_of_freedom, stacks) * math.sqrt(difference.variance)
            for difference in differences
        )
    name = f"other nodes, which differ by {machines_sd:.0%}: {stacks} of {stacks} stacks unchanged, but called changed"
    return _share(name, told / runs, "<= 6")


def _are_true(costs: Sequence[float], standings: Sequence[Standing]) -> bool:
    """Whether no variant costs more than is said, and none that costs less than all others is not among the best."""
    for at, (cost, standing) in enumerate(zip(costs, standings, strict=True)):
        least = min(other for place, other in enumerate(costs) if place != at)
        if standing.at_most_more < max(cost / least - 1, 0) - 1e-9 or (cost < least and not standing.may_be_best):
            return False
    return True


def _experiments(experiment: Experiment, runs: int) -> Iterator[list[Observation]]:
    """Of each experiment: runs of each variant, the standard error of which is as large as it says."""
    rng = np.random.default_rng(_SEED)
    for _ in range(runs):
        observations = []
        for variant, cost in enumerate(experiment.costs):
            deployment_sd = rng.choice(experiment.deployment_sd)
            deployments = int(rng.choice(experiment.deployments))
            for machines in range(experiment.machines):
                fast = rng.normal(0, experiment.machines_sd or 0)
                for deployment, apart in enumerate(rng.normal(0, deployment_sd, deployments)):
                    values = math.log(cost) + fast + apart + rng.normal(0, experiment.run_sd, experiment.runs)
                    observations += [
                        Observation(
                            str(variant),
                            f"{variant}-{machines}-{deployment}",
                            float(value),
                            experiment.run_sd,
                            "" if experiment.machines_sd is None else f"{variant}-{machines}",
                        )
                        for value in values
                    ]
        yield observations


def _is_refused(rows: RunRows, load: LoadPlan) -> bool:
    return bool(steady_state_reasons(_table(rows.every), _table(rows.counted), load))


def _first(rows: RunRows, hold_s: float) -> RunRows:
    """The run, had its hold been this short."""
    due_us = rows.counted.intended_start_us
    end_us = due_us.min() + hold_s * 1e6
    every = rows.every.where(rows.every.intended_start_us <= end_us)
    return replace(rows, every=every, counted=rows.counted.where(due_us <= end_us))


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
