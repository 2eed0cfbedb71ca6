"""Time and memory of `shapebench report` for 1, 10 and 100 runs of a million rows each, and the time of verifying.

The runs are capacity searches, so that a report estimates and ranks.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path

import numpy as np
import psutil

from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore, new_run_id
from bench.figures import Figure, argument_parser, report, start
from bench.stores.synthetic import make_older, make_search, write_run
from stacks.load.load_profiles import PROFILES

SMALLEST = ("1",)

ROWS = 1_000_000
RUNS = (1, 10, 100)
_LOAD = PROFILES["capacity"].model_copy(update={"highest_rps": 20_000.0})
_SHAPES = (
    ("2cpu-4gb", "e2-custom-2-4096", 8),
    ("4cpu-8gb", "e2-custom-4-8192", 4),
    ("8cpu-16gb", "e2-custom-8-16384", 2),
)
# Ten variants; further runs repeat them.
_VARIANTS = tuple(product(_SHAPES, (1, 2, 4, 8)))[:10]
_PART = "requests/stack={stack}/run_id={run_id}/part-w0.parquet"
# Reading the memory of a process takes CPU that the report needs.
_MEMORY_INTERVAL_S = 0.5


def main() -> None:
    """Write the stores, run the report on each in its own process, and report."""
    parser = argument_parser("report", __doc__)
    parser.add_argument("runs", nargs="*", type=int, metavar="RUNS", help=f"numbers of runs; default: {RUNS}")
    numbers = start(parser, ["pyarrow", "pandas", "altair", "vl-convert-python"]).runs or RUNS
    figures, run_s = [], {}
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "results"
        manifests: list[Manifest] = []
        for runs in sorted(numbers):
            manifests = _write_missing(ResultsStore(str(store)), store, manifests, runs)
            # Before and after the one without digests, since a shared machine becomes slower and faster.
            before = _measure(store, Path(folder))
            without_cpu_s = _cpu_s_without_digests(store, Path(folder))
            after = _measure(store, Path(folder))
            elapsed_s, cpu_s, peak_mib = (float(np.mean(pair)) for pair in zip(before, after, strict=True))
            html_mb = (Path(folder) / "report.html").stat().st_size / 1e6
            run_s[runs] = elapsed_s / runs
            name = f"{runs} run{'' if runs == 1 else 's'} of {ROWS:,} rows"
            figures += [
                Figure(f"{name}: wall time", elapsed_s, "s", {1: "<= 10", 100: "<= 60"}.get(runs)),
                Figure(f"{name}: wall time a run", run_s[runs], "s"),
                Figure(f"{name}: CPU time of all processes", cpu_s, "s"),
                Figure(f"{name}: peak memory of all processes", peak_mib, "MiB", "<= 2048"),
                Figure(f"{name}: CPU time against that without digests", cpu_s / without_cpu_s, "times", "<= 1.1"),
                Figure(f"{name}: size of the HTML file", html_mb, "MB"),
            ]
    if 10 in run_s and 100 in run_s:
        figures.append(Figure("wall time a run: 100 runs against 10", run_s[100] / run_s[10], "times", "<= 1.1"))
    report("report", figures)


def _write_missing(store: ResultsStore, folder: Path, written: Sequence[Manifest], runs: int) -> list[Manifest]:
    """Write runs until there are `runs`. Each variant has its own rows, which its repeats share on the disk."""
    manifests = list(written)
    for at in range(len(written), runs):
        shape, inter_op = _VARIANTS[at % len(_VARIANTS)]
        if at < len(_VARIANTS):
            stack, machine_type, nodes = shape
            changes = {"stack": stack, "machine_type": machine_type, "nodes": nodes, "deployment": f"d{at:011x}"}
            manifest, rows = make_search(5_000 + 50 * at, at, requests=ROWS, load=_LOAD, **changes)
            serving = manifest.serving.model_copy(update={"inter_op": inter_op})
            manifest = write_run(store, manifest.model_copy(update={"serving": serving}), rows)
        else:
            repeated = manifests[at % len(_VARIANTS)]
            manifest = repeated.model_copy(update={"run_id": new_run_id(), "deployment": f"d{at:011x}"})
            part = folder / _PART.format(stack=manifest.stack, run_id=manifest.run_id)
            part.parent.mkdir(parents=True)
            part.hardlink_to(folder / _PART.format(stack=repeated.stack, run_id=repeated.run_id))
            store.write_manifest(manifest)
        manifests.append(manifest)
    return manifests


def _cpu_s_without_digests(store: Path, out: Path) -> float:
    """CPU seconds of a report on the same rows, with manifests that name no files."""
    unverified = out / "unverified"
    shutil.copytree(store, unverified, copy_function=os.link)
    for file in unverified.glob("runs/*/*.json"):
        make_older(file)
    _, cpu_s, _ = _measure(unverified, out)
    shutil.rmtree(unverified)
    return cpu_s


def _measure(store: Path, out: Path) -> tuple[float, float, float]:
    """Write a report; its seconds, and CPU seconds and peak MiB with the processes that it started."""
    command = [sys.executable, "-m", "shapebench", "report", "--results", str(store), "--out", str(out)]
    began_s, began_cpu_s, peak_bytes = time.perf_counter(), _cpu_s_of_children(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak_bytes = max(peak_bytes, _memory_bytes(process.pid))
            time.sleep(_MEMORY_INTERVAL_S)
    elapsed_s = time.perf_counter() - began_s
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return elapsed_s, _cpu_s_of_children() - began_cpu_s, peak_bytes / 2**20


def _cpu_s_of_children() -> float:
    """CPU time of the ended child processes and of their own children."""
    used = os.times()
    return used.children_user + used.children_system


def _memory_bytes(pid: int) -> int:
    """Memory of the process and its children; a page that several of them share counts once."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
    return total


if __name__ == "__main__":
    main()
