"""The load test as a resource: run it, write rows and manifest, price the stack, give the headline figures."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from analysis.cost import estimate
from analysis.manifest import Batching, Generator, Manifest, Model, Serving, Validity
from analysis.store import ResultsStore, new_run_id
from analysis.summary import RunSummary, summarise
from loadtest.payload import rest_body
from loadtest.runner import WORKER, LoadTestOutcome, LoadTestSpec, Progress, run_load_test
from provider.provenance import git_commit, software_versions
from provider.resource import Operation, Props, Resource, ResourceError
from stacks.load_profiles import LoadProfile
from stacks.shapes import NodeShape

_LASTING_LINE_EVERY_S = 10.0

# What `pulumi stack output headline` shows, of the hold phase.
_HEADLINE = (
    "requests",
    "error_rate",
    "throughput_rps",
    "goodput_rps",
    "p50_ms",
    "p90_ms",
    "p95_ms",
    "p99_ms",
    "max_ms",
    "usd_hourly",
    "usd_24h",
    "usd_730h",
    "usd_per_million_good",
)


class LoadTest(Resource):
    """Inputs: those of components.load_test.LoadTestArgs. Outputs: runId and headline."""

    token: ClassVar[str] = "shapebench:local:LoadTest"  # noqa: S105 - Pulumi's word for a type's name
    triggers: ClassVar[frozenset[str]] = frozenset({"fingerprint", "profile", "rerun", "shape"})

    def create(self, inputs: Props, operation: Operation) -> Props:
        run_id = new_run_id()
        profile = LoadProfile.model_validate(inputs["profile"])
        serving = _serving(inputs["serving"])
        work_dir = Path(inputs["workDir"]) / run_id
        spec = LoadTestSpec(
            profile=profile,
            base_url=inputs["restUrl"],
            model_name=serving.model.name,
            work_dir=work_dir,
            body=rest_body(),
        )
        outcome = run_load_test(spec, _reporter(operation), operation.cancelled)
        manifest = _manifest(run_id, inputs, serving, profile, outcome)
        store = ResultsStore(inputs["results"])
        store.write_rows(manifest.stack, run_id, WORKER, outcome.rows)
        store.write_manifest(manifest)
        if outcome.reasons:
            raise ResourceError(
                f"the load test failed: {'; '.join(outcome.reasons)}. What was measured until then"
                f" ({outcome.rows.num_rows} requests) is kept as run {run_id}, marked invalid;"
                f" the generator's log is in {work_dir}"
            )
        shutil.rmtree(work_dir)
        summary = summarise(store, manifest)
        operation.say(_sentence(summary))
        return inputs | {"runId": run_id, "headline": _headline(summary)}

    def update(self, state: Props, inputs: Props, operation: Operation) -> Props:  # noqa: ARG002 - a new run
        return self.create(inputs, operation)


def _serving(said: Props) -> Serving:
    batching = said.get("batching")
    return Serving(
        server=said["server"],
        server_version=said["server_version"],
        image=None,
        protocol=said["protocol"],
        replicas=1,
        intra_op=said["intra_op"],
        inter_op=said["inter_op"],
        batching=Batching(**batching) if batching else None,
        model=Model(**said["model"]),
    )


def _manifest(run_id: str, inputs: Props, serving: Serving, profile: LoadProfile, outcome: LoadTestOutcome) -> Manifest:
    shape = NodeShape.model_validate(inputs["shape"])
    return Manifest(
        run_id=run_id,
        stack=inputs["stack"],
        platform=inputs["platform"],
        shape=shape,
        serving=serving,
        load=profile,
        generator=Generator(
            kind=f"locust {outcome.locust_version}",
            processes=1,
            cpu_peak_percent=outcome.cpu_peak_percent,
            shares_host_with_server=True,
        ),
        started_at=outcome.started_at,
        finished_at=outcome.finished_at,
        cost=estimate(shape, inputs["region"]),
        validity=Validity(verdict="invalid" if outcome.reasons else "valid", reasons=outcome.reasons),
        software=software_versions(),
        git_commit=git_commit(),
    )


def _reporter(operation: Operation) -> Callable[[Progress], None]:
    """Every report replaces the last one on a terminal; one in ten seconds stays, for a log to have them."""
    last_lasting_s = time.monotonic()

    def report(progress: Progress) -> None:
        nonlocal last_lasting_s
        operation.show(_line(progress))
        if time.monotonic() - last_lasting_s >= _LASTING_LINE_EVERY_S:
            last_lasting_s = time.monotonic()
            operation.say(_line(progress))

    return report


def _line(progress: Progress) -> str:
    p50 = "no answer yet" if progress.p50_ms is None else f"p50 {progress.p50_ms:.0f} ms"
    return (
        f"{progress.elapsed_s:.0f} s of {progress.total_s:.0f} s, {progress.phase or 'starting'}:"
        f" {progress.users} users, {progress.rps:.1f} requests/s, {p50},"
        f" {progress.errors} of {progress.requests} failed"
    )


def _headline(summary: RunSummary) -> Props:
    """The figures for `pulumi stack output`; what is not known stays out, as Pulumi has no null there."""
    figures = summary.to_dict()
    return {name: figures[name] for name in _HEADLINE if figures[name] is not None}


def _sentence(summary: RunSummary) -> str:
    headline = _headline(summary)
    if "p99_ms" not in headline:
        return f"run {summary.run_id}: nothing was answered correctly in the hold phase"
    price = headline.get("usd_per_million_good")
    money = "no price is known" if price is None else f"{price:.2f} USD per million good predictions"
    return (
        f"run {summary.run_id}: {headline['goodput_rps']:.1f} good predictions/s, p50 {headline['p50_ms']:.0f} ms,"
        f" p99 {headline['p99_ms']:.0f} ms over {headline['requests']} requests, {money}"
    )
