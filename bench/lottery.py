"""Whether the expected cost holds the truth, and the best machine is chosen, where the CPU model comes by chance.

Simulated experiments of two machines: the nodes of one draw one of two CPU models, 1.4 times apart; those of the other
all have the same, and cost 10 % less or more than the first is expected to, in turns. The truth is the mean cost of
many simulated clusters. Beside it the rule of before: of the runs on each mix of CPU models, those of the most
variants, or of as many the newest.

Then whole sweeps of ten candidates, four stacks of which get their CPU models by chance (bench.fleets.lotteries).
Beside them a race that does not know the models, on stacks that keep their nodes.
"""

import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np

from analysis.capacity.evidence import Basis, Evidence
from analysis.comparability import largest_group
from analysis.interval import Interval
from analysis.objective import Objective
from analysis.results.schema.manifest import Manifest, Replica
from analysis.results.storage.store import new_run_id
from analysis.verdict.ranking import Ranked
from analysis.verdict.variants import variant_key
from analysis.verdict.verdict import Judged, verdict_of
from bench.figures import Figure, argument_parser, progress, report, start
from bench.fleets.lotteries import MIXES, LotterySweep, NotTold, lottery_sweep
from bench.fleets.same_runs import ROUNDING, claimed_more
from bench.stores.synthetic import STARTED_AT, make_manifest
from stacks.load.load_profiles import PROFILES
from sweep.simulation.cloud import Cloud
from sweep.simulation.run import simulate
from sweep.simulation.world import World
from sweep.strategies.race import Race
from sweep.strategy import Strategy

SMALLEST = ("--runs", "2", "--truth", "100", "--sweeps", "1")
_SEED = 20261201
_APART = 1.4
_RIVALS = (0.9, 1.1)
_BY_CHANCE, _ALWAYS = "by-chance", "always"
_OBJECTIVE = Objective(latency_ms=400)
_WITHIN = 0.05
_RPS_A_NODE = 20.0
# Nodes of one CPU model, deployments on the same nodes, runs of a deployment.
_NODE_SD, _DEPLOYMENT_SD, _RUN_SD = 0.03, 0.02, 0.01


@dataclass(frozen=True)
class Draws:
    """A machine whose nodes have the faster CPU model with this probability, and clusters of so many nodes.

    `is_even`: each node gets as many requests, so that the slowest one is the first to miss the objective. Otherwise
    each gets what it can serve. Each cluster is deployed twice.
    """

    name: str
    fast: float
    nodes: int
    clusters: int
    is_even: bool = True

    def speeds(self, rng: np.random.Generator) -> tuple[list[bool], float]:
        """Which nodes of a new cluster are fast, and its capacity."""
        fast = rng.uniform(size=self.nodes) < self.fast
        rps = _RPS_A_NODE * np.where(fast, 1.0, 1 / _APART) * np.exp(rng.normal(0, _NODE_SD, self.nodes))
        return fast.tolist(), float(self.nodes * rps.min() if self.is_even else rps.sum())

    def expected_cost(self, clusters: int) -> float:
        """Of a second of the cluster, which costs 1, by what it answers: the mean over so many clusters."""
        rng = np.random.default_rng(_SEED + 1)
        return float(np.mean([1 / self.speeds(rng)[1] for _ in range(clusters)]))


_KINDS = (
    Draws("50/50, 1 node", 0.5, 1, 24),
    Draws("50/50, 2 nodes", 0.5, 2, 16),
    Draws("50/50, 4 nodes", 0.5, 4, 12),
    Draws("50/50, 4 nodes, by speed", 0.5, 4, 12, is_even=False),
    Draws("90/10, 1 node", 0.9, 1, 24),
    Draws("90/10, 2 nodes", 0.9, 2, 16),
    Draws("90/10, 4 nodes", 0.9, 4, 12),
    Draws("90/10, 4 nodes, by speed", 0.9, 4, 12, is_even=False),
)


