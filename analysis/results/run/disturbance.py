"""CPU that other programs took from a run, by its samples: of this machine, or of each node that a server runs on."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from analysis.results.run.columns import Columns, Floats, Integers, RunRows
from analysis.results.run.hosts import THIS_MACHINE, Host, cluster_hosts
from analysis.results.schema.manifest import HOLD, Manifest
from analysis.results.schema.other_cpu import OtherCpu
from analysis.results.schema.samples import CPU_CORES, GENERATOR, MACHINE, MOST_CORES, OTHER_CPU_CORES, STOLEN_CORES

# How the reason begins.
DISTURBED = "the run was disturbed"

# From when the first request of a phase was due until the last one, in microseconds.
Span = tuple[int, int]

_GENERATORS = re.compile(rf"{GENERATOR}(-\d+)?")
_QUANTITIES = {CPU_CORES, MOST_CORES, OTHER_CPU_CORES, STOLEN_CORES}
# The samples of a damaged run may say anything; no machine has more cores.
_MOST_CORES = 1e5
# Samples that cover less of the time than this do not tell what was used in it.
_COVERED = 0.5
# A sample is of the time since the one before; the first is of as long as usual.
_USUAL_US = 1_000_000


@dataclass(frozen=True)
class HostCpu:
    """Mean cores of a host's servers together, the cores that these may use, and `others`, None where not known."""

    server_cores: float
    most_cores: float
    others: OtherCpu | None


class CpuSamples:
    """The CPU samples of a run, to be averaged over parts of it."""

    def __init__(self, samples: pa.Table, hosts: Sequence[Host]) -> None:
        self._hosts = hosts
        found: dict[tuple[str, str], list[tuple[int, float]]] = {}
        columns = (samples["at"].cast(pa.int64()), samples["subject"], samples["quantity"], samples["value"])
        for at_us, subject, quantity, value in zip(*(column.to_pylist() for column in columns), strict=True):
            if quantity in _QUANTITIES and 0 <= value <= _MOST_CORES:
                found.setdefault((subject, quantity), []).append((at_us, value))
        self._series = {key: _series(values) for key, values in found.items()}

    def hosts(self, spans: Sequence[Span]) -> list[HostCpu | None]:
        """Of each host, in these parts of the run; None where its servers were not sampled."""
        return [self._of_host(host, spans) for host in self._hosts]

    def others(self, spans: Sequence[Span]) -> OtherCpu | None:
        """What other programs took in these parts of the run, of the host that lost most; None where not known."""
        known = [host.others for host in self.hosts(spans) if host and host.others]
        return max(known, key=lambda each: each.share, default=None)

    def _of_host(self, host: Host, spans: Sequence[Span]) -> HostCpu | None:
        used = _total(self._mean(server, CPU_CORES, spans) for server in host.servers)
        most = _total(self._mean(server, MOST_CORES, spans) for server in host.servers)
        if used is None or most is None:
            return None
        return HostCpu(used, most, self._others(host, used, most, spans))

    def _others(self, host: Host, used: float, most: float, spans: Sequence[Span]) -> OtherCpu | None:
        generators = {subject for subject, _ in self._series if _GENERATORS.fullmatch(subject)}
        sent = (
            _total(self._mean(generator, CPU_CORES, spans) for generator in generators) if host.has_generator else 0.0
        )
        busy, stolen = self._busy(host, spans)
        cores = host.cores or self._mean(MACHINE, MOST_CORES, spans)
        if busy is None or cores is None or sent is None or (host.has_generator and not generators):
            return None
        if not cores or not most:
            return None
        # Kernels differ in whether a process's time includes what the hypervisor took while it ran.
        others = max(0.0, busy - (stolen or 0.0) - used - sent) + (stolen or 0.0)
        usable = min(cores, most + (len(generators) if host.has_generator else 0))
        return OtherCpu(node=host.node, cores=others, stolen_cores=stolen, machine_cores=cores, usable_cores=usable)

    def _busy(self, host: Host, spans: Sequence[Span]) -> tuple[float | None, float | None]:
        """The busy cores of a host, and those of them that the hypervisor gave to other machines."""
        if host.node is None:
            return self._mean(MACHINE, CPU_CORES, spans), self._mean(MACHINE, STOLEN_CORES, spans)
        # Each server's samples have what all else on the node used.
        beside = [
            (self._mean(server, CPU_CORES, spans), self._mean(server, OTHER_CPU_CORES, spans))
            for server in host.servers
        ]
        busy = [own + others for own, others in beside if own is not None and others is not None]
        stolen = [self._mean(server, STOLEN_CORES, spans) for server in host.servers]
        return _average(busy), _average([each for each in stolen if each is not None])

    def _mean(self, subject: str, quantity: str, spans: Sequence[Span]) -> float | None:
        """Each sample counts by how much of its time is in the spans; None where they cover too little of it."""
        if (subject, quantity) not in self._series:
            return None
        since_us, at_us, values = self._series[subject, quantity]
        weights = sum(
            (np.maximum(0, np.minimum(at_us, to_us) - np.maximum(since_us, from_us)) for from_us, to_us in spans),
            np.zeros(at_us.size, dtype=np.int64),
        )
        covered, asked = int(weights.sum()), sum(to_us - from_us for from_us, to_us in spans)
        return float(weights @ values) / covered if covered and covered >= _COVERED * asked else None


