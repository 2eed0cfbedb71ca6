"""From readings of pods to the samples of a run: what was used between two readings, on the clock of its rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pyarrow as pa

from analysis.results.samples import MOST_CORES, SAMPLES_SCHEMA
from loadtest.generator.monitoring.sampler import values_between
from provider.clocks import ClockReading, ahead_s
from provider.sampling.pod_usage import Usage


@dataclass(frozen=True)
class PodReading:
    """What a pod had used; `clock` is its node's uptime on ours."""

    clock: ClockReading
    usage: Usage


def samples_of(readings: Mapping[str, Sequence[PodReading]], rows_clock: Sequence[ClockReading]) -> pa.Table:
    """In SAMPLES_SCHEMA, a pod's name as `subject`. `rows_clock` are readings of the clock that the rows are on."""
    samples = [
        sample
        for pod, own in readings.items()
        if own and rows_clock
        for sample in _samples_of(pod, own, ahead_s([each.clock for each in own]) - ahead_s(rows_clock))
    ]
    return pa.Table.from_pylist(samples, schema=SAMPLES_SCHEMA)


def _samples_of(pod: str, readings: Sequence[PodReading], up_since_s: float) -> Iterator[dict[str, object]]:
    for before, after in pairwise(each.usage for each in readings):
        # Exact however late a command came: both are the node's own.
        window_s = after.uptime_s - before.uptime_s
        if window_s <= 0 or after.used.cpu_s < before.used.cpu_s:
            continue  # the container or its node began anew
        values = values_between(before.used, after.used, window_s) | {MOST_CORES: after.most_cores}
        at_us = round((up_since_s + after.uptime_s) * 1e6)
        for quantity, value in values.items():
            if value is not None:
                yield {"at": at_us, "subject": pod, "quantity": quantity, "value": float(value)}
