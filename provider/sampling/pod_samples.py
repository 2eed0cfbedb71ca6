"""Makes the samples of a run from readings of its pods: the use between two readings, on the clock of the rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pyarrow as pa

from analysis.results.samples import MOST_CORES, SAMPLES_SCHEMA
from loadtest.generator.monitoring.sampler import values_between
from provider.cluster.clock_offset import ClockReading, clock_offset_s
from provider.sampling.pod_usage import ContainerUsage


@dataclass(frozen=True)
class PodReading:
    """What a pod had used so far; `clock` reads the uptime of its node."""

    clock: ClockReading
    usage: ContainerUsage


def samples_of(readings: Mapping[str, Sequence[PodReading]], rows_clock: Sequence[ClockReading]) -> pa.Table:
    """Samples in SAMPLES_SCHEMA, with the pod's name as `subject`; `rows_clock` reads the clock of the rows."""
    samples = [
        sample
        for pod, own in readings.items()
        if own and rows_clock
        for sample in _samples_of(pod, own, clock_offset_s([each.clock for each in own]) - clock_offset_s(rows_clock))
    ]
    return pa.Table.from_pylist(samples, schema=SAMPLES_SCHEMA)


def _samples_of(pod: str, readings: Sequence[PodReading], up_since_s: float) -> Iterator[dict[str, object]]:
    for before, after in pairwise(each.usage for each in readings):
        # Both are of the node's clock, so a command that came late changes nothing.
        window_s = after.uptime_s - before.uptime_s
        if window_s <= 0 or after.used.cpu_s < before.used.cpu_s:
            continue  # the container or its node was restarted
        values = values_between(before.used, after.used, window_s) | {MOST_CORES: after.most_cores}
        at_us = round((up_since_s + after.uptime_s) * 1e6)
        for quantity, value in values.items():
            if value is not None:
                yield {"at": at_us, "subject": pod, "quantity": quantity, "value": float(value)}
