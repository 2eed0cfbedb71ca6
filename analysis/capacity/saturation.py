"""Whether a closed loop saturated its server, and how much faster it could be if no other program used its CPU."""

import numpy as np

from analysis.results.run.bottleneck import SATURATED
from analysis.results.run.columns import RunRows
from analysis.results.run.disturbance import CpuSamples, HostCpu, hosts_of, span_of
from analysis.results.schema.manifest import Manifest
from stacks.load.load_profiles import ClosedLoop

# The answers that tell how long a request takes without a queue: those of the first users.
_FIRST = 10
# So many times the users that would keep the server busy if none of their requests ever waited.
_SATURATED = 2.0
_STANDARD_ERRORS = 3.0


def saturated_rps(load: ClosedLoop, rows: RunRows) -> float | None:
    """A rate above the capacity: the throughput of a saturated hold, and three standard errors of its count.

    N users who each wait Z s send X = N / (R + Z) requests a second at a mean response time of R s (interactive
    response time law: Denning and Buzen, ACM Computing Surveys 10(3), 1978). X (R0 + Z) users would suffice for it if
    no request waited, R0 being the response time of the first ones; with twice as many, half of them queue, and more
    would add nothing. None where the hold did not reach that, or has too few answers to tell. A server is busy with one
    user at least, so fewer than twice as many never show it: where their requests take twice as long as the first
    ones, it is the machine that became slower.
    """
    if load.users < _SATURATED:
        return None
    every, hold = rows.every, rows.counted
    first_us = every.response_us[every.ok][np.argsort(every.intended_start_us[every.ok], kind="stable")][:_FIRST]
    answered_us = hold.response_us[hold.ok]
    if first_us.size < _FIRST or answered_us.size < _FIRST:
        return None
    alone_s, mean_s = float(np.median(first_us)) / 1e6, float(answered_us.mean()) / 1e6
    if mean_s + load.wait_s < _SATURATED * (alone_s + load.wait_s):
        return None
    span_s = float(np.ptp(hold.intended_start_us)) / 1e6
    count = answered_us.size
    return (count + _STANDARD_ERRORS * count**0.5) / span_s if span_s else None


def most_with_all_cpu(manifest: Manifest, rows: RunRows) -> float | None:
    """By what factor the servers would be faster at most if they had the CPU that other programs took in the hold.

    A request takes the same CPU time, so a server that gets (used + others) / used of its CPU answers no more than so
    many times as fast. Where other programs were not sampled, a saturated server could have had the rest of its cores.
    None where neither is known: the queue may have been in front of a machine that was busy with something else.
    """
    span, hosts = span_of(rows.counted.intended_start_us), hosts_of(manifest)
    used = CpuSamples(rows.samples, hosts).hosts([span]) if span else []
    factors = [
        _most_with_all_cpu(cpu, manifest.serving.busy_threads * len(host.servers)) if cpu else None
        for host, cpu in zip(hosts, used, strict=False)
    ]
    known = [factor for factor in factors if factor is not None]
    return max(known) if known and len(known) == len(factors) else None


def _most_with_all_cpu(cpu: HostCpu, threads: int) -> float | None:
    if not cpu.server_cores:
        return None
    if cpu.others is not None:
        return (cpu.server_cores + cpu.others.cores) / cpu.server_cores
    if cpu.server_cores >= SATURATED * min(cpu.most_cores, threads):
        return max(1.0, cpu.most_cores / cpu.server_cores)
    return None
