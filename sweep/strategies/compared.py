"""What the runs of a sweep say by the comparison of `analysis.statistics`, as a verdict on the same runs does."""

from collections.abc import Iterable

from analysis.statistics.deployments import MACHINES_SD, PRIOR_SD, Effects, fit_effects
from analysis.statistics.deployments import Observation as DeployedRun
from sweep.strategies.text import between_deployments, between_machines
from sweep.strategy import Observation


def effects_of(runs: Iterable[tuple[str, Observation]]) -> Effects | None:
    """The mean logarithm of each candidate's cost, by its key; None where no run has a cost."""
    priced = [(key, run) for key, run in runs if not run.is_bound]
    if not priced:
        return None
    assumed_sd = max((run.deployment_sd for _, run in priced), default=PRIOR_SD)
    deployed = [DeployedRun(key, str(run.order), run.log_cost, run.log_error, run.machines) for key, run in priced]
    return fit_effects(deployed, assumed_sd)


def assumption_of(effects: Effects, deployment_sd: float) -> str | None:
    """What a comparison of these candidates rests on besides the runs; None where these are enough."""
    if not effects.compared.is_prior:
        return None
    return between_deployments(deployment_sd) if effects.compared is effects else between_machines(MACHINES_SD)
