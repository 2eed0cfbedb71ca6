"""Capacities that a results store knows of a model, from which estimates are scaled to requests per second."""

from collections.abc import Sequence
from functools import partial

from analysis.estimate.ranking import Candidate, Capacity, StoredCapacities
from analysis.estimate.speeds import Speeds
from analysis.interval import Interval
from analysis.objective import Asked, objective_of
from analysis.parallel import for_each
from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore
from analysis.verdict.capacity import Meets
from analysis.verdict.ranking import Ranked
from analysis.verdict.verdict import read_and_judge, verdict_of
from stacks.machines.machine_series import UnknownMachineTypeError


def read_capacities(
    store: ResultsStore, runs: Sequence[Manifest], requested: Asked, speeds: Speeds
) -> StoredCapacities:
    """The capacity of each shape with its best variant, by the valid runs that compare. Reads their rows.

    Raises ObjectiveError where it is not certain at which objective.
    """
    objective = objective_of(requested, runs)
    verdict = verdict_of(for_each(partial(read_and_judge, store, objective), runs), objective)
    best: dict[tuple[str, int], Capacity] = {}
    for ranked in verdict.ranking:
        shape = ranked.variant.newest.shape
        found, key = _capacity(ranked, speeds), (shape.machine_type, shape.nodes)
        if found and (key not in best or found.rps.value > best[key].rps.value):
            best[key] = found
    return StoredCapacities(objective, tuple(best.values()), verdict.excluded)


def _capacity(ranked: Ranked, speeds: Speeds) -> Capacity | None:
    """None where only bounds are known, and of a machine that no benchmark is known of."""
    newest, rps = ranked.variant.newest, ranked.capacity.rps
    if rps.value is None or rps.low <= 0 or ranked.meets is not Meets.yes:
        return None
    try:
        speed = speeds.of_series(newest.shape.series)
    except UnknownMachineTypeError:  # of a run that another version of this project made
        return None
    if speed is None:
        return None
    candidate = Candidate(newest.shape, ranked.usd_hourly, speed)
    return Capacity(candidate, Interval(rps.value, rps.low, rps.high), newest.serving.model.instances)
