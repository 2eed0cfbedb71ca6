"""Samples resource usage of generator, server and machine once a second, beside the rows.

Times are on the clock of the rows, so that both share one axis. `loadtest.result.samples` reads the file.
"""

import contextlib
import os
import time
from pathlib import Path

from loadtest.generator.monitoring.clock import epoch_s
from loadtest.generator.monitoring.process_meter import MachineMeter, ProcessMeter, Reading

GENERATOR, SERVER, MACHINE = "generator", "server", "machine"


class Sampler:
    """Samples the generator, and where `server_pid` is on this machine, that process and the machine as a whole."""

    def __init__(self, path: Path, server_pid: int | None, generator: str = GENERATOR) -> None:
        """Opens `path` anew; raises FileExistsError where another run's samples are."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self._generator = generator
        self._meters: dict[str, ProcessMeter | MachineMeter] = {generator: ProcessMeter(os.getpid())}
        if server_pid is not None:
            self._meters |= {SERVER: ProcessMeter(server_pid), MACHINE: MachineMeter()}
        self._read_s = time.perf_counter()
        self._before = {subject: meter.read() for subject, meter in self._meters.items()}

    def sample(self, generator_percent: float | None) -> None:
        """Write one sample of each, over the time since the last.

        `generator_percent` is the worker's own CPU use, of one core; it is finer than the kernel's ticks.
        """
        now_s = time.perf_counter()
        window_s, self._read_s = now_s - self._read_s, now_s
        at_us = round(epoch_s(now_s) * 1e6)
        lines = []
        for subject, meter in self._meters.items():
            before, after = self._before[subject], meter.read()
            self._before[subject] = after
            if before is None or after is None or window_s <= 0:
                continue
            values = values_between(before, after, window_s) | {"most_cores": meter.most_cores}
            if subject == self._generator and generator_percent is not None:
                values["cpu_cores"] = generator_percent / 100
            lines += [f"{at_us},{subject},{name},{value:.12g}\n" for name, value in values.items() if value is not None]
        # A full disk stops the rows, too, and ends the test with a reason of its own.
        with contextlib.suppress(OSError):
            os.write(self._file, "".join(lines).encode())


def values_between(before: Reading, after: Reading, window_s: float) -> dict[str, float | None]:
    """The quantities of a sample, over the window between two readings or at the later one; None where not known.

    `throttled_ratio` is the share of its CPU limit's periods in which the process was throttled.
    """
    stolen_cores = None
    if before.stolen_s is not None and after.stolen_s is not None:
        stolen_cores = max(0.0, (after.stolen_s - before.stolen_s) / window_s)
    throttled_ratio = None
    if before.periods and after.periods and (passed := after.periods[0] - before.periods[0]):
        throttled_ratio = (after.periods[1] - before.periods[1]) / passed
    return {
        "cpu_cores": (after.cpu_s - before.cpu_s) / window_s,
        "memory_bytes": after.memory_bytes,
        "throttled_ratio": throttled_ratio,
        "stolen_cores": stolen_cores,
    }