def main() -> None:
    parser = argument_parser("lottery", __doc__)
    parser.add_argument("--runs", type=int, default=2000, help="experiments of each kind (default: %(default)s)")
    parser.add_argument("--truth", type=int, default=20_000, help="clusters that the truth is from")
    parser.add_argument("--sweeps", type=int, default=200, help="sweeps of each mix (default: %(default)s)")
    arguments = start(parser, ["numpy", "scipy"])
    figures: list[Figure] = []
    with ProcessPoolExecutor() as processes:
        for kind, found in zip(
            _KINDS, processes.map(partial(graded, runs=arguments.runs, clusters=arguments.truth), _KINDS), strict=True
        ):
            progress(kind.name)
            figures += found
    for mix in MIXES:
        progress(f"sweeps, {mix}")
        with ProcessPoolExecutor() as processes:
            swept = list(processes.map(partial(graded_sweep, mix), range(arguments.sweeps)))
        figures += _sweep_figures(f"sweep, {mix}", swept)
    report("lottery", figures)


def graded(kind: Draws, runs: int, clusters: int) -> list[Figure]:
    return list(_graded(kind, runs, clusters))


def _graded(kind: Draws, runs: int, clusters: int) -> Iterator[Figure]:
    truth, counted, widths = kind.expected_cost(clusters), Counter[str](), []
    rng = np.random.default_rng(_SEED)
    for experiment in range(runs):
        measured = list(_measured(kind, rng))
        rival = _RIVALS[experiment % len(_RIVALS)]
        judged = _in_any_order([*measured, *_rivals(kind, rival * truth, rng)], rng)
        best = _ALWAYS if rival < 1 else _BY_CHANCE
        ranking = verdict_of(judged, _OBJECTIVE).ranking
        [drawn] = [each for each in ranking if each.label.startswith(_BY_CHANCE)]
        widths.append(math.log(drawn.usd_per_million.high / drawn.usd_per_million.low) / 2)
        counted["now chosen"] += ranking[0].label.startswith(best)
        counted["now held"] += _holds(drawn, truth)
        counted["now wrong"] += any(
            not each.label.startswith(best) for each in ranking if each.standing and each.standing.is_certainly_best
        )
        counted["before chosen"] += _ranked_before(judged)[0].label.startswith(best)
        counted["before held"] += _holds(_ranked_before(_in_any_order(measured, rng))[0], truth)
    share = 100 / runs
    yield Figure(f"{kind.name}: expected cost held", share * counted["now held"], "%", "93 .. 97")
    yield Figure(f"{kind.name}: half of its interval", 100 * float(np.median(widths)), "%")
    yield Figure(f"{kind.name}: best in expectation first", share * counted["now chosen"], "%", ">= 95")
    yield Figure(f"{kind.name}: another certainly best", share * counted["now wrong"], "%", "<= 5")
    yield Figure(f"{kind.name}: before, expected cost held", share * counted["before held"], "%")
    yield Figure(f"{kind.name}: before, best in expectation first", share * counted["before chosen"], "%")


@dataclass(frozen=True)
class Swept:
    """By how much the choice is dearer than the best in expectation, by how much at most it claims so, and USD."""

    more: float
    claimed: float
    usd: float
    runs: int


def graded_sweep(mix: str, seed: int) -> tuple[Swept, Swept]:
    """Now and before."""
    sweep = lottery_sweep(mix, seed, _WITHIN)
    return _swept(sweep, sweep.world, Race(_WITHIN)), _swept(sweep, sweep.on_the_same_nodes, NotTold(Race(_WITHIN)))


def _swept(sweep: LotterySweep, world: World, strategy: Strategy) -> Swept:
    with tempfile.TemporaryDirectory() as folder:
        last = simulate(Path(folder) / "sweep", sweep.settings, Cloud(world), strategy).last
    [objective] = last.objectives
    assert objective.leader
    more = sweep.costs[objective.leader.candidate.key] / min(sweep.costs.values()) - 1
    return Swept(more, claimed_more(objective), last.usd, last.finished_runs)


