"""What every load test leaves, wherever it ran: rows and manifest in the store, headline figures in the state."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from analysis.pricing.stack_cost import kept_cost
from analysis.results.counters import requests_by_replica
from analysis.results.manifest import Generator, Manifest, Serving, Validity
from analysis.results.store import ResultsStore
from analysis.statistics.figures import Shown
from analysis.statistics.summary import RunSummary, summarise
from loadtest.generator.plan import worker_name
from loadtest.result.outcome import LoadTestOutcome
from loadtest.result.validity import reasons_of_idleness, reasons_of_sharing
from provider.record.provenance import git_commit, software_versions
from provider.record.repeats import OneRun
from provider.resource import Operation, Props, ResourceError
from stacks.load_profiles import LoadProfile, load_profile
from stacks.shapes import NodeShape


@dataclass(frozen=True)
class Circumstances:
    """What only the place where the test ran can tell.

    `image` is the server's, by digest, None where the server is no container; `software` are versions by name, beside
    those of this machine.
    """

    image: str | None
    replicas: int
    shares_host_with_server: bool
    software: Mapping[str, str] = field(default_factory=dict)


def keep(
    this: OneRun, inputs: Props, outcome: LoadTestOutcome, circumstances: Circumstances, operation: Operation
) -> Props:
    """Write the run to the store; returns runId and headline.

    Raises ResourceError when the run is not valid, after what was measured has been kept.
    """
    run_id = this.run_id
    profile = load_profile(inputs["profile"])
    reasons = (*outcome.reasons, *_against_sharing(outcome, circumstances, profile))
    manifest = _manifest(this, inputs, outcome, circumstances, reasons)
    store = ResultsStore(inputs["results"])
    for worker, rows in _by_worker(outcome.rows).items():
        store.write_rows(manifest.stack, run_id, worker, rows)
    store.write_samples(manifest.stack, run_id, outcome.samples)
    store.write_manifest(manifest)
    if reasons:
        raise ResourceError(
            f"the load test failed: {'; '.join(reasons)}. What was measured until then"
            f" ({outcome.rows.num_rows} requests) is kept as run {run_id}, marked invalid;"
            f" the generator's log is in {inputs['workDir']}/{run_id}"
        )
    summary = summarise(store, manifest)
    operation.say(_sentence(summary))
    return {"runId": run_id, "headline": _headline(summary)}


def model_name(inputs: Props) -> str:
    """The name under which the server knows the model."""
    return str(inputs["serving"]["model"]["name"])


def _by_worker(rows: pa.Table) -> dict[str, pa.Table]:
    workers = pc.unique(rows["worker"]).to_pylist() or [worker_name(0)]
    return {worker: rows.filter(pc.equal(rows["worker"], worker)) for worker in workers}


def _against_sharing(outcome: LoadTestOutcome, circumstances: Circumstances, profile: LoadProfile) -> tuple[str, ...]:
    known_by_rows = reasons_of_sharing(outcome.rows, outcome.counted_phase, circumstances.replicas)
    return known_by_rows or reasons_of_idleness(requests_by_replica(outcome.samples), circumstances.replicas, profile)


def _manifest(
    this: OneRun, inputs: Props, outcome: LoadTestOutcome, circumstances: Circumstances, reasons: tuple[str, ...]
) -> Manifest:
    shape = NodeShape.model_validate(inputs["shape"])
    return Manifest(
        run_id=this.run_id,
        repeat=this.repeat,
        stack=inputs["stack"],
        platform=inputs["platform"],
        shape=shape,
        serving=Serving.model_validate(
            inputs["serving"] | {"image": circumstances.image, "replicas": circumstances.replicas}
        ),
        load=load_profile(inputs["profile"]),
        generator=Generator(
            kind=f"locust {outcome.locust_version}",
            processes=outcome.processes,
            cpu_peak_percent=outcome.cpu_peak_percent,
            shares_host_with_server=circumstances.shares_host_with_server,
        ),
        started_at=outcome.started_at,
        finished_at=outcome.finished_at,
        cost=kept_cost(inputs["platform"], shape, inputs["region"]),
        capacity=outcome.capacity,
        validity=Validity(verdict="invalid" if reasons else "valid", reasons=reasons),
        software=software_versions() | {**circumstances.software, "locust": outcome.locust_version},
        git_commit=git_commit(),
    )


def _headline(summary: RunSummary) -> Props:
    """The figures for `pulumi stack output`; what is not known stays out, as Pulumi has no null there."""
    return {name: value for name, value in summary.figures(Shown.OUTPUT).items() if value is not None}


def _sentence(summary: RunSummary) -> str:
    headline = _headline(summary)
    if "p99_ms" not in headline:
        return f"run {summary.run_id}: nothing was answered correctly in the phase that counts"
    price = headline.get("usd_per_million_good")
    money = "no price is known" if price is None else f"{price:.2f} USD per million good predictions"
    return (
        f"run {summary.run_id}: {headline['goodput_rps']:.1f} good predictions/s, p50 {headline['p50_ms']:.0f} ms,"
        f" p99 {headline['p99_ms']:.0f} ms over {headline['requests']} requests, {money}"
    )
