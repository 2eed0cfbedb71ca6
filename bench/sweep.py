"""Whether a race chooses a best variant, for how much less money than a grid, and whether sweeps survive being cut off.

Whole sweeps by the conductor, on the simulated fleets of bench.fleets.sweeps. The grid has as many blocks as the
single-stage procedure needs for the same promise when the variance of each fleet is known: a real grid does not know
it. Dollars include creating and destroying clusters.

Sweeps with other runs, candidates and spreads are held beside a verdict on the same runs (bench.fleets.same_runs).

Sweeps of 40 machine types (bench.fleets.machines) are run twice: with what public benchmarks say of their CPUs, and
with every stack measured.
"""

import math
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from bench.figures import Figure, argument_parser, progress, report, start
from bench.fleets.bare_sweeps import TYPICAL, Played, play
from bench.fleets.chaos import chaos_problems
from bench.fleets.machines import MachineSweep, machine_sweep
from bench.fleets.same_runs import disagreements
from bench.fleets.sweeps import STACKS, TRUTHS, fleet, many, published
from sweep.candidates import Candidate
from sweep.conductor.snapshot import Outcome
from sweep.settings import SweepSettings
from sweep.simulation.cloud import Cloud
from sweep.simulation.run import simulate
from sweep.simulation.world import World
from sweep.strategies.create import strategy_of
from sweep.strategies.race import Race
from sweep.strategies.single_stage import blocks_needed
from sweep.tasks import Length

SMALLEST = ("--fleets", "1", "--chaos", "1", "--mixed", "1", "--machines", "1", "--stores", "2")
_WITHIN = 0.05
# Of so many fleets one has 720 variants, too, and on one a grid is simulated.
_MANY_SHARE, _GRID_SHARE = 20, 40
# Candidates that vary more between deployments than others do, and one that is ahead of all.
_CANDIDATES, _MIXED, _LEAD = 60, (0.01, 0.08), 0.06
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Graded:
    """A race: by what share its choice is dearer than the best, its runs and dollars, and the dollars of the grid."""

    truth: str
    more: float
    runs: int
    usd: float
    grid_usd: float

    @property
    def of_grid(self) -> float:
        return self.usd / self.grid_usd


@dataclass(frozen=True)
class WithPrior:
    """A sweep of machine types: how much dearer its choice is than the best, and its dollars, with and without."""

    truth: str
    more: float
    usd: float
    more_without: float
    usd_without: float


def main() -> None:
    parser = argument_parser("sweep", __doc__)
    parser.add_argument("--fleets", type=int, default=200, help="with 15 variants (default: %(default)s)")
    parser.add_argument("--chaos", type=int, default=500, help="sweeps that are cut off (default: %(default)s)")
    parser.add_argument("--mixed", type=int, default=200, help="races of 60 candidates (default: %(default)s)")
    parser.add_argument("--machines", type=int, default=300, help="sweeps of 40 types (default: %(default)s)")
    parser.add_argument("--stores", type=int, default=500, help="held beside a verdict (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=20_000, help="of the fleets (default: %(default)s)")
    arguments = start(parser, ["numpy", "scipy"])
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.fleets)
    with ProcessPoolExecutor() as processes:
        races = list(_shown("15 variants", processes.map(partial(grade, published()), seeds), len(seeds)))
        grids = list(processes.map(_simulated_grid, seeds[::_GRID_SHARE]))
        large = seeds[::_MANY_SHARE]
        many_races = list(_shown("720 variants", processes.map(partial(grade, many()), large), len(large)))
        mixed = list(_shown("60 candidates", processes.map(_mixed_race, range(arguments.mixed)), arguments.mixed))
        machines = range(arguments.first_seed, arguments.first_seed + arguments.machines)
        priors = list(_shown("40 machine types", processes.map(with_prior, machines), len(machines)))
        chaos = list(_shown("cut off", processes.map(_problems, range(arguments.chaos)), arguments.chaos))
        verdicts = list(_shown("verdicts", processes.map(disagreements, range(arguments.stores)), arguments.stores))
    problems = [problem for found in chaos for problem in found]
    disagreed = [disagreement for found in verdicts for disagreement in found]
    for problem in problems + disagreed:
        progress(problem)
    figures = [
        *_figures("15 variants", races, "<= 25"),
        Figure("grid of 15 variants: simulated, of what is computed", 100 * float(np.mean(grids)), "%"),
        *_figures("720 variants", many_races, "<= 6"),
        Figure(
            "60 candidates, the best by 6 %, spreads of 1 and 8 %: chosen within 5 %",
            100 * _share(each.log_regret <= math.log1p(_WITHIN) for each in mixed),
            "%",
            ">= 95",
        ),
        *_prior_figures(priors),
        Figure(f"{arguments.chaos} sweeps that are cut off: problems", len(problems), "", "<= 0"),
        Figure(f"{arguments.stores} sweeps: claims that a verdict does not make", len(disagreed), "", "<= 0"),
    ]
    report("sweep", figures)


def _figures(name: str, races: Sequence[Graded], bar: str) -> list[Figure]:
    of_grid = [100 * race.of_grid for race in races]
    name = f"{name}, {len(races)} fleets"
    quantiles = {"least": 0.0, "10 %": 0.1, "median": 0.5, "90 %": 0.9, "most": 1.0}
    return [
        Figure(f"{name}: chosen within 5 %", 100 * _share(race.more <= _WITHIN for race in races), "%", ">= 95"),
        Figure(f"{name}: chosen is the best", 100 * _share(race.more == 0 for race in races), "%"),
        *(
            Figure(
                f"{name}: dollars of the grid's, {label}",
                float(np.quantile(of_grid, share)),
                "%",
                bar if label == "median" else None,
            )
            for label, share in quantiles.items()
        ),
        *(
            Figure(
                f"{name}, {truth}: median",
                float(np.median([100 * race.of_grid for race in races if race.truth == truth])),
                "%",
            )
            for truth in dict.fromkeys(race.truth for race in races)
        ),
        Figure(f"{name}: race, median", float(np.median([race.usd for race in races])), "USD"),
        Figure(f"{name}: grid, median", float(np.median([race.grid_usd for race in races])), "USD"),
        Figure(f"{name}: runs of the race, median", float(np.median([race.runs for race in races])), ""),
    ]


