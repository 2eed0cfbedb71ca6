"""Runs the generators that ours is compared with: wrk, bench.generators.reference_open_loop, Locust's FastHttpUser."""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

PATH = "/v1/models/resnet:predict"
QUANTILES = (0.5, 0.99, 0.999, 1.0)

Values = Sequence[float] | npt.NDArray[np.float64]

_THREADS = 256

# The script prints its counts as JSON to standard error; wrk prints its own report to standard output.
_WRK_SCRIPT = """
local file = io.open(os.getenv("SHAPEBENCH_BENCH_BODY"), "rb")
wrk.method, wrk.body = "POST", file:read("*a")
wrk.headers["Content-Type"] = "application/json"
function done(summary, latency)
  local errors = summary.errors
  io.stderr:write(string.format(
    '{"requests": %d, "seconds": %f, "failures": %d, "latency_us": [%f, %f, %f, %f]}',
    summary.requests, summary.duration / 1e6,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max))
end
"""


def at_quantiles(values: Values) -> tuple[float, ...]:
    return tuple(np.quantile(values, QUANTILES).tolist())


@dataclass(frozen=True)
class GeneratorRun:
    """One run of a generator.

    `latency_s` is what the generator reports at QUANTILES, and `began_s` when its schedule began, in seconds of the
    epoch; both are left at their defaults if they are not needed.
    """

    requests: int
    seconds: float
    cpu_s: float
    latency_s: tuple[float, ...] = ()
    began_s: float = 0.0

    @property
    def rps(self) -> float:
        return self.requests / self.seconds

    @property
    def rps_per_core(self) -> float:
        """Requests per second of CPU time: the highest rate of a generator that is limited by one core."""
        return self.requests / self.cpu_s


def wrk(port: int, body: bytes, connections: int, seconds: int) -> GeneratorRun | None:
    """A closed loop in C; None if wrk is not on PATH."""
    if not (program := shutil.which("wrk")):
        return None
    with tempfile.TemporaryDirectory() as folder:
        script, body_path = Path(folder) / "post.lua", Path(folder) / "body"
        script.write_text(_WRK_SCRIPT)
        body_path.write_bytes(body)
        command = [program, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        process = subprocess.run(
            [*command, f"http://127.0.0.1:{port}{PATH}"],
            env=os.environ | {"SHAPEBENCH_BENCH_BODY": str(body_path)},
            check=True, capture_output=True, text=True, timeout=seconds + 60,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    counts = json.loads(process.stderr)
    _require_no_failures("wrk", counts["failures"])
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return GeneratorRun(counts["requests"], counts["seconds"], cpu_s, tuple(us / 1e6 for us in counts["latency_us"]))


def reference_open_loop(port: int, body: bytes, rate_rps: float, seconds: float) -> GeneratorRun:
    with tempfile.NamedTemporaryFile() as body_file:
        body_file.write(body)
        body_file.flush()
        command = [sys.executable, "-m", "bench.generators.reference_open_loop", str(port), PATH, body_file.name]
        command += [str(rate_rps), str(seconds), str(_THREADS)]
        process = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=seconds + 60)
    counts = json.loads(process.stdout)
    intended_start_s, _, answered_s = np.array(counts["times"]).T
    _require_no_failures("the reference", round(rate_rps * seconds) - len(intended_start_s))
    return GeneratorRun(
        len(intended_start_s),
        float(np.ptp(answered_s)),
        counts["cpu_s"],
        at_quantiles(answered_s - intended_start_s),
        float(intended_start_s[0]),
    )


def fast_http_user(port: int, body: bytes, users: int, seconds: float, rate_rps: float = 0.0) -> GeneratorRun:
    """Locust's own client in a closed loop, without pauses or, with `rate_rps`, at that rate of all users together."""
    with tempfile.TemporaryDirectory() as folder:
        meter, body_path = Path(folder) / "meter.json", Path(folder) / "body"
        body_path.write_bytes(body)
        locustfile = Path(__file__).with_name("fast_http_locustfile.py")
        command = [sys.executable, "-m", "locust", "-f", str(locustfile), "--headless", "--only-summary"]
        command += ["-u", str(users), "-r", str(users), "-H", f"http://127.0.0.1:{port}"]
        variables = {
            "SHAPEBENCH_BENCH_BODY": str(body_path),
            "SHAPEBENCH_BENCH_PATH": PATH,
            "SHAPEBENCH_BENCH_SECONDS": str(seconds),
            "SHAPEBENCH_BENCH_METER": str(meter),
            "SHAPEBENCH_BENCH_PACE": str(rate_rps / users),
        }
        subprocess.run(command, env=os.environ | variables, cwd=folder, check=True, capture_output=True, timeout=300)
        counts = json.loads(meter.read_text())
    _require_no_failures("FastHttpUser", counts["failures"])
    return GeneratorRun(counts["requests"], counts["seconds"], counts["cpu_s"])


def _require_no_failures(name: str, failures: int) -> None:
    if failures:
        raise RuntimeError(f"{failures} requests of {name} failed, so its figures mean nothing")
