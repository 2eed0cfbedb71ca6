"""Finds the run of a task in the results store, and reads what it says about the capacity."""

import math
from dataclasses import astuple

from analysis.capacity.evidence import NoEvidence, evidence_of
from analysis.comparability import has_drawn_cpus
from analysis.formatting import number
from analysis.objective import Objective
from analysis.results.run.columns import read_columns
from analysis.results.run.disturbance import was_disturbed
from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore
from analysis.results.storage.store_files import StoreError
from analysis.verdict.mix import known_models, nodes_of, pool_of
from stacks.load.load_profiles import CapacitySearch
from sweep.fleet import FleetError
from sweep.tasks import DrawnCpus, Measure, Measured


class NothingMeasuredError(FleetError):
    """A valid run says nothing about the capacity."""


def measured(store: ResultsStore, stack: str, run_id: str, load: CapacitySearch) -> Measured:
    """What a run says for the objective of `load`; raises FleetError where it says nothing."""
    manifest = store.run(stack, run_id)
    if not isinstance(manifest, Manifest):
        why = f"{manifest.path} {manifest.why}" if manifest else "it has no manifest there"
        raise FleetError(f"run {run_id} of {stack} cannot be read from the results store {store.uri}: {why}")
    if manifest.validity.verdict == "invalid":
        raise FleetError(f"run {run_id} is not valid: {'; '.join(manifest.validity.reasons)}")
    objective = Objective.of_search(load)
    found = evidence_of(manifest, read_columns(store, manifest), objective)
    if isinstance(found, NoEvidence):
        raise NothingMeasuredError(f"run {run_id} says nothing about the capacity: {found.reason}")
    return Measured(run_id, found.rps, manifest.serving.model.instances, _drawn(manifest))


def _drawn(manifest: Manifest) -> DrawnCpus | None:
    if not has_drawn_cpus(manifest):
        return None
    return DrawnCpus(pool_of(manifest), known_models(manifest), tuple(sorted(nodes_of(manifest).items())))


def lost(store: ResultsStore, task: Measure, recorded: Measured) -> str:
    """Why a run no longer counts, empty where it does; raises FleetError where the store cannot be read.

    The figures are computed again from the rows, so that a journal and a store that differ are noticed, whichever is
    wrong.
    """
    try:
        if not store.is_finished(task.stack, recorded.run_id):
            return f"run {recorded.run_id} of {task.stack} is not in the results store {store.uri}"
        now = measured(store, task.stack, recorded.run_id, task.candidate.load)
    except StoreError as error:
        raise FleetError(str(error)) from error
    except FleetError as error:
        return str(error)
    if not _is_close(now.instances, recorded.instances):
        return (
            f"a request of run {recorded.run_id} of {task.stack} has {now.instances:g} instances in the results store"
            f" {store.uri}, and {recorded.instances:g} was recorded"
        )
    if now.drawn != recorded.drawn:
        return (
            f"the CPU models of the nodes of run {recorded.run_id} of {task.stack} are others in the results store"
            f" {store.uri} than were recorded"
        )
    if all(map(_is_close, astuple(now.rps), astuple(recorded.rps))):
        return ""
    return (
        f"run {recorded.run_id} of {task.stack} has a capacity of {now.rps.text(number)} requests/s in the results"
        f" store {store.uri}, and {recorded.rps.text(number)} was recorded"
    )


def _is_close(now: float | None, recorded: float | None) -> bool:
    """Whether two figures are the same, but for the rounding of another machine."""
    if now is None or recorded is None:
        return now is recorded
    return math.isclose(now, recorded, rel_tol=1e-6)


def run_of(store: ResultsStore, task: Measure, sweep_id: str) -> str | None:
    """The newest valid run of the task in this sweep; None where there is none.

    No times are compared: the clock may have been set since the run began.
    """
    wanted = sweep_id, task.block, task.candidate.key
    for run_id in reversed(store.run_ids(task.stack)):
        manifest = store.run(task.stack, run_id)
        if not isinstance(manifest, Manifest) or manifest.validity.verdict != "valid" or not (key := manifest.key):
            continue
        if (key.sweep, key.block, key.candidate) == wanted:
            return run_id
    return None


def disturbed_runs(store: ResultsStore, sweep_id: str) -> int:
    """How many runs of this sweep were refused because other programs took CPU from them."""
    runs = (run for run in store.scan().manifests if run.key and run.key.sweep == sweep_id)
    return sum(was_disturbed(run.validity.reasons) for run in runs)
