"""What the runs of a sweep say by the comparison of `analysis.statistics`, as a verdict on the same runs does."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from analysis.statistics.best import compare_with_best
from analysis.statistics.cpu_models import Draw, Pool
from analysis.statistics.deployments import MACHINES_SD, PRIOR_SD, Effects, fit_effects
from analysis.statistics.deployments import Observation as DeployedRun
from analysis.statistics.estimate import Z
from analysis.statistics.lottery import Lottery, draw_lottery
from sweep.strategies.text import at_most_more, between_deployments, between_machines, over_cpus
from sweep.strategy import Observation

# The key of a candidate, and one of its runs.
Run = tuple[str, Observation]


@dataclass(frozen=True)
class Compared:
    """What a verdict on the same runs says of the candidate that was chosen, and which others may be the best."""

    claim: str
    may_be_best: frozenset[str]


def compare(runs: Sequence[Run], chosen: str) -> Compared:
    """Compare the candidates that have a cost, one of which is `chosen`."""
    effects = effects_of(runs)
    assert effects, f"{chosen} has no cost"
    standings = compare_with_best(effects.means)
    assumption = _assumption_of(effects, next(run.deployment_sd for key, run in runs if key == chosen))
    claim = at_most_more(standings[chosen].at_most_more, assumption, _unknown(runs, effects, chosen))
    others = standings.keys() - {chosen}
    return Compared(claim + _cpus_claimed(runs), frozenset(key for key in others if standings[key].may_be_best))


def effects_of(runs: Iterable[Run]) -> Effects | None:
    """The mean logarithm of each candidate's cost, by its key; None where no run has a cost.

    Where nodes get their CPU models by chance, it is that of the cost that is expected over these.
    """
    runs = list(runs)
    priced = [(key, run) for key, run in runs if not run.is_bound]
    if not priced:
        return None
    if lottery := lottery_of(runs):
        effects = lottery.effects
        return replace(effects, means={key: mean.subtracted_from(0.0) for key, mean in effects.means.items()})
    assumed_sd = max((run.deployment_sd for _, run in priced), default=PRIOR_SD)
    return fit_effects([_deployed(key, run, run.log_cost) for key, run in priced], assumed_sd)


def lottery_of(runs: Sequence[Run]) -> Lottery | None:
    """What is expected over the CPU models that nodes get by chance, of how much a dollar gets.

    None where no run with a cost had nodes that may get one of several.
    """
    pools = _pools(runs)
    if not any(pool.is_lottery for pool in pools.values()):
        return None
    draws, others = [], []
    for key, run in runs:
        deployed = None if run.is_bound else _deployed(key, run, -run.log_cost)
        if run.drawn:
            draws.append(Draw(key, run.drawn.pool, len(run.drawn.nodes), run.drawn.shares, deployed))
        elif deployed:
            others.append(deployed)
    return draw_lottery(draws, others, pools)


def _deployed(key: str, run: Observation, log_value: float) -> DeployedRun:
    """Each run of a sweep has a deployment of its own, which has the number of the run."""
    return DeployedRun(key, str(run.order), log_value, run.log_error, run.machines)


def _pools(runs: Sequence[Run]) -> dict[str, Pool]:
    """By name, with each node once, however many runs it served."""
    nodes: dict[str, dict[str, str]] = defaultdict(dict)
    models: dict[str, int] = {}
    for drawn in (run.drawn for _, run in runs if run.drawn):
        nodes[drawn.pool] |= dict(drawn.nodes)
        models[drawn.pool] = drawn.models
    return {name: Pool.of(seen.values(), models[name]) for name, seen in nodes.items()}


def _assumption_of(effects: Effects, deployment_sd: float) -> str | None:
    """What a comparison of these candidates rests on besides the runs; None where these are enough."""
    if not effects.compared.is_prior:
        return None
    return between_deployments(deployment_sd) if effects.compared is effects else between_machines(MACHINES_SD)


def _unknown(runs: Sequence[Run], effects: Effects, chosen: str) -> int:
    """How many candidates without a cost may be cheaper than the chosen one, by the lower bounds of their costs."""
    mean = effects.means[chosen]
    bounds: dict[str, float] = {}
    for key, run in runs:
        if key not in effects.means:
            bounds[key] = max(run.log_cost, bounds.get(key, run.log_cost))
    return sum(bound < mean.log_value + Z * math.sqrt(mean.variance) for bound in bounds.values())


def _cpus_claimed(runs: Sequence[Run]) -> str:
    """What a claim says of the CPU models that nodes got by chance; empty where none did."""
    pools = _pools(runs).items()
    return "".join(over_cpus(name, pool.nodes, pool.not_seen) for name, pool in pools if pool.is_lottery)