def hosts_of(manifest: Manifest) -> tuple[Host, ...]:
    """The hosts of a stored run; none where it does not say on which nodes all its servers ran."""
    if manifest.platform == "local":
        return (THIS_MACHINE,)
    first = manifest.generator.machine.node if manifest.generator.machine else None
    nodes = {replica.name: replica.node for replica in manifest.replicas}
    generator_nodes, autoscaled = manifest.generator.nodes or (first,), manifest.autoscaler is not None
    return cluster_hosts(nodes, manifest.shape.vcpus, generator_nodes, autoscaled=autoscaled)


def counted_spans(manifest: Manifest, every: Columns) -> list[Span]:
    """When a run was measured: its hold, or those steps of a search that the capacity follows from."""
    steps = list(enumerate(manifest.capacity.steps if manifest.capacity else (), 1))
    poisson = [n for n, step in steps if step.arrivals == "poisson"]
    phases = [f"step-{n}" for n in poisson or [n for n, _ in steps]] or [HOLD]
    due = (every.intended_start_us[every.phase.equal(phase)] for phase in phases)
    return [span for each in due if (span := span_of(each))]


def span_of(intended_start_us: Integers) -> Span | None:
    """None where fewer than two moments are among them."""
    if intended_start_us.size < 2 or not np.ptp(intended_start_us):
        return None
    return int(intended_start_us.min()), int(intended_start_us.max())


def unrecorded_disturbance(manifest: Manifest, rows: RunRows) -> list[str]:
    """The reason against a run from before other programs were recorded, by its samples; none of a later run."""
    if manifest.other_cpu is not None or not rows.samples.num_rows or manifest.validity.verdict == "invalid":
        return []
    spans = counted_spans(manifest, rows.every)
    other = CpuSamples(rows.samples, hosts_of(manifest)).others(spans) if spans else None
    reason = disturbance_reason(other)
    return [reason] if reason else []


def was_disturbed(reasons: Iterable[str]) -> bool:
    """Whether the disturbance is among the reasons against a run."""
    return any(reason.startswith(DISTURBED) for reason in reasons)


def disturbance_reason(other: OtherCpu | None) -> str | None:
    """Why a run from which so much CPU was taken may not be ranked; None where it was not."""
    if other is None or not other.disturbs:
        return None
    stolen = other.stolen_cores or 0.0
    steal = f", and the hypervisor gave {stolen:.2f} of them to other machines (steal)" if stolen >= 0.01 else ""
    fix = "end them (`top` lists them)" if other.node is None else "keep other pods off the servers' nodes"
    if stolen > other.cores / 2:
        fix = "use a machine whose host is less busy, or wait"
    return (
        f"{DISTURBED}: other programs used {other.program_cores:.2f} of {other.machine} while it measured{steal}, which"
        f" server and load generator lacked, so the figures are not the server's alone; {fix}, and run again"
    )


def _series(values: list[tuple[int, float]]) -> tuple[Integers, Integers, Floats]:
    """Of each sample, when its time began and ended, and its value."""
    at, amounts = zip(*sorted(values), strict=True)
    at_us = np.array(at, dtype=np.int64)
    usual_us = int(np.median(np.diff(at_us))) if at_us.size > 1 else _USUAL_US
    return np.concatenate([[at_us[0] - usual_us], at_us[:-1]]), at_us, np.array(amounts, dtype=np.float64)


def _total(amounts: Iterable[float | None]) -> float | None:
    """None where one of them is not known."""
    known, missing = 0.0, False
    for amount in amounts:
        missing = missing or amount is None
        known += amount or 0.0
    return None if missing else known


def _average(amounts: Sequence[float]) -> float | None:
    return sum(amounts) / len(amounts) if amounts else None
