"""The CPU utilisation of a node at its capacity, from the samples of a run."""

from analysis.results.run.columns import RunRows
from analysis.results.run.resource_usage import server_use_of
from analysis.results.schema.manifest import Manifest


def cpu_percent_at(rows: RunRows, manifest: Manifest, node_rps: float) -> float | None:
    """The server's CPU time on a node that answers `node_rps`, in percent of the node's vCPUs.

    It is that of the whole run, in proportion to the rate: the step at the capacity of a search may be shorter than the
    time between two samples of a pod. None if not all replicas were sampled.
    """
    use, span_us = server_use_of(rows), rows.every.span_us
    if use is None or use.replicas < manifest.serving.replicas or not use.cores or span_us is None:
        return None
    answered_rps = rows.every.ok.sum() / (span_us[1] - span_us[0]) * 1e6
    if not answered_rps:
        return None
    cores = use.cores / answered_rps * node_rps
    return min(100.0, float(100 * cores / manifest.shape.vcpus))
