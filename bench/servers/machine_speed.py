"""How fast this machine is while something else is measured: the CPU time of the same work, four times a second.

Other users of a shared machine take its caches, its memory bandwidth and half of each core, so that it may be a third
slower some seconds later. The time to sum an array that no cache holds follows this: in windows of five seconds it
explained two thirds of the variance of the throughput of a saturated server, in proportion (a slope of 0.97 of 1). The
means of whole load tests follow it less: `bench/simulator.py`. It takes half a percent of a core.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from analysis.results.run.columns import Floats, Integers
from bench.servers.processes import process

_ROOT = Path(__file__).parents[2]
_PAUSE_S = 0.25
_NUMBERS = 2_000_000
# A reading now and then is interrupted; the median of so many is not.
_READINGS = 9


@dataclass(frozen=True)
class MachineSpeed:
    """`took_ms[i]` of CPU time at `at_us[i]`, microseconds since the epoch."""

    at_us: Floats
    took_ms: Floats

    def took_during_ms(self, rows: pa.Table) -> float:
        """The mean, without outliers, from the first start to the last answer of a load test."""
        start_us, end_us = _times_us(rows)
        return float(self._smooth_ms[(self.at_us >= start_us.min()) & (self.at_us <= end_us.max())].mean())

    def at_the_same(self, rows: pa.Table, took_ms: float) -> pa.Table:
        """The rows as of a machine that takes so long all the time: time passes faster where it was slower."""
        passed_us = np.cumsum(np.diff(self.at_us, prepend=self.at_us[0]) * took_ms / self._smooth_ms)
        start_us, end_us = (
            (self.at_us[0] + np.interp(each_us, self.at_us, passed_us)).astype(np.int64) for each_us in _times_us(rows)
        )
        changed = {"start": start_us, "latency_us": end_us - start_us}
        columns = [
            pa.array(changed[field.name]).cast(field.type) if field.name in changed else rows[field.name]
            for field in rows.schema
        ]
        return pa.table(columns, schema=rows.schema)

    @property
    def _smooth_ms(self) -> Floats:
        around = np.pad(self.took_ms, _READINGS // 2, mode="edge")
        return np.median(np.lib.stride_tricks.sliding_window_view(around, _READINGS), axis=1)


def _times_us(rows: pa.Table) -> tuple[Integers, Integers]:
    """Of starts and answers, since the epoch."""
    start_us = rows["start"].cast(pa.int64()).to_numpy()
    return start_us, start_us + rows["latency_us"].to_numpy()


class Probe:
    """The readings of a process that goes on."""

    def __init__(self, readings: Path) -> None:
        self._readings = readings

    def speed(self) -> MachineSpeed:
        at_us, took_ms = np.loadtxt(self._readings, unpack=True)
        return MachineSpeed(at_us, took_ms)


@contextmanager
def machine_speed(readings: Path) -> Iterator[Probe]:
    """Measure in a process of its own until the block ends; `readings` is written."""
    readings.parent.mkdir(parents=True, exist_ok=True)
    with readings.open("w") as file, process([sys.executable, "-m", __name__], stdout=file, cwd=_ROOT):
        yield Probe(readings)


def main() -> None:
    """Print a line for each reading."""
    numbers = np.ones(_NUMBERS, dtype=np.float32)
    while True:
        began_ns = time.process_time_ns()
        numbers.sum()
        print(time.time() * 1e6, (time.process_time_ns() - began_ns) / 1e6, flush=True)
        time.sleep(_PAUSE_S)


if __name__ == "__main__":
    main()
