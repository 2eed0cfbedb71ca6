"""How long `shapebench report` takes, and in how much memory, for one run of a million rows."""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from analysis.store import ResultsStore
from bench.figures import Figure, describe_machine, report
from bench.synthetic import Server, make_manifest, make_rows, write_run
from stacks.load_profiles import ClosedLoop

ROWS = 1_000_000
# 500 users who never wait, and a server that answers 5,000 requests a second for 205 s.
_LOAD = ClosedLoop(users=500, spawn_rate_per_s=25, wait_s=0, warmup_s=0, duration_s=205)
_SERVER = Server(capacity_rps=5_000, service_ms=20, error_share=0.001)


def main() -> None:
    """Write the store, report on it in a process of its own, and print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "results"
        write_run(ResultsStore(str(store)), make_manifest(_LOAD), make_rows(_LOAD, _SERVER).slice(0, ROWS))
        command = [sys.executable, "-m", "shapebench", "report", "--results", str(store), "--out", folder]
        began_s = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        elapsed_s = time.perf_counter() - began_s
        html_bytes = (Path(folder) / "report.html").stat().st_size
    # On Linux in KiB; this process has had no other child.
    peak_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(describe_machine(["duckdb", "pandas", "altair", "vl-convert-python"]))
    report(
        "report",
        [
            Figure("report of 1,000,000 rows: wall time", elapsed_s, "s", "<= 10"),
            Figure("report of 1,000,000 rows: peak memory", peak_kib / 1024, "MiB", "<= 1024"),
            Figure("report of 1,000,000 rows: size of the HTML file", html_bytes / 1e6, "MB"),
        ],
    )


if __name__ == "__main__":
    main()