def _prior_figures(sweeps: Sequence[WithPrior]) -> Iterator[Figure]:
    name = f"40 machine types, {len(sweeps)} sweeps"
    all_measured = 100 * _share(sweep.more_without <= _WITHIN for sweep in sweeps)
    yield from _compared(name, sweeps, ">= 95", "<= 60")
    yield Figure(f"{name}: chosen within 5 %, all measured", all_measured, "%")
    for truth in dict.fromkeys(sweep.truth for sweep in sweeps):
        yield from _compared(f"{name}, {truth}", [sweep for sweep in sweeps if sweep.truth == truth])


def _compared(
    name: str, sweeps: Sequence[WithPrior], right: str | None = None, dollars: str | None = None
) -> Iterator[Figure]:
    """How often the choice is right, and the dollars; with their bars."""
    usd, usd_without = (sum(sweep.usd for sweep in sweeps), sum(sweep.usd_without for sweep in sweeps))
    yield Figure(f"{name}: chosen within 5 %", 100 * _share(sweep.more <= _WITHIN for sweep in sweeps), "%", right)
    yield Figure(f"{name}: dollars of those of measuring all", 100 * usd / usd_without, "%", dollars)


def _share(held: Iterator[bool]) -> float:
    return float(np.mean(list(held)))


def _shown(name: str, results: Iterator[_Result], count: int) -> Iterator[_Result]:
    """The results, with a line of progress at each tenth."""
    for number, result in enumerate(results, 1):
        if number % max(1, count // 10) == 0 or number == count:
            progress(f"{name}: {number} of {count}")
        yield result


def _mixed_race(seed: int) -> Played:
    noise = replace(TYPICAL, deployment_sd=_MIXED)
    return play(Race(_WITHIN), [0.0] + [math.log1p(_LEAD)] * (_CANDIDATES - 1), noise, seed)


def _problems(seed: int) -> list[str]:
    return [f"seed {seed}: {problem}" for problem in chaos_problems(seed, strategy_of)]


def grade(candidates: tuple[Candidate, ...], seed: int) -> Graded:
    """Run the race on the fleet of a seed."""
    truth = TRUTHS[seed % len(TRUTHS)]
    world = fleet(candidates, truth, seed)
    outcome = _ended(SweepSettings(candidates=candidates, strategy="race", within=_WITHIN, seed=seed), world)
    costs = {
        candidate.key: STACKS[candidate.stack].usd_hourly / world.capacity_rps[candidate.key]
        for candidate in candidates
    }
    more = costs[_chosen(outcome)] / min(costs.values()) - 1
    return Graded(truth.name, more, outcome.last.finished_runs, outcome.last.usd, grid_usd(candidates, world))


def with_prior(seed: int) -> WithPrior:
    """Run the sweep of machine types of a seed with what is known of them, and without."""
    sweep = machine_sweep(seed, _WITHIN)
    with_it, without = (_played(sweep, settings) for settings in (sweep.settings, sweep.unknowing))
    return WithPrior(sweep.truth, *with_it, *without)


def _played(sweep: MachineSweep, settings: SweepSettings) -> tuple[float, float]:
    """By what share the choice is dearer than the best, and the dollars."""
    outcome = _ended(settings, sweep.world)
    least = min(sweep.cost(candidate.key) for candidate in settings.candidates)
    return sweep.cost(_chosen(outcome)) / least - 1, outcome.last.usd


def _ended(settings: SweepSettings, world: World) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return simulate(Path(folder) / settings.strategy, settings, Cloud(world), strategy_of(settings))


def _chosen(outcome: Outcome) -> str:
    """The key of the candidate that leads at the end."""
    leader = outcome.last.objectives[0].leader
    assert leader is not None
    return leader.candidate.key


def grid_usd(candidates: tuple[Candidate, ...], world: World) -> float:
    """What the grid costs, from the means of the world: all clusters are up until the last of their runs."""
    blocks = grid_blocks(len(candidates), world)
    usd = 0.0
    for stack, made in world.stacks.items():
        loads = [candidate.load for candidate in candidates if candidate.stack == stack]
        runs_s = blocks * sum(load.total_s for load in loads) + (blocks * len(loads) - 1) * made.update_s
        usd += made.billed_usd_hourly * (made.create_s + runs_s + made.destroy_s) / 3600
    return usd


def grid_blocks(candidates: int, world: World) -> int:
    """The blocks of the single-stage procedure where the variance is known."""
    log_sd = math.hypot(world.spread.deployments, world.spread.runs[Length.full].log_error)
    return blocks_needed(candidates, _WITHIN, log_sd)


def _simulated_grid(seed: int) -> float:
    """What the conductor pays for a grid, as a multiple of `grid_usd`."""
    candidates = published()
    world = fleet(candidates, TRUTHS[seed % len(TRUTHS)], seed)
    blocks = grid_blocks(len(candidates), world)
    settings = SweepSettings(candidates=candidates, strategy="grid", within=_WITHIN, blocks=blocks, seed=seed)
    return _ended(settings, world).last.usd / grid_usd(candidates, world)


if __name__ == "__main__":
    main()
