"""What the runs of a sweep say by the comparison of `analysis.statistics`, as a verdict on the same runs does."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from analysis.statistics.cpu_models import Draw, Pool
from analysis.statistics.deployments import MACHINES_SD, PRIOR_SD, Effects, fit_effects
from analysis.statistics.deployments import Observation as DeployedRun
from analysis.statistics.lottery import Lottery, draw_lottery
from sweep.strategies.text import between_deployments, between_machines, over_cpus
from sweep.strategy import Observation

# The key of a candidate, and one of its runs.
Run = tuple[str, Observation]


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


def assumption_of(effects: Effects, deployment_sd: float) -> str | None:
    """What a comparison of these candidates rests on besides the runs; None where these are enough."""
    if not effects.compared.is_prior:
        return None
    return between_deployments(deployment_sd) if effects.compared is effects else between_machines(MACHINES_SD)


def cpus_claimed(runs: Sequence[Run]) -> str:
    """What a claim says of the CPU models that nodes got by chance; empty where none did."""
    pools = _pools(runs).items()
    return "".join(over_cpus(name, pool.nodes, pool.not_seen) for name, pool in pools if pool.is_lottery)


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
