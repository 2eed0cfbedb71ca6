"""The origin of a run's figures, as named facts: server, load, rows, prices and software."""

from collections.abc import Mapping

from analysis.comparability import cpu_name
from analysis.formatting import count, number, server_name, shape_name
from analysis.report.collect import Run
from analysis.results.schema.manifest import Computation, Machine, Manifest
from analysis.statistics.summary import RunSummary

Facts = tuple[tuple[str, str], ...]


def provenance(run: Run) -> Facts:
    return _measured(run.manifest) + _counted(run.summary) + (*_recorded(run.manifest), ("Files", _files(run)))


def _measured(manifest: Manifest) -> Facts:
    load, serving, batching = manifest.load, manifest.serving, manifest.serving.batching
    generator = manifest.generator
    peak = "not sampled" if generator.cpu_peak_percent is None else f"{number(generator.cpu_peak_percent)} % of a core"
    processes = "1 process" if generator.processes == 1 else f"{generator.processes} processes"
    processes += f" in {len(generator.nodes)} pods" if len(generator.nodes) > 1 else ""
    where = ", on the machine of the server" if generator.shares_host_with_server else ""
    limit = f", CPU limit of {serving.cpu_limit:g} vCPUs each" if serving.cpu_limit else ""
    sent = f", sent {serving.model.requests}" if serving.model.requests else ""
    sent += f", {serving.model.instances:.4g} predictions a request" if serving.model.instances != 1 else ""
    stands_in = ", which this machine stands in for" if manifest.platform == "local" else ""
    return (
        ("Platform", f"{manifest.platform}; priced as {shape_name(manifest)}{stands_in}"),
        ("Server", server_name(manifest) + (f", image {serving.image}" if serving.image else "")),
        ("Settings", f"{serving.protocol}, {serving.replicas} × {serving.thread_settings}{limit}"),
        ("oneDNN", _one_dnn(manifest)),
        *_computation(serving.computation),
        ("Batching", "off" if batching is None else ", ".join(f"{name} {value}" for name, value in batching)),
        ("Model", f"{serving.model.name}, {serving.model.weights} weights, {serving.model.digest}{sent}"),
        ("Load", f"{load.description}; at most {load.warmup_s:g} s of warm-up, then {load.duration_s:g} s"),
        ("Generator", f"{generator.kind}, {processes}, CPU peak {peak}{where}"),
        ("Deployment", manifest.deployment or "not recorded"),
        ("Server machines", "; ".join(map(_machine, manifest.replicas)) or "not recorded"),
        ("Generator machine", _machine(generator.machine) if generator.machine else "not recorded"),
    )


def _computation(computation: Computation | None) -> Facts:
    if computation is None:
        return ()
    difference = f"{computation.largest_difference:.1e} of their largest number"
    return (("Computation", f"{computation.precision}; answers differ from TensorFlow's by {difference} at most"),)


def _one_dnn(manifest: Manifest) -> str:
    if manifest.serving.one_dnn is not None:
        return "on" if manifest.serving.one_dnn else "off"
    states = {replica.has_one_dnn_by_default for replica in manifest.replicas}
    if not states or None in states:
        return "TensorFlow's default"
    state = "on for some of these CPUs, off for others" if len(states) > 1 else "on" if True in states else "off"
    return f"TensorFlow's default: {state}"


def _machine(machine: Machine) -> str:
    flags = f", {' '.join(machine.cpu_flags)}" if machine.cpu_flags else ""
    return f"{machine.node or 'unknown node'}: {cpu_name(machine)}{flags}, Linux {machine.kernel or 'unknown'}"


def _counted(summary: RunSummary) -> Facts:
    window = "none" if summary.duration_s is None else f"{number(summary.duration_s)} s from first request to last"
    facts = (
        ("Rows", _counts(summary.rows_by_phase)),
        ("Counted phase", window),
        ("Errors in it", _counts(summary.errors)),
    )
    if summary.offered_rps is None:
        return facts
    schedule = (
        f"{number(summary.offered_rps)} requests per second due; delay before sending: median"
        f" {number(summary.delay_p50_ms)} ms, p99 {number(summary.delay_p99_ms)} ms, longest"
        f" {number(summary.delay_max_ms)} ms; latency counts from when each was due"
    )
    return (*facts, ("Schedule", schedule))


def _recorded(manifest: Manifest) -> Facts:
    prices = manifest.cost
    software = ", ".join(f"{name} {version}" for name, version in sorted(manifest.software.items()))
    return (
        ("Run", f"{manifest.run_id}, {manifest.started_at:%Y-%m-%d %H:%M:%S} to {manifest.finished_at:%H:%M:%S} UTC"),
        ("Prices", f"{prices.source}, {prices.prices_as_of}, {prices.region}, on demand"),
        ("Commit", manifest.git_commit or "unknown: not run from a git checkout"),
        ("Software", software or "not recorded"),
    )


def _files(run: Run) -> str:
    if (files := run.manifest.files) is None:
        return "not verified: their digests were not recorded"
    return f"{len(files)}, verified by sha256" if run.summary.verified else "not as they were written"


def _counts(by_name: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count(rows)}" for name, rows in by_name.items()) or "none"
