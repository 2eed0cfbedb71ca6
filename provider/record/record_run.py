"""Stores a finished run: rows, samples and manifest in the results store, headline figures in the state."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.compute as pc

from analysis.pricing.stack_cost import kept_cost
from analysis.results.schema.manifest import Computation, Generator, Key, Machine, Manifest, Replica, Serving, Validity
from analysis.results.storage.store import ResultsStore
from analysis.results.storage.store_files import StoreError
from analysis.statistics.figures import Shown
from analysis.statistics.summary import summarise
from loadtest.result.outcome import LoadTestOutcome
from provider.live_metrics import LiveMetrics
from provider.load_test_inputs import LoadTestInputs
from provider.record.provenance import git_commit, software_versions
from provider.record.repeats import FinishedRun, PlannedRun
from provider.record.work_folder import MeasuredRun, keep_beside_raw_rows
from provider.resource import Operation, ResourceError
from stacks.machines.autoscaler import Autoscaler

# Of the figures in the stack's outputs.
_DIGITS = 6


@dataclass(frozen=True)
class RunEnvironment:
    """What only the platform knows about a run.

    `image` is the server's, by digest, None where the server is no container; `software` are versions by name, beside
    those of this machine. `generator_node` is where the generator, or the first of its pods, ran, None where that is
    unknown; `generator_nodes` has those of all its pods, none outside a cluster. `commit` is that of the checkout when
    the test was started. `computation` is what a server that converts the model says of it. `autoscaler` changes the
    number of servers.
    """

    image: str | None
    replicas: tuple[Replica, ...]
    generator_node: str | None
    shares_host_with_server: bool
    generator_nodes: tuple[str | None, ...] = ()
    software: Mapping[str, str] = field(default_factory=dict)
    computation: Computation | None = None
    autoscaler: Autoscaler | None = None
    commit: str | None = field(default_factory=git_commit)


class InvalidRunError(ResourceError):
    """The run is stored, marked invalid; the message has the reasons."""


class UnsettledRunError(InvalidRunError):
    """The run is invalid only because of what else its machine did during the test."""


class UnsavedRunError(ResourceError):
    """The run is neither in the results store nor in its work folder."""


def record_run(
    run: PlannedRun,
    inputs: LoadTestInputs,
    outcome: LoadTestOutcome,
    environment: RunEnvironment,
    operation: Operation,
    live: LiveMetrics | None = None,
) -> FinishedRun:
    """Write the run to the results store. `live` gets its counts, which progress has up to the last second or two.

    Raises InvalidRunError when the run is invalid, after it is stored. Where it cannot be stored, raises ResourceError
    if it can be imported from its work folder, and else UnsavedRunError.
    """
    run_id = run.run_id
    if live:
        live.count(outcome.rows.num_rows, pc.sum(pc.invert(outcome.rows["ok"]), min_count=0).as_py())
    measured = MeasuredRun(manifest_of_run(run, inputs, outcome, environment), outcome.rows, outcome.samples)
    store, manifest = _store(measured, inputs.results, Path(inputs.work_dir) / run_id)
    if outcome.reasons:
        failure = UnsettledRunError if outcome.did_not_settle else InvalidRunError
        raise failure(
            f"the load test failed: {'; '.join(outcome.reasons)}. What it measured ({outcome.rows.num_rows} requests)"
            f" is stored as run {run_id}, marked invalid; the generator's log is in {inputs.work_dir}/{run_id}"
        )
    figures = summarise(store, manifest).figures(Shown.OUTPUT)
    headline = {name: _rounded(value) for name, value in figures.items() if value is not None}
    finished = FinishedRun(run_id, headline, outcome.capacity, manifest.serving.model.instances)
    if live:
        live.stored(headline)
    operation.info(f"run {run_id}: {finished.summary}")
    if outcome.capacity and outcome.capacity.imprecise_because:
        operation.info(f"run {run_id}: {outcome.capacity.imprecise_because}")
    return finished


def _rounded(value: float) -> float:
    """A figure as `pulumi up` prints it among the outputs; the results store has all digits."""
    return value if isinstance(value, int) else float(f"{value:.{_DIGITS}g}")


def _store(run: MeasuredRun, uri: str, folder: Path) -> tuple[ResultsStore, Manifest]:
    """Write the run to the results store. Raises ResourceError that says where its rows are and how to store them."""
    run_id = run.manifest.run_id
    failure: type[ResourceError] = ResourceError
    later = f"`shapebench import {shlex.quote(str(folder))} --results {shlex.quote(uri)}` stores the run later"
    try:
        keep_beside_raw_rows(run, folder)
    except OSError as error:
        later = (
            f"they cannot be imported, because its manifest could not be written there ({error}); make the folder and"
            " the store writable, and run `pulumi up` again"
        )
        failure = UnsavedRunError
    try:
        store = ResultsStore(uri)
        return store, run.store(store)
    except (StoreError, OSError) as error:
        raise failure(
            f"run {run_id} was measured and not stored: {error}. Its raw rows are in {folder}; {later}"
        ) from error


def manifest_of_run(
    run: PlannedRun, inputs: LoadTestInputs, outcome: LoadTestOutcome, environment: RunEnvironment
) -> Manifest:
    """The manifest of a run, which names no files yet."""
    return Manifest(
        run_id=run.run_id,
        repeat=run.repeat,
        stack=inputs.stack,
        platform=inputs.platform,
        shape=inputs.shape,
        serving=Serving.model_validate(
            {
                **dict(inputs.serving),
                "image": environment.image,
                "replicas": len(environment.replicas),
                "computation": environment.computation,
            }
        ),
        replicas=environment.replicas,
        deployment=outcome.deployment,
        load=inputs.profile,
        seed=outcome.seed,
        key=Key(rerun=inputs.rerun, **(inputs.sweep.model_dump() if inputs.sweep else {})),
        autoscaler=environment.autoscaler,
        generator=Generator(
            kind=f"locust {outcome.locust_version}",
            processes=outcome.processes,
            nodes=environment.generator_nodes,
            cpu_peak_percent=outcome.cpu_peak_percent,
            shares_host_with_server=environment.shares_host_with_server,
            machine=Machine(node=environment.generator_node, **outcome.machine),
        ),
        started_at=outcome.started_at,
        finished_at=outcome.finished_at,
        cost=kept_cost(inputs.platform, inputs.shape, inputs.region, inputs.model.uploaded_bytes),
        capacity=outcome.capacity,
        other_cpu=outcome.other_cpu,
        validity=Validity(verdict="invalid" if outcome.reasons else "valid", reasons=outcome.reasons),
        software=software_versions() | {**environment.software, "locust": outcome.locust_version},
        git_commit=environment.commit,
    )