def _sweep_figures(name: str, swept: Sequence[tuple[Swept, Swept]]) -> Iterator[Figure]:
    now, before = ([pair[at] for pair in swept] for at in (0, 1))
    yield Figure(f"{name}: chosen within 5 %", _percent(each.more <= _WITHIN for each in now), "%", ">= 95")
    yield Figure(f"{name}: claim false", _percent(each.more > each.claimed + ROUNDING for each in now), "%", "<= 5")
    yield Figure(f"{name}: claims at most 5 %", _percent(each.claimed <= _WITHIN for each in now), "%")
    yield Figure(f"{name}: runs, median", float(np.median([each.runs for each in now])), "")
    yield Figure(f"{name}: dollars, median", float(np.median([each.usd for each in now])), "USD")
    yield Figure(f"{name}: before, chosen within 5 %", _percent(each.more <= _WITHIN for each in before), "%")
    yield Figure(f"{name}: before, claim false", _percent(each.more > each.claimed + ROUNDING for each in before), "%")
    yield Figure(f"{name}: before, dollars, median", float(np.median([each.usd for each in before])), "USD")


def _percent(held: Iterator[bool]) -> float:
    return 100 * float(np.mean(list(held)))


def _holds(ranked: Ranked, truth: float) -> bool:
    """Of a cluster that costs 1 an hour."""
    cost = ranked.usd_per_million.times(3600 / 1e6)
    return cost.low <= truth <= cost.high


def _ranked_before(judged: Sequence[Judged]) -> Sequence[Ranked]:
    """By the rule of before: the runs on the CPU models, in their shares, that most variants ran on, or the newest."""
    newest, _ = largest_group([run.manifest for run in judged], variant_key)
    kept = {manifest.run_id for manifest in newest}
    return verdict_of([run for run in judged if run.manifest.run_id in kept], _OBJECTIVE, over_cpus=False).ranking


def _in_any_order(judged: Sequence[Judged], rng: np.random.Generator) -> list[Judged]:
    """The runs, made in another order in time."""
    ids = [new_run_id() for _ in judged]
    return [
        replace(
            judged[at],
            manifest=judged[at].manifest.model_copy(update={"run_id": run_id}),
            said=replace(judged[at].said, run_id=run_id),
        )
        for at, run_id in zip(rng.permutation(len(judged)), ids, strict=True)
    ]


def _measured(kind: Draws, rng: np.random.Generator) -> Iterator[Judged]:
    for cluster in range(kind.clusters):
        fast, rps = kind.speeds(rng)
        cpus = ["CPU F" if is_fast else "CPU S" for is_fast in fast]
        yield from _deployed(_BY_CHANCE, "e2-custom-8-16384", cluster, cpus, rps, rng)


def _rivals(kind: Draws, cost: float, rng: np.random.Generator) -> Iterator[Judged]:
    for cluster in range(3):
        rps = float(np.exp(rng.normal(0, _NODE_SD))) / cost
        yield from _deployed(_ALWAYS, "n4d-highcpu-8", 100 + cluster, ["CPU N"] * kind.nodes, rps, rng)


def _deployed(
    stack: str, machine_type: str, cluster: int, cpus: Sequence[str], rps: float, rng: np.random.Generator
) -> Iterator[Judged]:
    """A cluster with these CPU models and this capacity, deployed and searched twice."""
    first = _manifest(stack, machine_type, len(cpus))
    replicas = tuple(
        Replica(name=f"pod-{at}", node=f"{stack}-{cluster}-{at}", cpu_model=cpu) for at, cpu in enumerate(cpus)
    )
    for deployment in range(2):
        began = STARTED_AT + timedelta(hours=int(rng.integers(1000)))
        manifest = first.model_copy(
            update={
                "run_id": new_run_id(),
                "replicas": replicas,
                "deployment": f"d{2 * cluster + deployment:011x}",
                "started_at": began,
            }
        )
        value = rps * math.exp(rng.normal(0, _DEPLOYMENT_SD) + rng.normal(0, _RUN_SD))
        found = Interval(value, value * math.exp(-1.96 * _RUN_SD), value * math.exp(1.96 * _RUN_SD))
        yield Judged(manifest, (), Evidence(manifest.run_id, Basis.search, found))


_MADE: dict[tuple[str, int], Manifest] = {}


def _manifest(stack: str, machine_type: str, nodes: int) -> Manifest:
    """Of a cluster that costs 1 USD an hour."""
    if (stack, nodes) not in _MADE:
        made = make_manifest(PROFILES["capacity"], stack=stack, machine_type=machine_type, nodes=nodes)
        _MADE[stack, nodes] = made.model_copy(update={"cost": made.cost.model_copy(update={"hourly": 1.0})})
    return _MADE[stack, nodes]


if __name__ == "__main__":
    main()
